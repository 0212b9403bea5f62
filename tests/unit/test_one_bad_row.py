"""One row of an input that was rejected or quarantined never ends a stage, nor changes what becomes of the others."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_corpus import RUN, VIDEOS, batch_of, clip_id, publish, read, video_id, write

from pipelines.curation import clips, ingest, people, sources
from pipelines.curation.listing import list_sources
from pipelines.engine import Engine, Row
from pipelines.manifest import Status
from pipelines.shards import stage as shards
from pipelines.stage import Stage, run_stage
from pipelines.stages import DATA_STAGES
from pipelines.synthesis import motions, pairs
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.recorded import Recorded
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace
from training.stages import REPORT

# A tar of clips holds one, so that each has a row of its own; a tar of pairs holds two groups.
CONFIGS: dict[Stage, Any] = RUN | {
    ingest.STAGE: ingest.VideosConfig(),
    people.STAGE: people.PeopleConfig(),
    clips.STAGE: clips.ClipsConfig(),
    motions.STAGE: motions.MotionsConfig(),
    pairs.STAGE: pairs.PairsConfig(
        8, 0, 0, identities=2, frames=1, size=16, groups_per_shard=2, engine="raster", texture=16, recorded_share=1.0
    ),
    shards.STAGE: shards.ShardsConfig(samples_per_shard=1),
}
STAGES = {stage.name: stage for stage in (*DATA_STAGES, REPORT)}
EDGES = [(name, other) for name in STAGES for other in (*STAGES[name].needs, *STAGES[name].uses) if other in STAGES]
SHARED = {"contents_path", "shard_path", "shard_sha256", "shard_bytes"}
REASON = "odd: as a test has it"


@pytest.fixture(scope="module")
def whole(perceiving: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A corpus with motions and pairs, every stage of which has kept something."""
    workspace = Workspace(str(tmp_path_factory.mktemp("whole")))
    publish(workspace)
    (workspace.local_root / "models").symlink_to(perceiving.local_root / "models")
    folder = tmp_path_factory.mktemp("given")
    for number in range(VIDEOS):
        frames = [np.full((48, 64, 3), 40 * number + frame, np.uint8) for frame in range(20)]
        (folder / f"{number}.mp4").write_bytes(encode_mp4(frames, 8.0))
    write(workspace, sources.STAGE, list_sources([str(folder)], "CC0-1.0", "friends"))
    write(workspace, motions.STAGE, [motion_row(workspace, number) for number in range(VIDEOS)])
    for stage in (pairs.STAGE, shards.STAGE, REPORT):
        bring(workspace, stage)
    assert len({row["source"] for row in read(workspace, pairs.STAGE, Status.KEPT)}) > 1
    return workspace


def motion_row(workspace: Workspace, number: int) -> Row:
    """A motion of a second that was fitted to a clip."""
    turns = np.tile(np.eye(3, dtype=np.float32), (31, 1, 1))
    path = f"motions/files/m{number}.npz"
    with workspace.publish(path) as file:
        Recorded(Pose({"root": turns}, np.zeros((31, 3), np.float32), {}), 30.0).save(file)
    about = {"kind": "clip", "split": "train", "seconds": 1.0, "video_id": video_id(number), "path": path}
    return {"id": f"m{number}", "parent_id": clip_id(number, 0), "status": Status.KEPT, "licence": "CC0-1.0", **about}


def bring(workspace: Workspace, stage: Stage) -> None:
    run_stage(stage, workspace, CONFIGS[stage], Engine(), batch_of(stage), quiet=True)


def copy_of(workspace: Workspace, folder: Path) -> Workspace:
    shutil.copytree(workspace.local_root, folder, symlinks=True)
    return Workspace(str(folder))


def outcome(workspace: Workspace, stage: Stage) -> dict[str, Row]:
    """The rows of a stage by id; without the files that they share with others."""
    return {row["id"]: {name: row[name] for name in row.keys() - SHARED} for row in read(workspace, stage)}


def names_in(value: Any) -> set[str]:
    """All strings in a row, however deep."""
    if isinstance(value, dict):
        return names_in([*value.values()])
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    return {value} if isinstance(value, str) else set()


def hanging_on(workspace: Workspace, name: str) -> set[str]:
    """The ids of all rows that are a row, or name one that hangs on it."""
    found = {name}
    for stage in STAGES.values():
        for row in read(workspace, stage):
            if names_in(row) & found:
                found.add(row["id"])
    (held,) = {row["contents_path"] for row in read(workspace, shards.STAGE, Status.KEPT)}
    tars = {sample["path"] for sample in pq.read_table(workspace.local(held)).to_pylist() if sample["sample"] in found}
    return found | {row["id"] for row in read(workspace, shards.STAGE) if row["path"] in tars}


@pytest.mark.parametrize("status", [Status.REJECTED, Status.QUARANTINED])
@pytest.mark.parametrize(("name", "other"), EDGES)
def test_the_others_are_as_without_it(whole: Workspace, tmp_path: Path, name: str, other: str, status: Status) -> None:
    stage = STAGES[name]
    plain, touched = copy_of(whole, tmp_path / "plain"), copy_of(whole, tmp_path / "touched")
    bring(plain, stage)
    *rest, lost = read(touched, STAGES[other])
    verdict = {"id": lost["id"], "parent_id": lost["parent_id"], "status": status, "reason": REASON}
    write(touched, STAGES[other], [*rest, lost | verdict if status == Status.REJECTED else verdict])
    bring(touched, stage)
    before, after = outcome(plain, stage), outcome(touched, stage)
    if stage is REPORT:  # one row, of everything
        assert len(after) == 1
        return
    others = before.keys() - hanging_on(plain, lost["id"])
    assert {row_id: after.get(row_id) for row_id in others} == {row_id: before[row_id] for row_id in others}
    kept = [row for row in after.values() if row["status"] == Status.KEPT]
    assert not [row for row in kept if lost["id"] in (row["id"], row["parent_id"], row.get("source"))]

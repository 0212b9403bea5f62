"""What one input of a stage did not keep, or does not know, comes out with that verdict, whatever the stage."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from small_corpus import (
    EVERY_CLIP,
    PARTS,
    RUN,
    VIDEOS,
    batch_of,
    bring,
    clip_id,
    publish,
    read,
    track_id,
    video_id,
    write,
)

from pipelines import manifest as manifests
from pipelines.curation import clips, ingest, people, split
from pipelines.curation.coverage import stage as coverage
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities
from pipelines.engine import Engine, Row
from pipelines.manifest import Status, digest_of
from pipelines.shards import stage as shards
from pipelines.stage import Stage, run_stage
from pipelines.synthesis import motions, pairs
from pipelines.workspace import Workspace
from training.stages import EVALUATION, MODEL, REPORT, TRAIN

TOUCHED = (
    ingest.STAGE, people.STAGE, clips.STAGE, duplicates.STAGE, coverage.STAGE, identities.STAGE, split.STAGE
)  # fmt: skip
ORDER = (*TOUCHED, shards.STAGE, REPORT)
# Stages whose rows are clips, and the inputs whose verdict on a clip they have to carry, but for that of the input
# that they cover: what is not kept there ends there.
JOINED = {
    "coverage": ("clips",),
    "identities": ("clips", "people", "videos"),
    "split": ("identities",),
    "shards": ("clips",),
}
REASON = "odd: as a test has it"
NO_PAIRS = pairs.PairsConfig(train_groups=0, validation_groups=0, test_groups=0, corpus_backgrounds=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(str(tmp_path_factory.mktemp("whole")))
    publish(workspace)
    return workspace


def touch(workspace: Workspace, stage: Stage, name: str, fate: str) -> Row:
    """Let a stage have had another verdict on one of its rows: quarantined as the engine does it, rejected as a filter
    does it, or, as of a video that cannot be read any more, no row of that name at all."""
    rows = {row["id"]: row for row in read(workspace, stage)}
    row = rows[name]
    bare = {"id": row["id"], "parent_id": row["parent_id"], "status": "quarantined", "reason": REASON}
    changed = {
        "rejected": {**row, "status": "rejected", "reason": REASON},
        "quarantined": bare,
        "gone": {**bare, "id": digest_of(row["id"])},
    }
    write(workspace, stage, [*(rows | {name: changed[fate]}).values()])
    return row


def clips_of(row: Row) -> set[str]:
    """The clips that hang on a row of any stage of curation."""
    numbers = [number for number in range(VIDEOS) if row["id"] in {video_id(number), track_id(number)}]
    return {clip_id(number, part) for number in numbers for part in range(PARTS[number])} or {row["id"]}


@settings(max_examples=12, phases=[Phase.generate])  # to shrink an example would take minutes and tell no more
@given(st.sampled_from(TOUCHED), st.integers(0, sum(PARTS) - 1), st.sampled_from(["quarantined", "rejected", "gone"]))
def test_every_later_stage_carries_the_verdict(
    whole: Workspace, tmp_path_factory: pytest.TempPathFactory, stage: Stage, number: int, fate: str
) -> None:
    workspace = Workspace(str(tmp_path_factory.mktemp("touched")))
    shutil.copytree(whole.local_root, workspace.local_root, dirs_exist_ok=True)
    names = sorted(row["id"] for row in read(workspace, stage))
    lost = clips_of(touch(workspace, stage, names[number % len(names)], fate))
    verdict = ("quarantined", "missing_input") if fate == "gone" else (fate, "odd")
    later = [each for each in RUN if ORDER.index(each) > ORDER.index(stage)]
    # The last first: each then finds one input that has changed, and the others as they were.
    for each in reversed(later):
        bring(workspace, each)
        if stage.name in JOINED.get(each.name, ()):
            rows = {row["id"]: row for row in read(workspace, each)}
            assert {rows[name]["parent_id"] for name in lost} == lost
            found = {(rows[name]["status"], rows[name]["reason"].partition(":")[0]) for name in lost}
            assert found == {verdict}
    for each in later:
        if each is not REPORT:
            bring(workspace, each)
    assert {row["id"] for row in read(workspace, split.STAGE, Status.KEPT)} == EVERY_CLIP - lost
    (held,) = {row["contents_path"] for row in read(workspace, shards.STAGE, Status.KEPT)}
    assert set(pq.read_table(workspace.local(held))["sample"].to_pylist()) == EVERY_CLIP - lost


@pytest.mark.parametrize("fate", ["quarantined", "rejected", "gone"])
@pytest.mark.parametrize(
    ("stage", "config", "lead", "other"),
    [
        (clips.STAGE, clips.ClipsConfig(), people.STAGE, ingest.STAGE),
        (motions.STAGE, motions.MotionsConfig(), split.STAGE, clips.STAGE),
        (pairs.STAGE, NO_PAIRS, motions.STAGE, ingest.STAGE),
    ],
    ids=["clips", "motions", "pairs"],
)
def test_so_do_those_that_take_long_where_nothing_is_left_to_do(
    whole: Workspace, tmp_path: Path, stage: Stage, config: Any, lead: Stage, other: Stage, fate: str
) -> None:
    workspace = Workspace(str(tmp_path))
    shutil.copytree(whole.local_root, tmp_path, dirs_exist_ok=True)
    fitted = [
        {"id": f"m{n}", "parent_id": clip_id(n, 0), "video_id": video_id(n), "status": "kept"} for n in range(VIDEOS)
    ]
    write(workspace, motions.STAGE, fitted)
    for row in read(workspace, other):
        touch(workspace, other, row["id"], fate)
    run_stage(stage, workspace, config, Engine(), batch_of(stage), quiet=True)
    rows = read(workspace, stage)
    verdict = ("quarantined", "missing_input") if fate == "gone" else (fate, "odd")
    assert {row["parent_id"] for row in rows} == {row["id"] for row in read(workspace, lead, Status.KEPT)}
    assert {(row["status"], row["reason"].partition(":")[0]) for row in rows} == {verdict}


@pytest.mark.parametrize("status", ["quarantined", "rejected"])
def test_without_a_trained_model_there_is_none_to_judge_and_no_champion(workspace: Workspace, status: str) -> None:
    write(workspace, TRAIN, [{"id": "run", "status": status, "reason": REASON}])
    write(workspace, shards.STAGE, [])
    for stage in (MODEL, EVALUATION):
        run_stage(stage, workspace, stage.config(), Engine(), quiet=True)
        assert read(workspace, stage) == []
        assert not run_stage(stage, workspace, stage.config(), Engine(), quiet=True).recomputed
    assert json.loads(workspace.local("evaluation/gate.json").read_text())["passed"] is False


def test_what_failed_for_now_is_tried_again_and_then_carried_no_more(whole: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    shutil.copytree(whole.local_root, tmp_path, dirs_exist_ok=True)
    found = manifests.read(workspace, "identities")
    rows = found.rows(status=None)
    rows[0] |= {"status": "quarantined", "reason": "it crashed"}
    manifests.write(workspace, "identities", manifests.build(rows, identities.SCHEMA), found.fingerprint, retry=1)
    bring(workspace, split.STAGE)
    assert len(read(workspace, split.STAGE, Status.KEPT)) == len(EVERY_CLIP) - 1
    for stage in (identities.STAGE, split.STAGE):
        bring(workspace, stage)
    assert {row["id"] for row in read(workspace, split.STAGE, Status.KEPT)} == EVERY_CLIP

"""A video is withdrawn: afterwards nothing of it is left in the workspace, and nothing else was made anew.

Finding people is left out: tracks and clips are made up, with the files that the real stages leave.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipelines import manifest as manifests
from pipelines import withdrawals
from pipelines.cli import main
from pipelines.curation import clips, ingest, people, split
from pipelines.curation.coverage import stage as coverage
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities
from pipelines.curation.listing import list_sources, write_batch
from pipelines.engine import Engine, Row, Worker
from pipelines.lineage import resolve, still_used
from pipelines.manifest import Status, digest_of
from pipelines.shards import stage as shards
from pipelines.stage import Context, Stage, run_stage
from pipelines.synthesis import motions, pairs
from pipelines.synthesis.body.model import AnnyBody
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace, file_sha256

NAMES = {"one": ("a", "b", "c"), "two": ("d", "e")}


def publish(workspace: Workspace, path: str, content: bytes) -> str:
    with workspace.publish(path) as file:
        file.write_bytes(content)
    return path


def find_people(context: Context) -> list[Row]:
    def work(video: Row) -> list[Row]:
        about = {"parent_id": video["id"], "video_id": video["id"]}
        name = digest_of("track", video["id"])
        path = f"{context.folder}/tracks/{name}.npz"
        with context.workspace.publish(path) as file:
            times, box = np.arange(20) / 8, np.array([0.3, 0.1, 0.7, 1.0])
            seen = {"landmarks": np.ones((20, 543, 3), np.float32), "seen": np.ones((20, 4), np.bool_)}
            np.savez(file, times=times, boxes=np.tile(box, (20, 1)), **seen)
        empty = {
            "id": digest_of("empty", name),
            "status": "rejected",
            "reason": "no_person",
            "start_s": 0.0,
            "end_s": 2.0,
        }
        return [{**about, "id": name, "status": "kept", "path": path}, {**about, **empty}]

    return each(context, work, "videos")


def cut_clips(context: Context) -> list[Row]:
    videos = {row["id"]: row for row in context.inputs["videos"].rows()}
    skeleton = Skeleton.of(AnnyBody())
    points = AnnyBody().pose({}, skeleton.pose({"left_arm_raise": np.linspace(20, 120, 36)}, {})).points
    seen = np.ones((36, 88, 3), np.float32)
    seen[..., 0], seen[..., 1] = 0.5 + points[..., 0] / 2.4, 0.5 - points[..., 2] / 2.4

    def work(track: Row) -> list[Row]:
        rows = []
        for number in range(2):
            name = digest_of("clip", track["id"], number)
            unlike_others = np.random.default_rng(list(name.encode())).integers(0, 255, (36, 8, 8, 3), np.uint8)
            pictures = unlike_others.repeat(8, 1).repeat(8, 2)
            where = f"{context.folder}/files/{name}"
            with context.workspace.publish(f"{where}.keypoints.npy") as file:
                np.save(file, seen)
            files = {
                "path": publish(context.workspace, f"{where}.mp4", encode_mp4(pictures, 16.0)),
                "thumbnail_path": publish(context.workspace, f"{where}.jpg", name.encode()),
                "keypoints_path": f"{where}.keypoints.npy",
            }
            video = videos[track["video_id"]]
            about = {key: video[key] for key in ("source", "licence", "consent")} | {"video_id": video["id"]}
            shape = {"fps": 16.0, "frames": 36, "size": 64, "start_s": 1.25 * number, "end_s": 1.25 * (number + 1)}
            shape |= {"person_px": 300.0, "seconds": 2.25, "sharpness": 99.0}
            rows.append({"id": name, "parent_id": track["id"], "status": "kept", **files, **about, **shape})
        return rows

    return each(context, work, "people")


def each(context: Context, work: Worker, stage: str) -> list[Row]:
    rows = context.inputs[stage].rows()
    return context.map(
        lambda: work, [(row["id"], row["id"], {key: row.get(key) for key in ("id", "video_id")}) for row in rows]
    )


PEOPLE = Stage("people", people.PeopleConfig, people.SCHEMA, find_people, ("videos",), per_batch=True, covers="videos")
CLIPS = Stage(
    "clips", clips.ClipsConfig, clips.SCHEMA, cut_clips, ("people", "videos"), per_batch=True, covers="people"
)
SMALL = pairs.PairsConfig(
    train_groups=24, validation_groups=0, test_groups=0, identities=2, frames=2, size=32, groups_per_shard=1,
    engine="raster", texture=16, recorded_share=0.5, picture_share=0.3,
)  # fmt: skip
SPLIT = split.SplitConfig(0, 0)


def run(workspace: Workspace) -> dict[str, bool]:
    """Everything up to the shards; which stages had something to do."""
    work: list[tuple[Stage, Any]] = [
        (ingest.STAGE, ingest.VideosConfig()),
        (PEOPLE, people.PeopleConfig()),
        (CLIPS, clips.ClipsConfig()),
        (duplicates.STAGE, duplicates.DuplicatesConfig()),
        (coverage.STAGE, coverage.CoverageConfig()),
        (identities.STAGE, identities.IdentitiesConfig()),
        (split.STAGE, SPLIT),
        (motions.STAGE, motions.MotionsConfig()),
        (pairs.STAGE, SMALL),
        (shards.STAGE, shards.ShardsConfig(samples_per_shard=1)),
    ]
    done = {}
    for stage, config in work:
        for batch in NAMES if stage.per_batch else (None,):
            made = run_stage(stage, workspace, config, Engine(1), batch, quiet=True)
            done[f"{stage.name}/{batch}" if batch else stage.name] = made.recomputed
    return done


def derived(workspace: Workspace) -> dict[str, str]:
    """SHA-256 of every file below the stages' folders that is no journal, ledger, lock or clock, nor about
    everybody."""
    root = workspace.local_root
    found = (
        path for path in root.rglob("*") if path.is_file() and path.suffix in {".mp4", ".npz", ".npy", ".jpg", ".tar"}
    )
    return {str(path.relative_to(root)): file_sha256(path) for path in found if path.stem not in {"ledger", "people"}}


def embedded(workspace: Workspace) -> set[bytes]:
    """Whose embeddings lie together."""
    with np.load(workspace.local("identities/people.npz"), allow_pickle=False) as arrays:
        return set(arrays["names"].tolist())


def mentions(workspace: Workspace, names: set[str]) -> Iterator[str]:
    """Files that are called by one of the names, or hold one, Parquet being read."""
    root = workspace.local_root
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            content = repr(pq.read_table(path).to_pylist()).encode()
        if any(name in path.name or name.encode() in content for name in names):
            yield str(path.relative_to(root))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    folder = tmp_path_factory.mktemp("sources")
    for seed, name in enumerate("abcde"):
        frames = [np.full((48, 64, 3), 40 * seed + frame, np.uint8) for frame in range(20)]
        (folder / f"{name}.mp4").write_bytes(encode_mp4(frames, 8.0))
    workspace = Workspace(str(tmp_path_factory.mktemp("workspace")))
    workspace.prepare()
    for batch, names in NAMES.items():
        urls = [f"file://{folder}/{name}.mp4" for name in names]
        write_batch(workspace, list_sources(urls, "CC-BY-4.0", "friends"), batch)
    run(workspace)
    assert not any(run(workspace).values())
    return workspace, folder


def test_nothing_of_a_withdrawn_video_is_left_and_nothing_else_is_made_anew(before: tuple[Workspace, Path]) -> None:
    workspace, folder = before
    url = f"file://{folder}/b.mp4"
    (video,) = resolve(workspace, url)
    assert resolve(workspace, str(folder / "b.mp4")) == [video]
    rows = {stage: read(workspace, stage) for stage in ("people/one", "clips/one", "motions", "pairs")}
    ids = {row["id"] for stage in rows for row in rows[stage] if row.get("video_id") == video}
    assert len(ids) == 2 + 2 + 2
    touched = [row for row in rows["pairs"] if video in {origin["id"] for origin in row["origins"]}]
    assert 0 < len(touched) < 24
    assert any(row["source"] in ids for row in touched)
    assert any(row["source"] not in ids for row in touched), "one only stands on a background"
    files, people = derived(workspace), embedded(workspace)

    assert not any(still_used(workspace).values())
    done = CliRunner().invoke(main, ["withdraw", url, "--reason", "mail of 3 May", "--workspace", workspace.url])
    assert done.exit_code == 0, done.output
    assert f"video  {video}  withdrawn yes" in done.output
    assert still_used(workspace)["clips"] == 2
    work = run(workspace)
    assert not any(again for name, again in work.items() if name.endswith("/two"))
    assert not any(run(workspace).values())
    assert still_used(workspace) == {"clips": 0, "motions": 0, "pairs": 0, "shards": 0}

    (row,) = [row for row in read(workspace, "videos/one") if row["id"] == video]
    assert (row["status"], row["reason"], row["path"]) == (Status.REJECTED, "withdrawn: mail of 3 May", None)
    left = set(mentions(workspace, {video, *ids}))
    assert left == {f"{withdrawals.FOLDER}/{video}.json", "manifests/videos/one.parquet"}

    assert embedded(workspace) < people
    tracks = {row["parent_id"] for row in rows["clips/one"] if row["video_id"] == video}
    assert len(people - embedded(workspace)) == len(tracks)

    after = derived(workspace)
    kept = files.keys() & after.keys()
    assert all(files[name] == after[name] for name in kept)
    gone = files.keys() - after.keys()
    assert {row["shard_path"] for row in touched} <= gone
    pair_shards = {name for name in files if name.startswith("pairs/shards/")}
    assert pair_shards & gone == {row["shard_path"] for row in touched}
    assert len([name for name in gone if name.startswith("shards/clips/")]) == 2


def read(workspace: Workspace, folder: str) -> list[Row]:
    return manifests.read(workspace, folder).rows(status=None)

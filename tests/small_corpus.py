"""A small workspace for tests of all stages: videos, tracks and clips are made up, the rest is made of them.

Videos, tracks and clips have the files that the real stages leave. There are no motions and no pairs.
"""

from typing import Any

import numpy as np

from pipelines import manifest as manifests
from pipelines.curation import clips, ingest, people, split
from pipelines.curation.coverage import stage as coverage
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities
from pipelines.engine import Engine, Row
from pipelines.manifest import Status, digest_of
from pipelines.report.stage import ReportConfig
from pipelines.shards import stage as shards
from pipelines.stage import Result, Stage, folder_of, run_stage
from pipelines.synthesis import motions, pairs
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace
from training.stages import REPORT

RUN: dict[Stage, Any] = {
    duplicates.STAGE: duplicates.DuplicatesConfig(),
    coverage.STAGE: coverage.CoverageConfig(),
    identities.STAGE: identities.IdentitiesConfig(),
    split.STAGE: split.SplitConfig(0, 0),
    shards.STAGE: shards.ShardsConfig(),
    REPORT: ReportConfig(),
}
PARTS = (1, 1, 2)  # clips of each video
VIDEOS = len(PARTS)


def video_id(number: int) -> str:
    return digest_of("video", number)


def track_id(number: int) -> str:
    return digest_of("track", number)


def clip_id(number: int, part: int) -> str:
    return digest_of("clip", number, part)


EVERY_CLIP = {clip_id(number, part) for number in range(VIDEOS) for part in range(PARTS[number])}


def put(workspace: Workspace, path: str, content: bytes) -> str:
    with workspace.publish(path) as file:
        file.write_bytes(content)
    return path


def put_array(workspace: Workspace, path: str, array: np.ndarray) -> str:
    with workspace.publish(path) as file:
        np.save(file, array, allow_pickle=False)
    return path


def batch_of(stage: Stage) -> str | None:
    return "b" if stage.per_batch else None


def read(workspace: Workspace, stage: Stage, status: Status | None = None) -> list[Row]:
    return manifests.read(workspace, folder_of(stage.name, batch_of(stage))).rows(status)


def write(workspace: Workspace, stage: Stage, rows: list[Row]) -> None:
    made = manifests.build(rows, stage.schema)
    manifests.write(workspace, folder_of(stage.name, batch_of(stage)), made, made.digest, 0)


def videos_rows(workspace: Workspace) -> list[Row]:
    rows = []
    for number in range(VIDEOS):
        frames = [np.full((48, 64, 3), 40 * number + frame, np.uint8) for frame in range(20)]
        path = put(workspace, f"videos/files/{video_id(number)}.mp4", encode_mp4(frames, 8.0))
        about = {"url": f"file:///v/{number}.mp4", "licence": "CC0-1.0", "source": "friends"}
        shape = {"width": 64, "height": 48, "duration": 2.5, "path": path}
        rows.append({"id": video_id(number), "parent_id": f"source {number}", "status": "kept", **about, **shape})
    return rows


def people_rows(workspace: Workspace) -> list[Row]:
    rows = []
    for number in range(VIDEOS):
        path = f"people/b/tracks/{track_id(number)}.npz"
        with workspace.publish(path) as file:
            found = {"landmarks": np.ones((20, 543, 3), np.float32), "seen": np.ones((20, 4), np.bool_)}
            np.savez(file, times=np.arange(20) / 8, boxes=np.tile([0.3, 0.1, 0.7, 1.0], (20, 1)), **found)
        about = {"parent_id": video_id(number), "video_id": video_id(number), "path": path}
        rows.append({"id": track_id(number), "status": "kept", **about})
    return rows


def clips_rows(workspace: Workspace) -> list[Row]:
    rows = []
    for number in range(VIDEOS):
        for part in range(PARTS[number]):
            where = f"clips/b/files/{clip_id(number, part)}"
            noise = np.random.default_rng((number, part)).integers(0, 255, (20, 8, 8, 3), np.uint8)
            files = {
                "path": put(workspace, f"{where}.mp4", encode_mp4(noise.repeat(8, 1).repeat(8, 2), 16.0)),
                "keypoints_path": put_array(workspace, f"{where}.npy", np.zeros((20, 88, 3), np.float32)),
                "thumbnail_path": put(workspace, f"{where}.jpg", b""),
            }
            about = {"video_id": video_id(number), "licence": "CC0-1.0", "source": "friends"}
            shape = {"fps": 16.0, "frames": 20, "size": 64, "start_s": 1.25 * part, "end_s": 1.25 * (part + 1)}
            shape |= {"person_px": 300.0, "seconds": 1.25, "sharpness": 99.0}
            name = {"id": clip_id(number, part), "parent_id": track_id(number), "status": "kept"}
            rows.append({**name, **about, **files, **shape})
    return rows


def bring(workspace: Workspace, stage: Stage) -> Result:
    return run_stage(stage, workspace, RUN[stage], Engine(), batch_of(stage), quiet=True)


def publish(workspace: Workspace) -> None:
    """Videos with a track and one or two clips each, all of them kept by every stage."""
    workspace.prepare()
    write(workspace, ingest.STAGE, videos_rows(workspace))
    write(workspace, people.STAGE, people_rows(workspace))
    write(workspace, clips.STAGE, clips_rows(workspace))
    write(workspace, motions.STAGE, [])
    write(workspace, pairs.STAGE, [])
    for stage in RUN:
        bring(workspace, stage)
    assert {row["id"] for row in read(workspace, split.STAGE, Status.KEPT)} == EVERY_CLIP

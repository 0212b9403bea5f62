"""Pack clips into shards per split, and index them and the pairs' shards for readers that seek."""

import functools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipelines.engine import Worker
from pipelines.manifest import Row, Status, digest_of, schema_of
from pipelines.shards.index import INDEX_FOLDER, write_index
from pipelines.shards.write import Sample, ShardRecord, write_shard
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

_FOLDER = "shards/clips"
_META = ("id", "source", "licence", "video_id", "fps", "frames", "size")


@dataclass(frozen=True)
class ShardsConfig:
    """samples_per_shard: the most clips in a tar; half of them is usual."""

    samples_per_shard: int = 256

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1:
            raise ValueError("samples_per_shard must be at least 1")


def pack(ids: list[str], most: int) -> list[list[str]]:
    """Cut sorted ids into groups of at most `most`.

    A group also ends at an id whose own hash says so (content-defined chunking), so that a new clip changes the
    shard that it falls into and the rest of the data keeps its bytes.
    """
    groups: list[list[str]] = [[]]
    for name in sorted(ids):
        groups[-1].append(name)
        if len(groups[-1]) == most or int(digest_of("cut", name)[:8], 16) % most == 0:
            groups.append([])
    return [group for group in groups if group]


def _run(context: Context) -> list[Row]:
    workspace = context.workspace
    clips = {clip["id"]: clip for clip in context.inputs["clips"].rows()}
    by_split: dict[str, list[str]] = {}
    for row in context.inputs["split"].rows():
        by_split.setdefault(row["split"], []).append(row["id"])
    work = [
        *_clip_work(clips, by_split, context.config.samples_per_shard),
        *_pair_work(context.inputs["pairs"].rows()),
    ]
    rows = context.map(functools.partial(_make_worker, workspace), work)
    for (_, _, payload), row in zip(work, rows, strict=True):
        # A shard that was pruned and is wanted again: the journal knows it, the folder does not.
        if row["status"] == Status.KEPT and not (workspace.exists(row["path"]) and workspace.exists(row["index_path"])):
            _make_worker(workspace)(payload)
    used = {path for row in rows if row["status"] == Status.KEPT for path in (row["path"], row["index_path"])}
    for folder in (_FOLDER, INDEX_FOLDER):
        # What belongs to no shard any more must go: a withdrawn clip may be in it.
        for name in workspace.children(folder):
            if f"{folder}/{name}" not in used:
                workspace.remove(f"{folder}/{name}")
    return rows


def _clip_work(
    clips: dict[str, Row], by_split: dict[str, list[str]], most: int
) -> Iterator[tuple[str | None, str, Row]]:
    for split, ids in sorted(by_split.items()):
        for group in pack(ids, most):
            members = [
                {
                    "video": clips[name]["path"],
                    "keypoints": clips[name]["keypoints_path"],
                    "meta": {"kind": "clip", "split": split, **{column: clips[name][column] for column in _META}},
                }
                for name in group
            ]
            # The name follows from the content: a tar is never overwritten while somebody reads it.
            path = f"{_FOLDER}/{split}-{digest_of(members)[:16]}.tar"
            yield None, path, {"kind": "clip", "split": split, "path": path, "clips": members}


def _pair_work(groups: list[Row]) -> Iterator[tuple[str | None, str, Row]]:
    """The pairs stage writes its own tars: they are indexed where they are."""
    by_shard: dict[str, list[Row]] = {}
    for group in groups:
        by_shard.setdefault(group["shard_path"], []).append(group)
    for path, members in sorted(by_shard.items()):
        first = members[0]
        payload = {"kind": "pair", "split": first["split"], "path": path, "samples": len(members)}
        yield None, path, {**payload, "sha256": first["shard_sha256"], "bytes": first["shard_bytes"]}


def _make_worker(workspace: Workspace) -> Worker:
    def work(payload: Row) -> list[Row]:
        if payload["kind"] == "clip":
            record = write_shard(
                workspace, payload["path"], (_clip_sample(workspace, clip) for clip in payload["clips"])
            )
        else:
            record = ShardRecord(payload["path"], payload["sha256"], payload["bytes"], payload["samples"])
        return [
            {
                "id": digest_of(payload["kind"], payload["split"], record.path, record.sha256),
                "status": Status.KEPT,
                "kind": payload["kind"],
                "split": payload["split"],
                "index_path": write_index(workspace, record),
                **asdict(record),
            }
        ]

    return work


def _clip_sample(workspace: Workspace, clip: Row) -> Sample:
    meta: dict[str, Any] = clip["meta"]
    return meta["id"], {
        "mp4": workspace.local(clip["video"]).read_bytes(),
        "keypoints.npy": workspace.local(clip["keypoints"]).read_bytes(),
        "json": json.dumps(meta, sort_keys=True, ensure_ascii=False).encode(),
    }


STAGE = Stage(
    name="shards",
    config=ShardsConfig,
    schema=schema_of(
        kind=pa.string(),
        split=pa.string(),
        path=pa.string(),
        index_path=pa.string(),
        sha256=pa.string(),
        bytes=pa.int64(),
        samples=pa.int64(),
    ),
    run=_run,
    needs=("clips", "split", "pairs"),
)

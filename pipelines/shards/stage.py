"""Pack clips into shards per split, and index them and the pairs' shards for readers that seek."""

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipelines import origins
from pipelines.engine import Worker
from pipelines.manifest import Row, Status, digest_of, schema_of
from pipelines.purge import files_of
from pipelines.shards import contents
from pipelines.shards.index import INDEX_FOLDER, write_index
from pipelines.shards.write import Sample, ShardRecord, write_shard
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

_FOLDER = "shards/clips"
_META = ("id", "source", "licence", "consent", "video_id", "fps", "frames", "size", "shown")


@dataclass(frozen=True)
class ShardsConfig:
    """samples_per_shard: the most clips in a tar; half of them is usual."""

    samples_per_shard: int = 256

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1:
            raise ValueError("samples_per_shard must be at least 1")


def pack(ids: Iterable[str], most: int) -> list[list[str]]:
    """Cut ids into sorted groups of at most `most`.

    A group that is too large is halved by the next bit of its ids' hashes. So an id that comes or goes changes the
    group that it is in, and where two halves have become small enough to be one again, the other half.
    """
    return [
        sorted(group) for group in _halved([(int(digest_of("cut", name)[:16], 16), name) for name in ids], most, 63)
    ]


def _halved(placed: list[tuple[int, str]], most: int, bit: int) -> Iterator[list[str]]:
    if bit >= 0 and len(placed) > most:
        for side in (0, 1):
            yield from _halved([pair for pair in placed if pair[0] >> bit & 1 == side], most, bit - 1)
    elif placed:
        yield [name for _, name in placed]


def _run(context: Context) -> list[Row]:
    workspace = context.workspace
    clips = {clip["id"]: clip for clip in context.inputs["clips"].rows()}
    agreed, carried = context.agree("split", ("clips", "id"))
    by_split: dict[str, list[str]] = {}
    for row in agreed.to_pylist():
        by_split.setdefault(row["split"], []).append(row["id"])
    pairs = context.inputs["pairs"].rows()
    work = [*_clip_work(clips, by_split, context.config.samples_per_shard), *_pair_work(pairs)]
    rows = context.map(functools.partial(_make_worker, workspace), work)
    for (_, _, payload), row in zip(work, rows, strict=True):
        # A shard that was pruned and is wanted again: the journal knows it, the folder does not.
        if row["status"] == Status.KEPT and not (workspace.exists(row["path"]) and workspace.exists(row["index_path"])):
            _make_worker(workspace)(payload)
    kept = [row for row in rows if row["status"] == Status.KEPT]
    held = contents.write(workspace, _contents(work, kept, pairs))
    for row in kept:
        row["contents_path"] = held
    used = {path for row in kept for path in files_of(row)}
    for folder in (_FOLDER, INDEX_FOLDER, contents.FOLDER):
        # What belongs to no shard any more must go: a withdrawn clip may be in it.
        for name in workspace.children(folder):
            if f"{folder}/{name}" not in used:
                workspace.remove(f"{folder}/{name}")
    return rows + carried


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


def _contents(work: list[tuple[str | None, str, Row]], shards: list[Row], pairs: list[Row]) -> Iterator[contents.Held]:
    by_path = {row["path"]: row for row in shards}
    for _, path, payload in work:
        for clip in payload.get("clips", ()) if path in by_path else ():
            yield contents.Held(clip["meta"]["id"], by_path[path], (origins.of_clip(clip["meta"]),))
    for pair in pairs:
        if pair["shard_path"] in by_path:
            yield contents.Held(pair["id"], by_path[pair["shard_path"]], tuple(pair["origins"] or ()))


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
        contents_path=pa.string(),
    ),
    run=_run,
    needs=("clips", "split", "pairs"),
    version=3,
)

"""Stage `videos`: open each source once, prove that it is a whole video, and name it by its content.

The same bytes found twice are one video. A file that is not a readable, complete video is quarantined with the reason.
A video that was withdrawn is rejected, and its copy in the workspace deleted.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines import manifest as manifests
from pipelines.curation.frames import assemble, is_frames
from pipelines.curation.listing import read_access
from pipelines.engine import Row, Worker
from pipelines.errors import DataError
from pipelines.fetch import FetchLimits, fetch
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.withdrawals import any_kept, reason_for, withdrawn
from pipelines.workspace import Workspace, file_sha256

SCHEMA = schema_of(
    url=pa.string(),
    path=pa.string(),
    licence=pa.string(),
    source=pa.string(),
    consent=pa.string(),
    sha256=pa.string(),
    bytes=pa.int64(),
    container=pa.string(),
    codec=pa.string(),
    width=pa.int32(),
    height=pa.int32(),
    rotation=pa.int32(),
    fps=pa.float64(),
    duration=pa.float64(),
    frames=pa.int64(),
)


_FILES = "videos/files"
_LOOK_S = 1800.0  # once a file is there; a hundred gigabytes on a slow disk take as long


@dataclass(frozen=True)
class VideosConfig:
    """min_completeness: share of the frames (or of the seconds) promised by the header that must be there;
    containers with edit lists lose a few without being damaged.
    fetch: how large a remote file may be and how long it may take (see FetchLimits in pipelines/fetch.py)."""

    min_completeness: float = 0.9
    fetch: FetchLimits = field(default_factory=FetchLimits)


def run(context: Context) -> list[Row]:
    assert context.batch is not None
    # Beside the items, not in them: what is written about an item must not depend on a credential.
    access = read_access(context.workspace, context.batch)
    make_worker = functools.partial(_make_prober, context.workspace, context.config, access)
    sources = {row["id"]: row for row in context.inputs["sources"].rows()}
    out = _known_withdrawn(context)
    todo = [(row["id"], row["url"], row) for row in sources.values() if row["id"] not in out]
    limit_s = context.config.fetch.file_s + _LOOK_S
    rows = context.map(make_worker, todo, lambda _: limit_s) + [row for parent, row in out.items() if parent in sources]
    return list(_collapse_duplicates(rows))


def _known_withdrawn(context: Context) -> dict[str, Row]:
    """Rows of the sources that are known to hold a withdrawn video, by source: nobody fetches them to look again."""
    gone, path = withdrawn(context.workspace), manifests.manifest_path(context.folder)
    if not gone or not context.workspace.exists(path):
        return {}
    found = manifests.read(context.workspace, context.folder).rows(status=None)
    return {
        row["parent_id"]: _withdraw(context.workspace, row)
        for row in found
        if row["sha256"] and row["sha256"][:32] in gone
    }


def _withdraw(workspace: Workspace, row: Row) -> Row:
    """The row of a withdrawn video, whose copy is deleted; a user's own file is theirs to delete."""
    if row["path"]:
        workspace.remove(row["path"])
    video = row["sha256"][:32]
    return {**row, "id": video, "path": None, "status": Status.REJECTED, "reason": reason_for(workspace, video)}


def _collapse_duplicates(rows: list[Row]) -> Iterator[Row]:
    """Of the sources with the same bytes the first URL is the video's; the others are rejected, naming it."""
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.get("url") or ""):
        if row["status"] == Status.QUARANTINED or (original := first.setdefault(row["id"], row)) is row:
            yield row
        else:
            row_id = digest_of("duplicate", row["id"], row["parent_id"])
            reason = row["reason"] or f"duplicate: same bytes as {original['url']}"
            yield {**row, "id": row_id, "status": Status.REJECTED, "reason": reason}


def _make_prober(workspace: Workspace, config: VideosConfig, access: Mapping[str, str]) -> Worker:
    gone = withdrawn(workspace)

    def bring(source: Row) -> str | None:
        if source["path"]:
            return str(source["path"])
        if is_frames(source["url"]):
            return assemble(workspace, source["url"], _FILES)
        return fetch(workspace, source["url"], _FILES, config.fetch, access.get(source["id"]))

    def probe_source(source: Row) -> list[Row]:
        relative = bring(source)
        path = workspace.local(relative) if relative else Path(source["url"])
        if not path.is_file():
            raise DataError(f"{source['url']}: no such file; correct the path and ingest again")
        try:
            found = probe(path, config.min_completeness)
        except DataError as error:
            if relative is None or source["path"]:
                raise
            workspace.remove(relative)
            raise DataError(str(error).replace(str(path), source["url"])) from error
        sha256 = file_sha256(path)
        about = {key: source[key] for key in ("url", "licence", "source", "consent")}
        row = {"id": sha256[:32], "parent_id": source["id"], "status": Status.KEPT, "reason": None, "path": relative}
        row |= {**about, "sha256": sha256, **found}
        return [_withdraw(workspace, row) if row["id"] in gone else row]

    return probe_source


def probe(path: Path, min_completeness: float) -> dict[str, Any]:
    """Read the headers, count the packets and decode the first frame.

    Returns the technical columns of `SCHEMA`: bytes, container, codec, width and height as displayed (pixels), rotation
    (degrees counter-clockwise that the player must apply), fps, duration (s), frames.
    Raises: DataError where the file is empty, is no video, or ends before its header says.
    """
    from av.error import FFmpegError

    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path}: is empty; copy or download it again")
    try:
        with _open(path) as container:
            if not container.streams.video:
                raise DataError(f"{path}: has no video stream; only videos can be ingested")
            stream = container.streams.video[0]
            frame = next(container.decode(stream), None)
            if frame is None or not frame.width or not frame.height:
                raise DataError(f"{path}: no frame can be decoded; convert it to H.264 or copy it again")
            container.seek(0)
            packets, start, end = 0, None, 0.0
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    packets += 1
                    time = float(packet.pts * stream.time_base)
                    start = time if start is None else min(start, time)
                    end = max(end, time + float((packet.duration or 0) * stream.time_base))
            seconds = end - (start or 0.0)
            promised = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
            return _judge(
                path,
                min_completeness,
                promised_frames=stream.frames,
                promised_seconds=promised,
                row={
                    "bytes": size,
                    "container": container.format.name,
                    "codec": stream.codec_context.name,
                    "width": frame.height if frame.rotation % 180 else frame.width,
                    "height": frame.width if frame.rotation % 180 else frame.height,
                    "rotation": int(frame.rotation),
                    "fps": round(float(stream.average_rate or 0) or packets / max(seconds, 1e-6), 4),
                    "duration": round(seconds, 4),
                    "frames": packets,
                },
            )
    except FFmpegError as error:
        what = "is not a video or is cut off" if "Invalid data" in str(error) or "moov" in str(error) else str(error)
        raise DataError(f"{path}: {what}; copy or download it again, or convert it to H.264 in MP4") from error


def _open(path: Path) -> Any:
    """The container, its header read. A sound one needs little memory for that: one that finds none is damaged."""
    import av

    try:
        return av.open(str(path), metadata_errors="replace")
    except MemoryError:  # no cause, which would let the engine try it again
        raise DataError(f"{path}: its header is damaged (it asks for too much memory); copy it again") from None


def _judge(
    path: Path, min_completeness: float, promised_frames: int, promised_seconds: float, row: dict[str, Any]
) -> dict[str, Any]:
    """Hold what was found against what the header promised."""
    if promised_frames and row["frames"] < min_completeness * promised_frames:
        raise DataError(
            f"{path}: is truncated ({row['frames']} of {promised_frames} frames are there); copy or download it again"
        )
    if promised_seconds and row["duration"] < min_completeness * promised_seconds - 1 / max(row["fps"], 1):
        raise DataError(
            f"{path}: is truncated ({row['duration']:.1f} of {promised_seconds:.1f} s are there); copy it again"
        )
    return row


STAGE = Stage(
    name="videos",
    config=VideosConfig,
    schema=SCHEMA,
    run=run,
    needs=("sources",),
    per_batch=True,
    covers="sources",
    outdated=any_kept,
)

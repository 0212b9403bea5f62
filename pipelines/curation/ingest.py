"""Stage `videos`: open each source once, prove that it is a whole video, and name it by its content.

The same bytes found twice are one video. A file that is not a readable, complete video is quarantined with the reason.
A video that was withdrawn is rejected, and its copy in the workspace deleted.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines import manifest as manifests
from pipelines.curation.frames import assemble, is_frames
from pipelines.curation.listing import read_access
from pipelines.curation.playback import (
    A_PHOTO,
    NO_TIMES,
    clock_jumps,
    from_start,
    is_numbered,
    is_still,
    jumps,
    longest_gap,
    opened,
    promises_length,
    video_stream,
)
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
_FLV_TRAILER = 64  # bytes: more than lies between a packet and the end of the file
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
    """Read the header and every packet, and decode the first frame.

    Returns the technical columns of `SCHEMA`: bytes, container, codec, width and height as displayed (pixels), rotation
    (degrees counter-clockwise that the player must apply), fps, duration (s), frames.
    Raises: DataError where the file is empty, is no video or none that is read right, or ends before its header says.
    """
    from av.error import FFmpegError

    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path}: is empty; copy or download it again")
    try:
        with opened(path) as video, from_start(video) as container:
            stream, (width, height) = video.stream, video.screen.size
            found = _read(path, container, video.origin)
            if is_still(container, found.frames):
                raise DataError(f"{path}: {A_PHOTO}")
            fps = round(float(stream.average_rate or 0) or found.frames / max(found.seconds, 1e-6), 4)
            _judge(path, container, found, fps, min_completeness)
            if _another_follows(path, container, found.bytes):
                raise DataError(f"{path}: another recording follows the first; cut it there and ingest the parts")
            return {
                "bytes": size,
                "container": container.format.name,
                "codec": stream.codec_context.name,
                "width": width,
                "height": height,
                "rotation": int(video.first.rotation),
                "fps": fps,
                "duration": round(found.seconds, 4),
                "frames": found.frames,
            }
    except FFmpegError as error:
        what = "is not a video or is cut off" if "Invalid data" in str(error) or "moov" in str(error) else str(error)
        raise DataError(f"{path}: {what}; copy or download it again, or convert it to H.264 in MP4") from error


@dataclass(frozen=True)
class _Found:
    """What the packets of a file hold. frames, seconds: from the first frame that is shown to the end of the last.
    start: when the first packet of the video is due, and reach: when whatever lasts longest ends, sound or picture;
    seconds by the file's clock. bytes: of the file, to the end of the last packet."""

    frames: int
    seconds: float
    start: float
    reach: float
    bytes: int


def _read(path: Path, container: Any, origin: int) -> _Found:
    """Read the packets of a file whose first frame is shown at `origin`, in units of its stream.

    Raises: DataError where they have no times, or times that jump.
    """
    stream = video_stream(path, container)
    # Where the video has no length of its own, the header's is that of all that is in the file.
    wanted = () if stream.duration is None else (stream,)
    unit, numbered, gap = float(stream.time_base), is_numbered(container), longest_gap(container)
    frames, start, end, size, others = 0, origin, origin, 0, 0.0
    clock: int | None = None
    for packet in container.demux(*wanted):
        size = max(size, (packet.pos or 0) + packet.size)
        # What an edit list cuts out is there to be decoded from, not to be shown.
        if not packet.size or packet.is_discard:
            continue
        ticks = packet.dts if numbered else packet.pts
        if packet.stream_index != stream.index:
            if ticks is not None:
                others = max(others, float((ticks + (packet.duration or 0)) * packet.time_base))
            continue
        if ticks is None:
            raise DataError(f"{path}: {NO_TIMES}")
        start = min(start, ticks)
        if ticks >= origin:
            frames, end = frames + 1, max(end, ticks + (packet.duration or 0))
        if packet.dts is not None:
            before, clock = clock, packet.dts
            if before is not None and jumps(before * unit, clock * unit, gap):
                raise DataError(f"{path}: {clock_jumps((before - origin) * unit, (clock - origin) * unit)}")
    seconds = float((end - origin) * stream.time_base)
    return _Found(frames, seconds, start * unit, max(end * unit, others), size)


def _judge(path: Path, container: Any, found: _Found, fps: float, min_completeness: float) -> None:
    """Hold what was found against what the header promised."""
    stream = video_stream(path, container)
    promised = _promised_frames(container, stream) if found.frames < stream.frames else 0
    if found.frames < min_completeness * promised:
        raise DataError(
            f"{path}: is truncated ({found.frames} of {promised} frames are there); copy or download it again"
        )
    # FFmpeg shortens what a cut AVI says of its length, not of the numbers of its frames.
    ticks = stream.frames if is_numbered(container) else stream.duration
    promised_s = float(ticks * stream.time_base) if ticks else (container.duration or 0) / 1e6
    # Some count from zero, some from the first frame.
    seconds = found.reach - min(found.start, 0.0)
    if promises_length(container) and seconds < min_completeness * promised_s - 1 / max(fps, 1):
        raise DataError(f"{path}: is truncated ({seconds:.1f} of {promised_s:.1f} s are there); copy it again")


def _another_follows(path: Path, container: Any, end: int) -> bool:
    """Whether a second file was written behind the first, of whose packets the last ends there: players stop at it."""
    with path.open("rb") as file:
        if container.format.name == "flv":
            file.seek(end)
            return b"FLV\x01" in file.read(_FLV_TRAILER)
        if container.format.name == "avi":
            file.seek(8 + int.from_bytes(file.read(8)[4:], "little"))
            return re.fullmatch(rb"RIFF....AVI ", file.read(12), re.DOTALL) is not None
    return False


def _promised_frames(container: Any, stream: Any) -> int:
    """How many frames the header promises to show, 0 where it does not say.

    An edit list shows fewer than are in the file; AVI counts those that were dropped while filming, too.
    """
    if container.format.name.startswith("mov,"):
        return sum(not entry.is_discard for entry in stream.index_entries)
    return 0 if is_numbered(container) else int(stream.frames)


STAGE = Stage(
    name="videos",
    config=VideosConfig,
    schema=SCHEMA,
    run=run,
    needs=("sources",),
    per_batch=True,
    version=2,
    covers="sources",
    outdated=any_kept,
)

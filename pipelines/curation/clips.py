"""Stage `clips`: the good spans of each track as square, person-centred clips at a fixed rate, with their landmarks.

A span is good where its person is alone in the square around them, is seen, large enough, moves and is sharp. Every
other span is kept as a rejected row with its reason and scores.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation import quality, tracking
from pipelines.curation.decode import Frame, PyAvDecoder, video_path
from pipelines.curation.quality import Scores, Thresholds
from pipelines.curation.tracking import Points
from pipelines.curation.window import clip_window
from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace

SCHEMA = schema_of(
    video_id=pa.string(),
    source=pa.string(),
    licence=pa.string(),
    consent=pa.string(),
    start_s=pa.float64(),
    end_s=pa.float64(),
    frames=pa.int32(),
    fps=pa.float64(),
    size=pa.int32(),
    path=pa.string(),
    keypoints_path=pa.string(),
    thumbnail_path=pa.string(),
    **dict.fromkeys(Scores.__dataclass_fields__, pa.float64()),
)


@dataclass(frozen=True)
class ClipsConfig:
    """fps, size (pixels): of the clips. max_seconds: longer spans are cut into equal clips.
    margin: around the person, in sizes of the window's content. max_gap_s: the person may be lost so long.
    max_intrusion: share of the square around the person that the box of somebody else may cover.
    crf: H.264 quality (lower is better)."""

    fps: float = 16.0
    size: int = 128
    max_seconds: float = 5.0
    margin: float = 0.1
    max_gap_s: float = 0.25
    max_intrusion: float = 0.0
    crf: int = 16
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class Span:
    """Frames [first, after) of a track, and why they cannot be a clip (None: they may)."""

    first: int
    after: int
    reason: str | None


@dataclass(frozen=True)
class Track:
    """A track with all lengths in source pixels: times (T,), boxes (T,4), keypoints (T,88,3), seen (T,4)."""

    times: NDArray[np.float64]
    boxes: NDArray[np.float64]
    keypoints: Points
    seen: NDArray[np.bool_]


def run(context: Context) -> list[Row]:
    make_worker = functools.partial(_make_cutter, context.workspace, context.config, context.folder)
    videos = {row["id"]: row for row in context.inputs["videos"].rows()}
    tracks = context.inputs["people"].rows()
    payloads = []
    for track in tracks:
        video = videos[track["video_id"]]
        others = [
            other["path"] for other in tracks if other["parent_id"] == track["parent_id"] and other["id"] != track["id"]
        ]
        span = {key: track[key] for key in ("id", "video_id", "fps", "end_s")}
        about = {key: video[key] for key in ("url", "path", "width", "height", "source", "licence", "consent")}
        label = f"{video['url']} {track['start_s']:.1f} s"
        payloads.append((track["id"], label, {**span, **about, "track_path": track["path"], "others": others}))
    return context.map(make_worker, payloads)


def _make_cutter(workspace: Workspace, config: ClipsConfig, folder: str) -> Worker:
    def cut_track(row: Row) -> list[Row]:
        track = _load(workspace.local(row["track_path"]), row["width"], row["height"])
        others = [_load(workspace.local(path), row["width"], row["height"]) for path in row["others"]]
        # Nobody is alone for a blink: it would only make rows of a frame or two.
        crowded = tracking.close_gaps(crowded_frames(track, others, config), round(config.max_gap_s * row["fps"]))
        spans = spans_of(track, crowded, row["fps"], config)
        return [_cut_span(workspace, config, folder, row, track, span) for span in spans]

    return cut_track


def _load(path: Path, width: int, height: int) -> Track:
    scale = np.array([width, height])
    with np.load(path, allow_pickle=False) as arrays:
        keypoints = arrays["keypoints"] * np.array([width, height, 1], np.float32)
        return Track(arrays["times"], arrays["boxes"] * np.tile(scale, 2), keypoints, arrays["seen"])


def crowded_frames(track: Track, others: Sequence[Track], config: ClipsConfig) -> NDArray[np.bool_]:
    """(T,) frames in which somebody else of the same shot reaches into the square around the person."""
    low, high = track.boxes[:, :2], track.boxes[:, 2:]
    side = (high - low).max(1, keepdims=True) * (1 + 2 * config.margin)
    square = np.concatenate([(low + high - side) / 2, (low + high + side) / 2], axis=1)
    crowded = np.zeros(len(track.times), np.bool_)
    for other in others:
        _, ours, theirs = np.intersect1d(track.times, other.times, return_indices=True)
        mine, box = square[ours], other.boxes[theirs]
        covered = np.minimum(mine[:, 2:], box[:, 2:]) - np.maximum(mine[:, :2], box[:, :2])
        crowded[ours] |= covered.clip(0).prod(1) > config.max_intrusion * side[ours, 0] ** 2
    return crowded


def spans_of(track: Track, crowded: NDArray[np.bool_], fps: float, config: ClipsConfig) -> list[Span]:
    """Every frame of a track in exactly one span: candidates of at most `max_seconds`, and the stretches between them.

    crowded: (T,) frames in which the person is not alone.
    """
    seen = tracking.close_gaps(track.seen[:, 0], round(config.max_gap_s * fps))
    spans = [Span(first, after, "several_people") for first, after in tracking.runs(crowded)]
    spans += [Span(first, after, "low_visibility: lost") for first, after in tracking.runs(~seen & ~crowded)]
    longest = max(1, int(config.max_seconds * fps))
    for first, after in tracking.runs(seen & ~crowded):
        edges = np.linspace(first, after, int(np.ceil((after - first) / longest)) + 1).round().astype(int)
        spans += [Span(int(a), int(b), None) for a, b in pairwise(edges)]
    return sorted(spans, key=lambda span: span.first)


def _cut_span(workspace: Workspace, config: ClipsConfig, folder: str, row: Row, track: Track, span: Span) -> Row:
    inside = slice(span.first, span.after)
    times, boxes, keypoints = track.times[inside], track.boxes[inside], track.keypoints[inside]
    end = track.times[span.after] if span.after < len(track.times) else row["end_s"]
    sizes = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    scores = quality.track_scores(keypoints, times, sizes, len(times) / row["fps"])
    reason = span.reason or quality.judge(scores, config.thresholds)
    corners, side = clip_window(boxes, row["fps"], (row["width"], row["height"]), config.margin)
    chosen = [len(times) // 2] if reason else nearest_frames(times, config.fps)
    frames = list(crops(video_path(workspace, row), times, corners, side, config.size, chosen))
    if not reason:
        scores = replace(scores, sharpness=quality.sharpness(frames))
        reason = quality.judge(scores, config.thresholds)
    row_id = digest_of("clip", row["id"], asdict(config), float(times[0]), float(end), reason)
    name = f"{folder}/files/{row_id}"
    found = {
        "id": row_id,
        "parent_id": row["id"],
        "status": Status.REJECTED if reason else Status.KEPT,
        "reason": reason,
        **{key: row[key] for key in ("video_id", "source", "licence", "consent")},
        "start_s": round(float(times[0]), 4),
        "end_s": round(float(end), 4),
        "frames": len(times) if reason else len(frames),
        "thumbnail_path": f"{name}.jpg",
        **scores.row(),
    }
    with workspace.publish(f"{name}.jpg") as path:
        path.write_bytes(_jpeg(frames[len(frames) // 2]))
    if reason:
        return found
    with workspace.publish(f"{name}.mp4") as path:
        path.write_bytes(encode_mp4(frames, config.fps, config.crf))
    placed = keypoints[chosen].copy()
    placed[..., :2] = (placed[..., :2] - corners[chosen][:, None]) / side
    placed[placed[..., 2] == 0] = 0
    with workspace.publish(f"{name}.keypoints.npy") as path:
        np.save(path, placed.astype(np.float32), allow_pickle=False)
    return {
        **found,
        "fps": config.fps,
        "size": config.size,
        "path": f"{name}.mp4",
        "keypoints_path": f"{name}.keypoints.npy",
    }


def nearest_frames(times: NDArray[np.float64], fps: float) -> list[int]:
    """Index of the frame that a clip with a fixed rate shows at each of its times k / fps."""
    grid = np.arange(round(times[0] * fps), round(times[-1] * fps) + 1) / fps
    return [int(index) for index in np.abs(times[None] - grid[:, None]).argmin(1)]


def crops(
    path: Path, times: NDArray[np.float64], corners: NDArray[np.int64], side: int, size: int, chosen: Sequence[int]
) -> Iterator[Frame]:
    """The window's content in the chosen frames (rising, some more than once), RGB (size, size, 3)."""
    distinct = sorted(set(chosen))
    frames = PyAvDecoder().frames_at(path, [float(times[index]) for index in distinct])
    for index, frame in zip(distinct, frames, strict=True):
        crop = resized(frame, corners[index], side, size)
        for _ in range(chosen.count(index)):
            yield crop


def resized(frame: Frame, corner: NDArray[np.int64], side: int, size: int) -> Frame:
    import cv2

    height, width = frame.shape[:2]
    x0, y0 = (int(value) for value in corner)
    inner = frame[max(0, y0) : max(0, y0 + side), max(0, x0) : max(0, x0 + side)]
    before_y, before_x = max(0, -y0), max(0, -x0)
    after_y, after_x = max(0, y0 + side - height), max(0, x0 + side - width)
    if before_y or before_x or after_y or after_x:
        inner = cv2.copyMakeBorder(inner, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    resized: Frame = cv2.resize(inner, (size, size), interpolation=method)
    return resized


def _jpeg(frame: Frame) -> bytes:
    import simplejpeg

    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=90)
    return encoded


STAGE = Stage(
    name="clips",
    config=ClipsConfig,
    schema=SCHEMA,
    run=run,
    needs=("people", "videos"),
    per_batch=True,
    version=2,
    covers="people",
)

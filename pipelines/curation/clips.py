"""Stage `clips`: the good spans of each track as square, person-centred clips at a fixed rate, with their landmarks.

A span is good where nobody interferes with its person, and its scores (see `quality`) keep the limits. Every other span
is kept as a rejected row with its reason and scores.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.cut import Window, cut_windows, nearest_frames
from pipelines.curation.decode import Frame, deadline_s, video_path
from pipelines.curation.interference import Interference, InterferenceConfig, interference
from pipelines.curation.models import ensure_models
from pipelines.curation.quality.meter import Meter, Subject
from pipelines.curation.quality.overlay import TextDetector
from pipelines.curation.quality.scores import Scores, Thresholds, criteria, judge
from pipelines.curation.quality.track import track_scores
from pipelines.curation.tracks import Track, load_track
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
    overlap=pa.float64(),
    intrusion=pa.float64(),
)

CRITERIA = "criteria.json"  # in the stage's folder: the limits that its rows were judged by
_ORIGIN = ("source", "licence", "consent")


@dataclass(frozen=True)
class ClipsConfig:
    """fps, size (pixels): of the clips. max_seconds: longer spans are cut into equal clips.
    margin: around the person, in sizes of the window's content.
    max_gap_s: the person may be lost so long, and others may interfere so long.
    interference: how far other people may interfere. crf: H.264 quality (lower is better)."""

    fps: float = 16.0
    size: int = 128
    max_seconds: float = 5.0
    margin: float = 0.1
    max_gap_s: float = 0.25
    crf: int = 16
    interference: InterferenceConfig = field(default_factory=InterferenceConfig)
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class Span:
    """Frames [first, after) of a track, and why they cannot be a clip (None: they may)."""

    first: int
    after: int
    reason: str | None


@dataclass(frozen=True)
class Candidate:
    """A span of a track, and what it would be as a clip. row: its row of the manifest so far."""

    row: Row
    reason: str | None
    subject: Subject


def run(context: Context) -> list[Row]:
    ensure_models(context.workspace)
    make_worker = functools.partial(_make_cutter, context.workspace, context.config, context.folder)
    tracks: dict[str, list[Row]] = defaultdict(list)
    for track in context.inputs["people"].rows():
        span = {key: track[key] for key in ("id", "shot", "fps", "end_s", "path")}
        tracks[track["video_id"]].append(span)
    payloads = []
    for video in context.inputs["videos"].rows():
        if video["id"] in tracks:
            about = {key: video[key] for key in ("id", "url", "path", "width", "height", "duration", *_ORIGIN)}
            payloads.append((video["id"], video["url"], {**about, "tracks": tracks[video["id"]]}))
    rows = list(_per_track(context.map(make_worker, payloads, deadline_s), tracks))
    with context.workspace.publish(f"{context.folder}/{CRITERIA}") as path:
        path.write_text(json.dumps([asdict(criterion) for criterion in criteria(context.config.thresholds)]))
    return rows


def _per_track(rows: list[Row], tracks: dict[str, list[Row]]) -> Iterator[Row]:
    """A video that failed fails for each of its tracks."""
    for row in rows:
        if row["status"] != Status.QUARANTINED:
            yield row
            continue
        for track in tracks[row["parent_id"]]:
            lost = {"id": digest_of("clip", row["id"], track["id"]), "parent_id": track["id"]}
            yield {**row, **lost, "video_id": row["parent_id"]}


def _make_cutter(workspace: Workspace, config: ClipsConfig, folder: str) -> Worker:
    text = TextDetector(ensure_models(workspace).text)

    def cut_video(video: Row) -> list[Row]:
        tracks = [load_track(workspace.local(row["path"]), video["width"], video["height"]) for row in video["tracks"]]
        found: list[Candidate] = []
        for row, track in zip(video["tracks"], tracks, strict=True):
            others = [
                other
                for about, other in zip(video["tracks"], tracks, strict=True)
                if about["shot"] == row["shot"] and about["id"] != row["id"]
            ]
            disturbed = interference(track, others, config.margin)
            crowded = tracking.without_blinks(
                disturbed.exceeds(config.interference), round(config.max_gap_s * row["fps"])
            )
            spans = spans_of(track, crowded, row["fps"], config)
            found += [_candidate(config, video, row, track, span, disturbed) for span in spans]
        windows = [candidate.subject.window for candidate in found]
        good = {number: candidate.subject for number, candidate in enumerate(found) if not candidate.reason}
        meter = Meter(good, tracks, (video["width"], video["height"]), text)
        rows = []
        for number, frames in cut_windows(video_path(workspace, video), windows, config.size, meter.see):
            scores = meter.scores(number, frames, config.fps) if number in good else found[number].subject.scores
            rows.append(_publish(workspace, config, folder, found[number], scores, frames))
        return rows

    return cut_video


def spans_of(track: Track, crowded: NDArray[np.bool_], fps: float, config: ClipsConfig) -> list[Span]:
    """Every frame of a track in exactly one span: candidates of at most `max_seconds`, and the stretches between them.

    crowded: (T,) frames in which others interfere.
    """
    seen = tracking.close_gaps(track.seen[:, 0], round(config.max_gap_s * fps))
    spans = [Span(first, after, "several_people") for first, after in tracking.runs(crowded)]
    spans += [Span(first, after, "low_visibility: lost") for first, after in tracking.runs(~seen & ~crowded)]
    longest = max(1, int(config.max_seconds * fps))
    for first, after in tracking.runs(seen & ~crowded):
        edges = np.linspace(first, after, int(np.ceil((after - first) / longest)) + 1).round().astype(int)
        spans += [Span(int(a), int(b), None) for a, b in pairwise(edges)]
    return sorted(spans, key=lambda span: span.first)


def _candidate(
    config: ClipsConfig, video: Row, row: Row, track: Track, span: Span, disturbed: Interference
) -> Candidate:
    inside = slice(span.first, span.after)
    times, boxes, keypoints = track.times[inside], track.boxes[inside], track.keypoints[inside]
    end = track.times[span.after] if span.after < len(track.times) else row["end_s"]
    frame_size = video["width"], video["height"]
    scores = track_scores(keypoints, boxes, len(times) / row["fps"], frame_size)
    reason = span.reason or judge(scores, config.thresholds)
    corners, side = clip_window(boxes, row["fps"], frame_size, config.margin)
    chosen = [len(times) // 2] if reason else nearest_frames(times, config.fps)
    place = {"start_s": round(float(times[0]), 4), "end_s": round(float(end), 4)}
    about = {"parent_id": row["id"], "video_id": video["id"], **{key: video[key] for key in _ORIGIN}, **place}
    about |= disturbed.worst(span.first, span.after)
    subject = Subject(Window(times, corners, side, chosen), keypoints, boxes, scores)
    return Candidate(about | {"frames": len(times)}, reason, subject)


def _publish(
    workspace: Workspace, config: ClipsConfig, folder: str, found: Candidate, scores: Scores, frames: list[Frame]
) -> Row:
    reason = found.reason or judge(scores, config.thresholds)
    row = found.row
    row_id = digest_of("clip", row["parent_id"], asdict(config), row["start_s"], row["end_s"], reason)
    name = f"{folder}/files/{row_id}"
    row |= {"id": row_id, "status": Status.REJECTED if reason else Status.KEPT, "reason": reason, **scores.row()}
    with workspace.publish(f"{name}.jpg") as path:
        path.write_bytes(_jpeg(frames[len(frames) // 2]))
    row |= {"thumbnail_path": f"{name}.jpg"}
    if reason:
        return row
    with workspace.publish(f"{name}.mp4") as path:
        path.write_bytes(encode_mp4(frames, config.fps, config.crf))
    window, chosen = found.subject.window, list(found.subject.window.chosen)
    placed = found.subject.keypoints[chosen].copy()
    placed[..., :2] = (placed[..., :2] - window.corners[chosen][:, None]) / window.side
    placed[placed[..., 2] == 0] = 0
    with workspace.publish(f"{name}.keypoints.npy") as path:
        np.save(path, placed.astype(np.float32), allow_pickle=False)
    made = {"path": f"{name}.mp4", "keypoints_path": f"{name}.keypoints.npy"}
    return row | made | {"frames": len(frames), "fps": config.fps, "size": config.size}


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
    version=6,
    covers="people",
)

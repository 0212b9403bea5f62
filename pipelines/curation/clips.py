"""Stage `clips`: the good spans of each track as square, person-centred clips, with their landmarks.

A clip has a fixed rate: that of its content, which `people` found without what pads it (see `padding`), at most `fps`.

A span is good where nobody interferes with its person, and its scores (see `quality`) keep the limits. Stretches out of
focus and held pictures are cut out of it (see `quality.faults`). Every other span is kept as a rejected row with its
reason and scores.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pyarrow as pa

from pipelines.curation import tracking
from pipelines.curation.cut import Window, cut_windows, frames_to_show, nearest_frames
from pipelines.curation.decode import Frame, deadline_s, video_path
from pipelines.curation.interference import Interference, InterferenceConfig, interference
from pipelines.curation.models import ensure_models
from pipelines.curation.quality.faults import faults
from pipelines.curation.quality.meter import Measured, Meter, Subject
from pipelines.curation.quality.overlay import TextDetector
from pipelines.curation.quality.scores import Scores, Thresholds, criteria, judge
from pipelines.curation.spans import Span, pieces_of, spans_of
from pipelines.curation.tracks import Track, load_track
from pipelines.curation.window import clip_window, shown_part
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
    shown=pa.list_(pa.float64()),
    **dict.fromkeys(Scores.__dataclass_fields__, pa.float64()),
    overlap=pa.float64(),
    intrusion=pa.float64(),
)

CRITERIA = "criteria.json"  # in the stage's folder: the limits that its rows were judged by
_ORIGIN = ("source", "licence", "consent")


@dataclass(frozen=True)
class ClipsConfig:
    """fps, size (pixels): of the clips; content of a lower rate keeps its own.
    max_seconds: longer spans are cut into equal clips. margin: around the person, in sizes of the window's content.
    max_gap_s: the person may be lost so long, and others may interfere so long.
    interference: how far other people may interfere. crf: H.264 quality (lower is better)."""

    fps: float = 16.0
    size: int = 256
    max_seconds: float = 5.0
    margin: float = 0.1
    max_gap_s: float = 0.25
    crf: int = 16
    interference: InterferenceConfig = field(default_factory=InterferenceConfig)
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class Followed:
    """A track of a video. about: its row of the manifest `people`."""

    video: Row
    about: Row
    track: Track
    disturbed: Interference

    @property
    def frame_size(self) -> tuple[int, int]:
        return self.video["width"], self.video["height"]


@dataclass(frozen=True)
class Candidate:
    """A span of a track, and what it would be as a clip. fps: of the frames that it shows."""

    followed: Followed
    span: Span
    subject: Subject
    fps: float


def run(context: Context) -> list[Row]:
    make_worker = functools.partial(_make_cutter, context.workspace, context.config, context.folder)
    agreed, carried = context.agree("people", ("videos", "video_id"))
    tracks: dict[str, list[Row]] = defaultdict(list)
    for track in agreed.to_pylist():
        span = {key: track[key] for key in ("id", "shot", "fps", "end_s", "path")}
        tracks[track["video_id"]].append(span)
    payloads = []
    for video in context.inputs["videos"].rows():
        if video["id"] in tracks:
            about = {key: video[key] for key in ("id", "url", "path", "width", "height", "duration", *_ORIGIN)}
            payloads.append((video["id"], video["url"], {**about, "tracks": tracks[video["id"]]}))
    if payloads:
        ensure_models(context.workspace)
    rows = list(_per_track(context.map(make_worker, payloads, deadline_s), tracks)) + carried
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
            blink = round(config.max_gap_s * row["fps"])
            crowded = tracking.without_blinks(disturbed.exceeds(config.interference), blink)
            spans = spans_of(track, crowded, max(1, int(config.max_seconds * row["fps"])), blink)
            found += [_candidate(config, Followed(video, row, track, disturbed), span) for span in spans]
        windows = [candidate.subject.window for candidate in found]
        good = {number: candidate.subject for number, candidate in enumerate(found) if not candidate.span.reason}
        meter = Meter(good, tracks, (video["width"], video["height"]), text)
        rows = []
        for number, frames in cut_windows(video_path(workspace, video), windows, config.size, meter.see):
            candidate = found[number]
            if number in good:
                measured = meter.measured(number, frames)
                for piece, scores, shown in _pieces(config, candidate, measured, frames):
                    rows.append(_publish(workspace, config, folder, piece, scores, shown))
            else:
                rows.append(_publish(workspace, config, folder, candidate, candidate.subject.scores, frames))
        return rows

    return cut_video


def _candidate(config: ClipsConfig, followed: Followed, span: Span) -> Candidate:
    track, inside, fps = followed.track, slice(span.first, span.after), followed.about["fps"]
    times, boxes = track.times[inside], track.boxes[inside]
    corners, side = clip_window(boxes, fps, followed.frame_size, config.margin)
    rate = min(fps, config.fps)
    looked_at = range(len(times)) if rate == fps else dict.fromkeys(nearest_frames(times, rate))
    window = Window(times, corners, side, list(looked_at))
    subject = Subject.of(window, track.keypoints[inside], boxes, fps, followed.frame_size)
    reason = span.reason or judge(subject.scores, config.thresholds)
    if reason:
        subject = replace(subject, window=replace(window, chosen=[len(times) // 2]))
    return Candidate(followed, replace(span, reason=reason), subject, rate)


def _pieces(
    config: ClipsConfig, candidate: Candidate, measured: Measured, frames: list[Frame]
) -> Iterator[tuple[Candidate, Scores, list[Frame]]]:
    """What remains of a candidate between its faults, and the faults, each judged. All look through its window."""
    followed, whole, window = candidate.followed, candidate.span, candidate.subject.window
    edges = [*window.chosen, len(window.times)]
    edges[0] = 0
    found = faults(measured.sharpness, measured.repeats, config.thresholds, round(config.max_gap_s * candidate.fps))
    for piece in pieces_of(found):
        first, after = edges[piece.first], edges[piece.after]
        inside = slice(whole.first + first, whole.first + after)
        looked_at = window.chosen[piece.first : piece.after]
        shown, rate = frames_to_show(window.times[looked_at], config.fps)
        chosen = [looked_at[index] - first for index in shown]
        part = Window(window.times[first:after], window.corners[first:after], window.side, chosen)
        track, fps = followed.track, followed.about["fps"]
        subject = Subject.of(part, track.keypoints[inside], track.boxes[inside], fps, followed.frame_size)
        scores = measured.scores(subject, piece.first, piece.after, shown, rate)
        span = Span(inside.start, inside.stop, piece.reason or judge(scores, config.thresholds))
        yield Candidate(followed, span, subject, rate), scores, [frames[piece.first + index] for index in shown]


def _publish(
    workspace: Workspace, config: ClipsConfig, folder: str, found: Candidate, scores: Scores, frames: list[Frame]
) -> Row:
    followed, span, window = found.followed, found.span, found.subject.window
    times = followed.track.times
    end = times[span.after] if span.after < len(times) else followed.about["end_s"]
    place = {"start_s": round(float(times[span.first]), 4), "end_s": round(float(end), 4)}
    row_id = digest_of("clip", followed.about["id"], asdict(config), *place.values(), span.reason)
    name = f"{folder}/files/{row_id}"
    row = {
        "id": row_id,
        "parent_id": followed.about["id"],
        "status": Status.REJECTED if span.reason else Status.KEPT,
        "reason": span.reason,
        "video_id": followed.video["id"],
        **{key: followed.video[key] for key in _ORIGIN},
        **place,
        "frames": span.after - span.first,
        **scores.row(),
        **followed.disturbed.worst(span.first, span.after),
    }
    with workspace.publish(f"{name}.jpg") as path:
        path.write_bytes(_jpeg(frames[len(frames) // 2]))
    row |= {"thumbnail_path": f"{name}.jpg"}
    if span.reason:
        return row
    with workspace.publish(f"{name}.mp4") as path:
        path.write_bytes(encode_mp4(frames, found.fps, config.crf))
    chosen = list(window.chosen)
    placed = found.subject.keypoints[chosen].copy()
    placed[..., :2] = (placed[..., :2] - window.corners[chosen][:, None]) / window.side
    placed[placed[..., 2] == 0] = 0
    with workspace.publish(f"{name}.keypoints.npy") as path:
        np.save(path, placed.astype(np.float32), allow_pickle=False)
    shown = shown_part(window.corners[chosen[0]], window.side, followed.frame_size)
    made = {"path": f"{name}.mp4", "keypoints_path": f"{name}.keypoints.npy", "shown": shown}
    return row | made | {"frames": len(frames), "fps": found.fps, "size": config.size}


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
    version=11,
    covers="people",
    beside=(CRITERIA,),
)

"""Stage `people`: find the people of each video, follow them, and put 543 landmarks on each of them in every frame.

Pictures that only pad a video to a higher rate are left out (see `padding`), so that a shot has its content's rate.
A video is decoded once: cuts, people and landmarks are found in the same pictures, each at the size that it needs.
People are detected a few times per second; in between each track is followed by looking for the pose around the place
where it was, which works where detectors fail (kicks, bends, turned backs). Stretches of a shot in which nobody is seen
become rejected rows: tracks and such rows together account for the whole video, but for gaps under a second.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation import whole_body as wb
from pipelines.curation.decode import bounded_size, deadline_s, video_path
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import LandmarkConfig, load_landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.shots import CutDetector, ShotsConfig, moments
from pipelines.curation.smoothing import smoothed
from pipelines.curation.takes import Take, takes
from pipelines.curation.tracker import Track, Tracker
from pipelines.engine import Row, Worker
from pipelines.errors import DataError
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace, file_sha256

SCHEMA = schema_of(
    video_id=pa.string(),
    shot=pa.int32(),
    shot_start_s=pa.float64(),
    shot_end_s=pa.float64(),
    path=pa.string(),
    start_s=pa.float64(),
    end_s=pa.float64(),
    fps=pa.float64(),
    frames=pa.int32(),
    height_share=pa.float64(),
    pose_rate=pa.float64(),
    left_hand_rate=pa.float64(),
    right_hand_rate=pa.float64(),
    any_hand_rate=pa.float64(),
    face_rate=pa.float64(),
)

_FEWEST, _STEADY = 8, 0.05  # frames from which a rate is measured; what it may differ and be the one asked for
_LEAST_SEEN = 0.35  # share of the frames of a track in which its person is seen


@dataclass(frozen=True)
class PeopleConfig:
    """shots: how cuts are found.
    fps, longest_side: of the frames that are looked at for people, at most (frames per second, pixels).
    detections_per_second: how often new people are looked for.
    min_detection: least score of the person detector. min_height: least height of a person, in frame heights.
    max_lost_s: a track ends when its person is not seen for longer; who comes out of hiding before is the same track,
    with a gap. min_track_s: shorter tracks are taken for errors.
    min_empty_s: a longer stretch without anybody becomes a row of its own.
    pose_bundle: path of one of MediaPipe's pose task bundles, empty for ours.
    """

    shots: ShotsConfig = field(default_factory=ShotsConfig)
    fps: float = 16.0
    longest_side: int = 960
    detections_per_second: float = 3.0
    min_detection: float = 0.4
    min_height: float = 0.12
    max_lost_s: float = 2.0
    min_track_s: float = 0.5
    min_empty_s: float = 1.0
    pose_bundle: str = ""
    landmarks: LandmarkConfig = field(default_factory=LandmarkConfig)


@dataclass(frozen=True)
class Shot:
    """A stretch of a video without a cut. start_s, end_s: seconds from the video's first frame."""

    video_id: str
    number: int
    start_s: float
    end_s: float

    def row(self) -> Row:
        place = {"shot": self.number, "shot_start_s": self.start_s, "shot_end_s": self.end_s}
        return {"parent_id": self.video_id, "video_id": self.video_id, **place}


def run(context: Context) -> list[Row]:
    ensure_models(context.workspace, context.config.pose_bundle)
    make_worker = functools.partial(_make_finder, context.workspace, context.config, context.folder)
    columns = ("id", "url", "path", "width", "height", "fps", "duration")
    videos = context.inputs["videos"].rows()
    networks = _networks(context.config)
    payloads = [(row["id"], row["url"], {**{key: row[key] for key in columns}, "networks": networks}) for row in videos]
    return context.map(make_worker, payloads, deadline_s)


def _make_finder(workspace: Workspace, config: PeopleConfig, folder: str) -> Worker:
    paths = ensure_models(workspace, config.pose_bundle)
    landmarker = load_landmarker(paths, config.landmarks)
    detector = PersonDetector(paths.person, config.min_detection)
    cuts = CutDetector()

    def find_people(video: Row) -> list[Row]:
        path = video_path(workspace, video)
        size = bounded_size(video["width"], video["height"], config.longest_side)
        fps = min(config.fps, video["fps"])
        aspect = size[0] / size[1]
        watched = moments(path, cuts, config.shots, video["fps"], config.fps, size)
        rows: list[Row] = []
        for number, take in enumerate(takes(watched, lambda: Tracker(landmarker, detector, config, fps, aspect))):
            rows += _rows(workspace, folder, config, video["id"], number, take, fps, aspect)
        if not rows:
            raise DataError(f"{path}: no frame can be decoded; convert it to H.264 or copy it again")
        return rows

    return find_people


def _rows(
    workspace: Workspace,
    folder: str,
    config: PeopleConfig,
    video_id: str,
    number: int,
    take: Take,
    fps: float,
    aspect: float,
) -> list[Row]:
    shot = Shot(video_id, number, take.start_s, take.end_s)
    fps = _rate(take.times, fps)
    least = max(2, round(config.min_track_s * fps))
    tracks = [track for track in take.tracks if len(track.indices) >= least and not _is_sparse(track)]
    rows = [
        _publish(workspace, folder, config, shot, fps, np.array(take.times), number, track, aspect)
        for number, track in enumerate(tracks)
    ]
    return rows + _empty_rows(shot, take.times, tracks, config.min_empty_s)


def _rate(times: Sequence[float], fps: float) -> float:
    """Frames per second that were looked at: less than the `fps` that were to be, where the content has no more."""
    if len(times) < _FEWEST:
        return fps
    found = (len(times) - 1) / (times[-1] - times[0])
    return fps if found > (1 - _STEADY) * fps else round(found, 2)


def _is_sparse(track: Track) -> bool:
    """Whether somebody is seen so rarely between first and last that it was now one thing and now another."""
    return len(track.indices) < _LEAST_SEEN * (track.indices[-1] - track.indices[0] + 1)


def _publish(
    workspace: Workspace,
    folder: str,
    config: PeopleConfig,
    shot: Shot,
    fps: float,
    times: NDArray[np.float64],
    number: int,
    track: Track,
    aspect: float,
) -> Row:
    first, last = track.indices[0], track.indices[-1]
    span = np.arange(first, last + 1)
    seen_at = np.array(track.indices)
    landmarks = np.zeros((len(span), wb.COUNT, 3), np.float32)
    landmarks[seen_at - first] = track.landmarks
    landmarks = smoothed(landmarks, fps, aspect, config.landmarks.smoothing_s)
    corners = np.stack(track.boxes).T
    boxes = np.stack([np.interp(span, seen_at, corner) for corner in corners], axis=1).astype(np.float32)
    seen = np.stack([(landmarks[:, part, 2] > 0).any(1) for part in wb.PARTS.values()], axis=1)
    row_id = digest_of(
        "track", shot.video_id, shot.number, asdict(config), number, float(times[first]), float(times[last])
    )
    relative = f"{folder}/tracks/{row_id}.npz"
    with workspace.publish(relative) as path:
        np.savez_compressed(path, times=times[span], boxes=boxes, landmarks=landmarks, seen=seen)
    body, left, right, face = (round(float(rate), 4) for rate in seen.mean(0))
    return {
        "id": row_id,
        "status": Status.KEPT,
        **shot.row(),
        "path": relative,
        "start_s": float(times[first]),
        "end_s": min(round(float(times[last]) + 1 / fps, 4), shot.end_s),
        "fps": fps,
        "frames": len(span),
        "height_share": round(float((boxes[:, 3] - boxes[:, 1]).mean()), 4),
        "pose_rate": body,
        "left_hand_rate": left,
        "right_hand_rate": right,
        "any_hand_rate": round(float(seen[:, 1:3].any(1).mean()), 4),
        "face_rate": face,
    }


def _empty_rows(shot: Shot, times: list[float], tracks: list[Track], min_empty_s: float) -> list[Row]:
    """Rejected rows for the stretches without anybody: the long ones, and a short one if it is the whole shot."""
    occupied = np.zeros(len(times), np.bool_)
    for track in tracks:
        occupied[track.indices[0] : track.indices[-1] + 1] = True
    edges = [*times, shot.end_s]
    # A shot between two looked-at frames has none of its own.
    empty = tracking.runs(~occupied) if times else [(0, 0)]
    return [
        {
            "id": digest_of("empty", shot.video_id, shot.number, edges[first], edges[after]),
            "status": Status.REJECTED,
            "reason": "no_person",
            **shot.row(),
            "start_s": edges[first] if times else shot.start_s,
            "end_s": edges[after],
            "frames": after - first,
        }
        for first, after in empty
        if edges[after] - edges[first] >= min_empty_s or not tracks
    ]


def _networks(config: PeopleConfig) -> list[str]:
    """What the networks named in the config are: the hash of a file, the name of anything else."""
    named = (config.pose_bundle, config.landmarks.weights)
    return [file_sha256(Path(name)) if name and Path(name).is_file() else name for name in named]


STAGE = Stage(
    name="people",
    config=PeopleConfig,
    schema=SCHEMA,
    run=run,
    needs=("videos",),
    per_batch=True,
    version=10,
    covers="videos",
    outside=_networks,
)

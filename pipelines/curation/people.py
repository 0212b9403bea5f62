"""Stage `people`: find the people of each shot, follow them, and put 88 landmarks on each of them in every frame.

People are detected a few times per second; in between each track is followed by looking for the pose around the
place where it was, which works where detectors fail (kicks, bends, turned backs). Stretches of a shot in which nobody
is seen become rejected rows: tracks and such rows together account for the whole video, but for gaps under a second.
"""

import functools
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation import tracking
from pipelines.curation.decode import PyAvDecoder, bounded_size, video_path
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import LandmarkConfig, Landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.tracker import Track, Tracker
from pipelines.engine import Row, Worker
from pipelines.errors import DataError
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(
    video_id=pa.string(),
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


@dataclass(frozen=True)
class PeopleConfig:
    """fps, longest_side: of the frames that are looked at, at most (frames per second, pixels).
    detections_per_second: how often new people are looked for.
    min_detection: least score of the person detector. min_height: least height of a person, in frame heights.
    max_gap_s: a track ends when its person is not seen for longer. min_track_s: shorter tracks are taken for errors.
    min_empty_s: a longer stretch without anybody becomes a row of its own.
    pose_bundle: path of one of MediaPipe's pose task bundles, empty for ours.
    """

    fps: float = 16.0
    longest_side: int = 960
    detections_per_second: float = 3.0
    min_detection: float = 0.4
    min_height: float = 0.12
    max_gap_s: float = 0.5
    min_track_s: float = 0.5
    min_empty_s: float = 1.0
    pose_bundle: str = ""
    landmarks: LandmarkConfig = field(default_factory=LandmarkConfig)


def run(context: Context) -> list[Row]:
    ensure_models(context.workspace, context.config.pose_bundle)
    make_worker = functools.partial(_make_finder, context.workspace, context.config, context.folder)
    videos = {row["id"]: row for row in context.inputs["videos"].rows()}
    payloads = []
    for shot in context.inputs["shots"].rows():
        video = videos[shot["video_id"]]
        span = {key: shot[key] for key in ("id", "video_id", "start_s", "end_s")}
        about = {key: video[key] for key in ("url", "path", "width", "height", "fps")}
        payloads.append((shot["id"], f"{video['url']} {shot['start_s']:.1f} s", {**span, **about}))
    return context.map(make_worker, payloads)


def _make_finder(workspace: Workspace, config: PeopleConfig, folder: str) -> Worker:
    paths = ensure_models(workspace, config.pose_bundle)
    landmarker = Landmarker(paths, config.landmarks)
    detector = PersonDetector(paths.person, config.min_detection)

    def find_people(shot: Row) -> list[Row]:
        path = video_path(workspace, shot)
        width, height = bounded_size(shot["width"], shot["height"], config.longest_side)
        fps = min(config.fps, shot["fps"])
        tracker = Tracker(landmarker, detector, config, fps, width / height)
        times: list[float] = []
        for time, frame in PyAvDecoder(fps, (width, height)).frames(path, shot["start_s"], shot["end_s"]):
            tracker.step(len(times), frame)
            times.append(round(time, 4))
        if not times:
            raise DataError(f"{path}: has no frame between {shot['start_s']} and {shot['end_s']} s; copy it again")
        least = max(2, round(config.min_track_s * fps))
        tracks = [track for track in tracker.finish() if len(track.indices) >= least]
        rows = [
            _publish(workspace, folder, config, shot, fps, np.array(times), number, track)
            for number, track in enumerate(tracks)
        ]
        return rows + _empty_rows(shot, times, tracks, config.min_empty_s)

    return find_people


def _publish(
    workspace: Workspace,
    folder: str,
    config: PeopleConfig,
    shot: Row,
    fps: float,
    times: NDArray[np.float64],
    number: int,
    track: Track,
) -> Row:
    first, last = track.indices[0], track.indices[-1]
    span = np.arange(first, last + 1)
    seen_at = np.array(track.indices)
    keypoints = np.zeros((len(span), kp.COUNT, 3), np.float32)
    keypoints[seen_at - first] = track.keypoints
    corners = np.stack(track.boxes).T
    boxes = np.stack([np.interp(span, seen_at, corner) for corner in corners], axis=1).astype(np.float32)
    seen = np.stack([(keypoints[:, part, 2] > 0).any(1) for part in kp.PARTS.values()], axis=1)
    row_id = digest_of("track", shot["id"], asdict(config), number, float(times[first]), float(times[last]))
    relative = f"{folder}/tracks/{row_id}.npz"
    with workspace.publish(relative) as path:
        np.savez(path, times=times[span], boxes=boxes, keypoints=keypoints, seen=seen)
    body, left, right, face = (round(float(rate), 4) for rate in seen.mean(0))
    return {
        "id": row_id,
        "parent_id": shot["id"],
        "status": Status.KEPT,
        "video_id": shot["video_id"],
        "path": relative,
        "start_s": float(times[first]),
        "end_s": min(round(float(times[last]) + 1 / fps, 4), shot["end_s"]),
        "fps": fps,
        "frames": len(span),
        "height_share": round(float((boxes[:, 3] - boxes[:, 1]).mean()), 4),
        "pose_rate": body,
        "left_hand_rate": left,
        "right_hand_rate": right,
        "any_hand_rate": round(float(seen[:, 1:3].any(1).mean()), 4),
        "face_rate": face,
    }


def _empty_rows(shot: Row, times: list[float], tracks: list[Track], min_empty_s: float) -> list[Row]:
    """Rejected rows for the stretches without anybody: the long ones, and a short one if it is the whole shot."""
    occupied = np.zeros(len(times), np.bool_)
    for track in tracks:
        occupied[track.indices[0] : track.indices[-1] + 1] = True
    edges = [*times, shot["end_s"]]
    rows = []
    for first, after in tracking.runs(~occupied):
        start, end = edges[first], edges[after]
        if end - start >= min_empty_s or not tracks:
            rows.append(
                {
                    "id": digest_of("empty", shot["id"], start, end),
                    "parent_id": shot["id"],
                    "status": Status.REJECTED,
                    "reason": "no_person",
                    "video_id": shot["video_id"],
                    "start_s": start,
                    "end_s": end,
                    "frames": after - first,
                }
            )
    return rows


STAGE = Stage(
    name="people",
    config=PeopleConfig,
    schema=SCHEMA,
    run=run,
    needs=("shots", "videos"),
    per_batch=True,
    covers="shots",
)

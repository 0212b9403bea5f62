"""What curation makes of labelled videos: what it keeps and why not, hands, and whether landmarks can be used."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipelines import keypoints as kp
from pipelines.curation.ingest import probe
from pipelines.curation.models import ensure_models
from pipelines.curation.tracks import Track
from pipelines.engine import Engine
from pipelines.workspace import Workspace
from tests.labelled.found import Found, FoundTrack, curate, to_clips
from tests.real.labels import KEPT, REJECTED, Clip

NOT_FOUND = "not_found"
_KEPT_SHARE = 0.5  # of the seconds with a person
_SEEN = 0.3  # confidence from which a body point counts
# Faster steps are jumps of the landmarks, in longer sides of the person's box a second: of the trunk, of any point.
_TRUNK_SPEED, _SPEED = 3.0, 6.0
_MOST_JUMPS = 0.02  # of the steps of seen points
# The points of the body's face and of the mesh belong to one face: mean distance in longer sides of the mesh, frames.
_FACE_APART, _FACE_SHARE = 0.25, 0.9
_AT_ONCE_S = 1.0  # so long so many people are there at once


@dataclass(frozen=True)
class Judged:
    """A labelled video of `seconds`, and what came of it. kept: seconds. reasons: seconds of what is not kept, of which
    `not_found` where somebody should be. hands: share of the frames of the longest track with a hand. people: at once.
    usable: of each kept clip, whether its landmarks are. found: what this was read from."""

    clip: Clip
    seconds: float
    kept: float
    reasons: Mapping[str, float]
    hands: float
    people: int
    usable: tuple[bool, ...]
    found: Found

    @property
    def right(self) -> bool | None:
        """Whether the verdict is that of the label; None where either is right."""
        if self.clip.verdict == KEPT:
            return self.kept >= _KEPT_SHARE * self.clip.present * self.seconds
        return self.kept == 0 if self.clip.verdict == REJECTED else None


def curated(clips: Sequence[Clip], workers: int = 1) -> tuple[list[Judged], float]:
    """What curation makes of videos, and the core-seconds that the stages `videos`, `people` and `clips` take for them,
    models being there. workers: processes, each of which curates some of the videos by itself."""
    shares = [share for share in shared_out(clips, workers) if share]
    if len(shares) < 2:
        parts = list(map(_curated, shares))
    else:
        with ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
            parts = list(pool.map(_curated, shares))
    judged = {one.clip.path: one for part, _ in parts for one in part}
    return [judged[clip.path] for clip in clips], sum(spent for _, spent in parts)


def shared_out(clips: Sequence[Clip], workers: int) -> list[list[Clip]]:
    """Clips for each worker: the longest first, each to who has the least to do."""
    shares: list[list[Clip]] = [[] for _ in range(workers)]
    seconds = [0.0] * workers
    durations = {clip.path: _duration(clip.path) for clip in clips}
    for clip in sorted(clips, key=lambda one: -durations[one.path]):
        idlest = seconds.index(min(seconds))
        shares[idlest].append(clip)
        seconds[idlest] += durations[clip.path]
    return shares


def _curated(clips: Sequence[Clip]) -> tuple[list[Judged], float]:
    """See `curated`: in this process."""
    paths = [clip.path for clip in clips]
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(name)
        ensure_models(workspace)
        began = time.process_time()
        to_clips(workspace, paths, Engine(1))
        spent = time.process_time() - began
        found = curate(workspace, paths, Engine(1))
    return [judge(clip, one, _duration(clip.path)) for clip, one in zip(clips, found, strict=True)], spent


def judge(clip: Clip, found: Found, seconds: float) -> Judged:
    kept: list[tuple[float, float]] = []
    reasons: dict[str, float] = defaultdict(float)
    usable = []
    for one in found.tracks:
        for row in one.clips:
            if row["reason"] is None:
                kept.append((row["start_s"], row["end_s"]))
                usable.append(is_usable(_part(one.track, row["start_s"], row["end_s"])))
            else:
                reasons[str(row["reason"]).split(":")[0]] += row["end_s"] - row["start_s"]
    seen = _union([(float(one.track.times[0]), one.end) for one in found.tracks])
    lost = clip.present * seconds - seen
    if lost > 0.05 * seconds:
        reasons[NOT_FOUND] = lost
    longest = max(found.tracks, key=lambda one: len(one.track.times), default=None)
    hands = float(longest.track.seen[:, 1:3].any(1).mean()) if longest else 0.0
    return Judged(clip, seconds, _union(kept), dict(reasons), hands, _at_once(found.tracks), tuple(usable), found)


def is_usable(track: Track) -> bool:
    """Whether the landmarks of a clip move as people do, and its faces are where its heads are."""
    return jumps(track) <= _MOST_JUMPS and face_agreement(track) >= _FACE_SHARE


def jumps(track: Track) -> float:
    """Share of the steps of seen body points from one frame to the next that no person makes."""
    body = track.keypoints[:, kp.BODY_SLICE]
    side = (track.boxes[:, 2:] - track.boxes[:, :2]).max(1)
    passed = np.diff(track.times)[:, None] * np.minimum(side[1:], side[:-1])[:, None]
    speed = np.linalg.norm(np.diff(body[..., :2], axis=0), axis=-1) / np.maximum(passed, 1e-9)
    seen = (body[1:, :, 2] >= _SEEN) & (body[:-1, :, 2] >= _SEEN)
    limit = np.full(body.shape[1], _SPEED)
    limit[list(kp.TRUNK)] = _TRUNK_SPEED
    return float((speed > limit)[seen].mean()) if seen.any() else 0.0


def face_agreement(track: Track) -> float:
    """Share of the frames with a face mesh in which eyes and nose of body and mesh are the same; 1 where none has."""
    mesh, body = track.keypoints[:, kp.FACE_SLICE], track.keypoints[:, kp.BODY_SLICE]
    there = (mesh[..., 2] > 0).sum(1) >= len(kp.FACE) // 2
    if not there.any():
        return 1.0
    away = []
    for name, corners in (
        ("nose", ("nose_tip",)),
        ("left_eye", ("left_eye_outer", "left_eye_inner")),
        ("right_eye", ("right_eye_outer", "right_eye_inner")),
    ):
        true = mesh[:, [kp.FACE.index(corner) for corner in corners], :2].mean(1)
        away.append(np.linalg.norm(body[:, kp.BODY.index(name), :2] - true, axis=1))
    size = np.ptp(mesh[..., :2], axis=1).max(1)
    return float((np.mean(away, axis=0) <= _FACE_APART * size)[there].mean())


def _part(track: Track, start: float, end: float) -> Track:
    inside = (track.times >= start - 1e-3) & (track.times < end - 1e-3)
    return Track(track.times[inside], track.boxes[inside], track.keypoints[inside], track.seen[inside])


def _union(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that any of the spans covers."""
    total, reached = 0.0, -np.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return float(total)


def _at_once(tracks: Sequence[FoundTrack]) -> int:
    """The largest number of people who are followed at once for a second in all (or as long as any is)."""
    edges = sorted({edge for one in tracks for edge in (float(one.track.times[0]), one.end)})
    lasting: dict[int, float] = defaultdict(float)
    for start, end in pairwise(edges):
        middle = (start + end) / 2
        count = sum(one.track.times[0] <= middle < one.end for one in tracks)
        for number in range(1, count + 1):
            lasting[number] += end - start
    least = min(_AT_ONCE_S, lasting.get(1, 0.0))
    return max((number for number, seconds in lasting.items() if seconds >= least - 1e-6), default=0)


def _duration(path: Path) -> float:
    return float(probe(path, min_completeness=0.0)["duration"])

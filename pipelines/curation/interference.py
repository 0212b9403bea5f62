"""How much other people interfere with a person: whom a clip shows must be beyond doubt, but a passer-by is no harm.

Two scores per frame, each in [0, 1], against the other tracks of the shot:

overlap     share of the person's seen landmarks that lie inside the convex hull of somebody else's seen body landmarks
            (inside their box where fewer than 3 of them are seen): who is covered, or covers, is hard to tell apart.
intrusion   share of the square around the person (their box, made square, with the clip's margin) that the boxes of
            others cover: sum over others of |box ∩ square| / |square|, at most 1. Somebody standing alone fills about
            .25 to .35 of their square, so the default limit is half as prominent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.tracking import Points
from pipelines.curation.tracks import Track

_SEEN = 0.3  # confidence from which a landmark counts
_LONG_S, _STAYS_S = 1.0, 0.5  # who was followed for so long is taken to stay so long where they were seen
_SAME_TIME = 1e-3


@dataclass(frozen=True)
class InterferenceConfig:
    """Most overlap and intrusion (see above) in any frame of a clip; 1 switches a limit off."""

    max_overlap: float = 0.1
    max_intrusion: float = 0.15


@dataclass(frozen=True)
class Interference:
    """Scores of each frame of a track, (T,) in [0, 1]."""

    overlap: NDArray[np.float64]
    intrusion: NDArray[np.float64]

    def exceeds(self, limits: InterferenceConfig) -> NDArray[np.bool_]:
        """(T,) frames that others spoil."""
        spoilt: NDArray[np.bool_] = (self.overlap > limits.max_overlap) | (self.intrusion > limits.max_intrusion)
        return spoilt

    def worst(self, first: int, after: int) -> dict[str, float]:
        """The highest score in the frames [first, after)."""
        inside = slice(first, after)
        return {
            "overlap": round(float(self.overlap[inside].max()), 4),
            "intrusion": round(float(self.intrusion[inside].max()), 4),
        }


def interference(track: Track, others: Sequence[Track], margin: float) -> Interference:
    """others: the other tracks of the shot. margin: of the square, on every side, in sides of the person's box."""
    low, high = track.boxes[:, :2], track.boxes[:, 2:]
    side = (high - low).max(1, keepdims=True) * (1 + 2 * margin)
    square = np.concatenate([(low + high - side) / 2, (low + high + side) / 2], axis=1)
    covered = np.zeros((len(track.times), kp.COUNT), np.bool_)
    intruding = np.zeros(len(track.times))
    for other in others:
        ours, theirs = _together(track.times, other.times)
        mine, box = square[ours], other.boxes[theirs]
        both = np.minimum(mine[:, 2:], box[:, 2:]) - np.maximum(mine[:, :2], box[:, :2])
        share = both.clip(0).prod(1) / np.maximum(side[ours, 0] ** 2, 1e-9)
        intruding[ours] += share
        for our, their in zip(ours[share > 0], theirs[share > 0], strict=True):
            covered[our] |= _inside(track.keypoints[our], other.keypoints[their, kp.BODY_SLICE], other.boxes[their])
    seen = track.keypoints[..., 2] >= _SEEN
    overlap = (covered & seen).sum(1) / np.maximum(seen.sum(1), 1)
    return Interference(overlap, intruding.clip(max=1.0))


def _together(times: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(indices of `times`, indices of the frames of `others` that tell where the other is then).

    Who was followed for long and then lost, or not yet found, is taken to be where they were last or first seen for
    another `_STAYS_S`: people do not vanish.
    """
    stays = _STAYS_S if others[-1] - others[0] >= _LONG_S else _SAME_TIME
    near = np.clip(np.searchsorted(others, times), 0, len(others) - 1)
    earlier = np.maximum(near - 1, 0)
    nearest = np.where(np.abs(others[earlier] - times) <= np.abs(others[near] - times), earlier, near)
    ours = np.flatnonzero(np.abs(others[nearest] - times) <= stays)
    return ours, nearest[ours]


def _inside(points: Points, body: Points, box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which of the points (n, 3) lie in the hull of the seen ones of a body (m, 3), or in its box (4,)."""
    import cv2

    corners = body[body[:, 2] >= _SEEN, :2]
    if len(corners) < 3:
        within: NDArray[np.bool_] = np.maximum(box[:2] - points[:, :2], points[:, :2] - box[2:]).max(1) <= 0
        return within
    hull = cv2.convexHull(np.ascontiguousarray(corners, np.float32))[:, 0].astype(np.float64)
    edge, to_point = np.roll(hull, -1, axis=0) - hull, points[:, None, :2] - hull
    turn = edge[:, 0] * to_point[..., 1] - edge[:, 1] * to_point[..., 0]
    inside: NDArray[np.bool_] = (turn >= 0).all(1) | (turn <= 0).all(1)
    return inside

"""How a person looks: the colours of their torso, arms and legs, by which somebody who was hidden is known again.

Colours are compared as histograms in CIE Lab, one per channel, with values shared between neighbouring bins, so that a
little more light or noise changes them only a little.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame
from pipelines.curation.tracking import TORSO, Points

Floats = NDArray[np.float32]

UNKNOWN = 0.25  # neither like nor unlike

_BINS = 8
# Lab values of the first and the last bin's centre, per channel; stronger colours count for the last one.
_LOW, _HIGH = np.array([0, -40, -40]), np.array([100, 40, 40])
_LEAST_VISIBILITY = 0.5
_TORSO = (11, 12, 24, 23)
_ARMS = ((11, 13), (13, 15), (12, 14), (14, 16))
_LEGS = ((23, 25), (25, 27), (24, 26), (26, 28))
_ACROSS, _DOWN = np.meshgrid(np.linspace(0.15, 0.85, 6), np.linspace(0.1, 0.9, 8))
_ALONG = np.linspace(0.1, 0.9, 12)[:, None]


@dataclass(frozen=True)
class Look:
    """colours: (3, 3, bins), histograms of L, a and b for torso, arms and legs. weight: (3,), how much of each part was
    seen, from 0 to 1."""

    colours: Floats
    weight: Floats

    def blended(self, other: "Look", share: float) -> "Look":
        """A running mean: of what both show, `share` of the other; of what one shows, that one."""
        by = np.where(self.weight > 0, np.where(other.weight > 0, share, 0.0), 1.0)[:, None, None]
        colours = ((1 - by) * self.colours + by * other.colours).astype(np.float32)
        return Look(colours, np.maximum(self.weight, other.weight))


def look_of(frame: Frame, pose: Points) -> Look:
    """The look of the person with this pose (33, 3), points in shares of the frame, in an RGB frame."""
    size = np.array([frame.shape[1], frame.shape[0]], np.float32)
    seen = (pose[:, 2] >= _LEAST_VISIBILITY) & (pose[:, :2] >= 0).all(1) & (pose[:, :2] < 1).all(1)
    parts = [_torso(pose, seen), _limbs(pose, seen, _ARMS), _limbs(pose, seen, _LEGS)]
    colours = np.zeros((3, 3, _BINS), np.float32)
    for part, (points, _) in enumerate(parts):
        if len(points):
            x, y = np.clip((points * size).astype(int), 0, size.astype(int) - 1).T
            colours[part] = _histograms(frame[y, x])
    return Look(colours, np.array([share for _, share in parts], np.float32))


def difference(a: Look, b: Look) -> float:
    """Mean Hellinger distance of the colours of the parts that both show, in [0, 1]; `UNKNOWN` where there is none."""
    weight = a.weight * b.weight
    if not weight.any():
        return UNKNOWN
    common = np.sqrt(a.colours * b.colours).sum(2)
    return float((np.sqrt(np.clip(1 - common, 0, 1)).mean(1) * weight).sum() / weight.sum())


def painted_out(frame: Frame, poses: Sequence[Points]) -> Frame:
    """A copy of an RGB frame in which the people with these poses (33, 3) are covered with the frame's mean colour.

    Pose models take the clearest person of a picture, or mix two; who is covered leaves the others to be found.
    """
    import cv2

    if not poses:
        return frame
    canvas = frame.copy()
    colour = tuple(map(float, frame[::16, ::16].reshape(-1, 3).mean(0)))
    size = np.array([frame.shape[1], frame.shape[0]])
    for pose in poses:
        points = pose[:, :2] * size
        seen = pose[:, 2] >= _LEAST_VISIBILITY
        torso = points[list(_TORSO)]
        length = float(np.linalg.norm(torso[:2].mean(0) - torso[2:].mean(0)))
        broad = max(length, float(np.linalg.norm(torso[0] - torso[1])))
        pixels = np.rint(points).astype(int)
        width = max(1, round(0.3 * broad))
        cv2.fillConvexPoly(canvas, cv2.convexHull(pixels[list(_TORSO)].astype(np.int32)), colour)
        cv2.polylines(canvas, [pixels[list(_TORSO)].astype(np.int32)], True, colour, width)
        for a, b in (*_ARMS, *_LEGS):
            if seen[a] and seen[b]:
                cv2.line(canvas, pixels[a].tolist(), pixels[b].tolist(), colour, width)
        head = points[:11].mean(0)
        cv2.circle(canvas, np.rint(head).astype(int).tolist(), max(1, round(0.4 * broad)), colour, -1)
    return canvas


def lies_on_paint(pose: Points, frame: Frame, canvas: Frame) -> bool:
    """Whether a pose (33, 3) found in a canvas of `painted_out` is made of who was covered: most of its nose, shoulders
    and hips are where there is paint."""
    size = np.array([frame.shape[1], frame.shape[0]])
    x, y = np.clip((pose[TORSO, :2] * size).astype(int), 0, size - 1).T
    return bool((canvas[y, x] != frame[y, x]).any(1).sum() > len(TORSO) / 2)


def _torso(pose: Points, seen: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Points (n, 2) spread over a part, and how much of it is seen."""
    if not seen[list(_TORSO[:2])].all():
        return np.zeros((0, 2), np.float32), 0.0
    a, b, c, d = pose[list(_TORSO), :2]
    across, down = _ACROSS[..., None], _DOWN[..., None]
    points = ((1 - down) * ((1 - across) * a + across * b) + down * ((1 - across) * d + across * c)).reshape(-1, 2)
    inside = points[((points >= 0) & (points < 1)).all(1)]
    return inside, len(inside) / len(points)


def _limbs(pose: Points, seen: NDArray[np.bool_], bones: tuple[tuple[int, int], ...]) -> tuple[Floats, float]:
    found = [(1 - _ALONG) * pose[a, :2] + _ALONG * pose[b, :2] for a, b in bones if seen[a] and seen[b]]
    return np.concatenate(found or [np.zeros((0, 2), np.float32)]), len(found) / len(bones)


def _histograms(pixels: NDArray[np.uint8]) -> Floats:
    """(3, bins) of RGB pixels (n, 3), each row of sum 1."""
    import cv2

    lab = cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    place = np.clip((lab - _LOW) / (_HIGH - _LOW), 0, 1) * (_BINS - 1)
    # A pixel counts for the two nearest bins.
    shares = np.clip(1 - np.abs(place[..., None] - np.arange(_BINS)), 0, 1).mean(0)
    return np.asarray(shares, np.float32)

"""Geometry and association of person boxes: plain functions, no models.

Boxes are (x0, y0, x1, y1) in shares of the frame's width and height.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.whole_body import PARTS, POSE

Box = NDArray[np.float32]
Points = NDArray[np.float32]
FULL_FRAME: Box = np.array([0, 0, 1, 1], np.float32)

TORSO = [0, 11, 12, 23, 24]  # nose, shoulders and hips in a pose of 33 landmarks

_HEAD, _EYES, _MOUTH, _EARS = slice(0, 11), (2, 5), (9, 10), (7, 8)
# Of a head with hair, in distances between the eyes and the mouth: above the eyes, below the mouth, to the sides.
_CROWN, _CHIN, _TEMPLE = 2.2, 1.1, 1.6
_AROUND_PART = 0.15  # of flesh around the points of a hand or a face, in its sizes
_FARTHEST_OUTLINE = 0.4  # from what the points say, in sizes of the person
_LEAST_CONFIDENCE = 0.3
_SEEN = 0.5  # from this confidence on a point's place is relied on


def area(box: Box) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def overlap(a: Box, b: Box) -> tuple[float, float]:
    """(intersection over union, intersection over the smaller box)."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = area(np.concatenate([low, high]))
    union = area(a) + area(b) - both
    return both / max(union, 1e-9), both / max(min(area(a), area(b)), 1e-9)


def grow(box: Box, share: float, aspect: float) -> Box:
    """Widen a box on every side by a share of its longer side (in pixels; aspect = frame width / height), cut at the
    frame's edge."""
    margin = share * max((box[2] - box[0]) * aspect, box[3] - box[1])
    by = np.array([margin / aspect, margin], np.float32)
    grown: Box = np.clip(np.concatenate([box[:2] - by, box[2:] + by]), 0, 1).astype(np.float32)
    return grown


def box_of_pose(pose: Points, aspect: float) -> Box | None:
    """Box around the visible points of a pose, with a margin for the flesh around them.

    pose: (33, 3). None where fewer than 4 points are seen inside the frame.
    """
    inside = (pose[:, :2] > -0.02).all(1) & (pose[:, :2] < 1.02).all(1)
    seen = pose[inside & (pose[:, 2] >= _LEAST_CONFIDENCE), :2]
    if len(seen) < 4:
        return None
    return grow(np.concatenate([seen.min(0), seen.max(0)]), 0.08, aspect)


def person_box(landmarks: Points, pose_box: Box, silhouette: Box | None, aspect: float) -> Box:
    """Box around all of a person, hair, hat and fingers included, cut at the frame's edge.

    landmarks: (543, 3), see `whole_body`. pose_box: of `box_of_pose`. silhouette: the box of the outline that the pose
    network saw, if any: it is believed as far as it stays near what the points say, since it may hold somebody else.
    """
    corners = [pose_box[:2], pose_box[2:], *head_corners(landmarks[POSE], aspect)]
    for name in ("left_hand", "right_hand", "face"):
        part = landmarks[PARTS[name]]
        seen = part[part[:, 2] > 0, :2]
        if len(seen):
            part_box = grow(np.concatenate([seen.min(0), seen.max(0)]), _AROUND_PART, aspect)
            corners += [part_box[:2], part_box[2:]]
    points = np.clip(np.stack(corners), 0, 1)
    box = np.concatenate([points.min(0), points.max(0)])
    if silhouette is not None:
        farthest = grow(box, _FARTHEST_OUTLINE, aspect)
        box[:2] = np.minimum(box[:2], np.maximum(silhouette[:2], farthest[:2]))
        box[2:] = np.maximum(box[2:], np.minimum(silhouette[2:], farthest[2:]))
    whole: Box = box.astype(np.float32)
    return whole


def head_corners(pose: Points, aspect: float) -> list[Points]:
    """Corners (2,) of the head of a pose (33, 3), see `head_around`; none where the head is not seen."""
    if pose[_HEAD, 2].mean() < _LEAST_CONFIDENCE:
        return []
    scale = np.array([aspect, 1.0])
    points = pose[:, :2] * scale
    corners = head_around(points[list(_EYES)], points[list(_MOUTH)].mean(0), points[list(_EARS)])
    return [(corner / scale).astype(np.float32) for corner in corners]


def head_around(
    eyes: NDArray[np.float64], mouth: NDArray[np.float64], ears: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The four corners (4, 2) of a head with hair. eyes, ears: (2, 2). mouth: (2,). All in one unit of length.

    A head's crown is about 1.5 times as far above the eyes as the mouth is below them (as in drawing manuals); hair
    takes more.
    """
    between_eyes = eyes.mean(0)
    upward = between_eyes - mouth
    height = float(np.linalg.norm(upward))
    # Seen from the side the eyes are near each other, from above the mouth is near the eyes: the largest is not fooled.
    widths = [float(np.linalg.norm(pair[0] - pair[1])) for pair in (eyes, ears)]
    unit = max(height, widths[0], widths[1] / 2, 1e-6)
    up = upward / max(height, 1e-6)
    across = np.array([-up[1], up[0]])
    # The ears lie about the middle of the head, whichever way it is turned.
    middle = across * float((ears.mean(0) - between_eyes) @ across)
    corners = []
    for base, rise in ((between_eyes, _CROWN), (mouth, -_CHIN)):
        for side in (-_TEMPLE, _TEMPLE):
            corners.append(base + middle + unit * (rise * up + side * across))
    return np.array(corners)


def suppress(
    boxes: Sequence[Box], scores: Sequence[float], most_iou: float = 0.5, most_inside: float = 0.75
) -> list[int]:
    """Indices of the boxes that remain, best first: greedy non-maximum suppression that also drops a box that lies
    inside a better one or mostly holds it (parts of one person seen in several tiles)."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(
            iou < most_iou and inside < most_inside for iou, inside in (overlap(boxes[index], boxes[k]) for k in kept)
        ):
            kept.append(index)
    return kept


def same_person(a: Points, b: Points, aspect: float, tolerance: float = 0.25) -> bool:
    """Whether two poses (33, 3) of one frame lie on one person: their nose, shoulders and hips are, in the median,
    closer than a share of the torso's size."""
    apart = np.linalg.norm((a[TORSO, :2] - b[TORSO, :2]) * [aspect, 1.0], axis=1)
    return float(np.median(apart)) < tolerance * max(extent(a, aspect), extent(b, aspect), 1e-6)


def moved(before: Points, now: Points, aspect: float) -> float:
    """How far the points that are seen in both of two poses (33, 3) of one person moved in the mean, in sizes of the
    torso. 0 where none is."""
    both = (before[:, 2] >= _SEEN) & (now[:, 2] >= _SEEN)
    if not both.any():
        return 0.0
    apart = np.linalg.norm((now[both, :2] - before[both, :2]) * [aspect, 1.0], axis=1)
    return float(apart.mean()) / max(extent(before, aspect), extent(now, aspect), 1e-6)


def extent(pose: Points, aspect: float) -> float:
    """Longer side of the box around the nose, shoulders and hips of a pose (33, 3), in frame heights."""
    return float(np.ptp(pose[TORSO, :2] * [aspect, 1.0], axis=0).max())


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of the stretches where the flag is set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def close_gaps(flags: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Set the unset stretches of at most `longest` items between set ones."""
    closed = flags.copy()
    for start, end in runs(~flags):
        if start > 0 and end < len(flags) and end - start <= longest:
            closed[start:end] = True
    return closed


def without_blinks(flags: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Close the gaps of at most `longest` items, then drop what is set for no longer than that."""
    steady = close_gaps(flags, longest)
    for start, end in runs(steady):
        if end - start <= longest:
            steady[start:end] = False
    return steady

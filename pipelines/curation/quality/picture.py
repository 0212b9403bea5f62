"""Scores of single pictures.

sharpness       variance of the Laplacian of the grey picture of the clip (Pech-Pacheco et al., 2000) at 128 pixels a
                side, so that only blur which is visible there counts; median over the frames
hand_sharpness, the same in the boxes of hands and face in the source, at most 64 pixels large; median over the looks
face_sharpness
brightness      mean luma of the person in [0, 1]
clipped         share of black (luma <= 4) or white (>= 251) points of the face and the hands, of the whole picture
                where neither is seen
blockiness      mean step between neighbouring pixels over the borders of 8x8 blocks, over the mean of the other steps
                (after Wang, Sheikh & Bovik, 2002); the grid may begin anywhere, bars are left out; 1 without
                blocks
quantiser       mean quantisation parameter of the picture's luma blocks as this file codes them, H.264 only; median
                over the looks. It says nothing of what was coded before
borders         share of the clip's window, as far as it lies in the frame, that is covered by letterbox bars
beyond          share of the clip's window that lies beyond the frame: the clip is filled there, and training leaves it
                out

The person is the convex hull of their seen body points and their head, and those of their hands.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.quality.track import SEEN
from pipelines.curation.tracking import Points, head_around

_PART_PX = 64
_SMALLEST_PART = 12
_BLACK, _WHITE = 4, 251
_BLOCK = 8
_LEAST_STEP = 0.5  # luma; in the dark the rounding of pixels would look like blocks
_FLAT = 3.0  # standard deviation of the luma along a line of a bar
_EDGE = 12.0  # by how much the picture differs from the bar where it begins, luma
_BLEND = 2  # pixels between a bar and the picture that are of neither
_THINNEST = 0.01  # of a bar, in sides of the frame
_LEAST_SKIN = 200  # pixels of face and hands by which exposure is judged
_NOSE_TO_MOUTH = 0.8  # in distances from the eyes to the nose
_NOSE, _EYES, _EARS, _SHOULDERS, _HIPS = (
    kp.BODY.index("nose"),
    *(
        tuple(kp.BODY.index(f"{side}_{part}") for side in ("left", "right"))
        for part in ("eye", "ear", "shoulder", "hip")
    ),
)
_MOUTH = tuple(kp.FACE_SLICE.start + kp.FACE.index(f"{side}_mouth_corner") for side in ("left", "right"))
Grey = NDArray[np.uint8]


def luma(frame: Frame) -> Grey:
    import cv2

    grey: Grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return grey


def sharpness(grey: Grey) -> float:
    import cv2

    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def part_sharpness(grey: Grey, keypoints: Points, part: str) -> float | None:
    """keypoints: (88, 3) in pixels of the picture. None where the part is not seen or smaller than 12 pixels."""
    import cv2

    height, width = grey.shape
    size = np.array([width, height, 1], np.float32)
    box = kp.part_box(keypoints / size, part, width / height)
    if box is None:
        return None
    x0, y0, x1, y1 = np.round(np.clip(box, 0, 1) * [width, height, width, height]).astype(int)
    if min(x1 - x0, y1 - y0) < _SMALLEST_PART:
        return None
    scale = min(1.0, _PART_PX / max(x1 - x0, y1 - y0))
    small = cv2.resize(grey[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return sharpness(small)


def person_mask(keypoints: Points, frame_size: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a person is, head with hair, trunk and hands included, as an array of this shape over the whole frame.

    Empty where less than 3 points are seen.

    keypoints: (88, 3) in pixels of a frame of `frame_size` (width, height).
    """
    import cv2

    mask = np.zeros(shape, np.uint8)
    body = keypoints[kp.BODY_SLICE]
    seen = body[:, 2] >= SEEN
    if seen[list(_SHOULDERS)].any():  # below the frame's edge hips are not seen, but the trunk goes on to them
        seen = seen.copy()
        seen[list(_HIPS)] = body[list(_HIPS), 2] > 0
    hulls = [np.concatenate([body[seen, :2], _head(keypoints)])]
    hulls += [part[part[:, 2] >= SEEN, :2] for part in (keypoints[kp.LEFT_HAND_SLICE], keypoints[kp.RIGHT_HAND_SLICE])]
    for points in hulls:
        if len(points) >= 3:
            scaled = np.round(points * (np.array(shape[::-1]) / frame_size)).astype(np.int32)
            cv2.fillConvexPoly(mask, cv2.convexHull(scaled), 1)
    return mask > 0


def _head(keypoints: Points) -> NDArray[np.float64]:
    """Corners (4, 2) of the head of keypoints (88, 3); (0, 2) where it is not seen."""
    eyes, ears, nose = keypoints[list(_EYES)], keypoints[list(_EARS)], keypoints[_NOSE]
    mouth = keypoints[list(_MOUTH)]
    if eyes[:, 2].mean() < SEEN:
        return np.zeros((0, 2))
    if mouth[:, 2].min() > 0:
        below = mouth[:, :2].mean(0)
    else:  # the nose lies a little beyond the middle between eyes and mouth
        below = nose[:2] + _NOSE_TO_MOUTH * (nose[:2] - eyes[:, :2].mean(0))
    return head_around(*(points.astype(np.float64) for points in (eyes[:, :2], below, ears[:, :2])))


def exposure(grey: Grey, keypoints: Points, inside: Grey) -> tuple[float, float] | None:
    """(brightness, clipped). keypoints: (88, 3) in pixels of the picture. inside: the picture without its bars.

    None where too little of the body is seen.
    """
    person = grey[person_mask(keypoints, grey.shape[1::-1], grey.shape)]
    if not len(person):
        return None
    skin = grey[skin_mask(keypoints, grey.shape)]
    # Trousers are black and shirts white by right; skin is not, and neither is a whole picture.
    judged = skin if len(skin) >= _LEAST_SKIN else inside
    return float(person.mean()) / 255, float(((judged <= _BLACK) | (judged >= _WHITE)).mean())


def skin_mask(keypoints: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the face and the hands are, as far as they are seen. keypoints: (88, 3) in pixels of a picture."""
    import cv2

    mask = np.zeros(shape, np.uint8)
    for part in (kp.LEFT_HAND_SLICE, kp.RIGHT_HAND_SLICE, kp.FACE_SLICE):
        points = keypoints[part]
        points = points[points[:, 2] >= SEEN, :2]
        if len(points) >= 3:
            cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return mask > 0


def blockiness(grey: Grey) -> float:
    """1.0 for a picture that is too small to tell."""
    ratios = []
    for steps in (np.abs(np.diff(grey.astype(np.int16), axis=axis)).mean(1 - axis) for axis in (0, 1)):
        if len(steps) < 4 * _BLOCK:
            return 1.0
        phases = np.array([steps[phase::_BLOCK].mean() for phase in range(_BLOCK)])
        best = int(phases.argmax())
        ratios.append(float(phases[best] / max(np.delete(phases, best).mean(), _LEAST_STEP)))
    return float(np.mean(ratios))


def bars(grey: Grey) -> NDArray[np.int64]:
    """(4,) thickness of the bars at the left, upper, right and lower edge, pixels.

    A bar is of one colour, and where it ends, more than half of the line differs from it: so a plain wall is none.
    """
    columns, rows = grey.T, grey
    return np.array([_bar(columns), _bar(rows), _bar(columns[::-1]), _bar(rows[::-1])])


def without_bars(grey: Grey, inset: NDArray[np.int64]) -> Grey:
    """The picture inside its bars and the line or two in which they blend into it. inset: from `bars`."""
    height, width = grey.shape
    left, top, right, bottom = np.where(inset > 0, inset + _BLEND, 0)
    return grey[top : height - bottom, left : width - right]


def _bar(lines: NDArray[np.uint8]) -> int:
    """Thickness of the bar with which the lines (n, m) begin."""
    flat = lines.std(1) < _FLAT
    level = float(lines[0].mean())
    flat &= np.abs(lines.mean(1) - level) < _FLAT
    count = len(flat) if flat.all() else int(flat.argmin())
    if count < max(2, _THINNEST * len(lines)) or count == len(lines):
        return 0
    beyond = lines[min(count + 1, len(lines) - 1)].astype(np.float64)
    return count if float((np.abs(beyond - level) > _EDGE).mean()) > 0.5 else 0


def share_beyond(corner: NDArray[np.int64], side: int, frame_size: tuple[int, int]) -> float:
    """Share of a square window that lies beyond the frame. corner: left upper, pixels."""
    inside = np.minimum(corner + side, frame_size) - np.maximum(corner, 0)
    return 1 - float(inside.clip(0).prod()) / side**2


def window_borders(
    inset: NDArray[np.int64], corner: NDArray[np.int64], side: int, frame_size: tuple[int, int]
) -> float:
    """Share of a square window inside the frame that bars cover. inset: from `bars`. corner: left upper, pixels."""
    size = np.array(frame_size)
    low, high = np.maximum(corner, 0), np.minimum(corner + side, size)
    inner = np.minimum(high, size - inset[2:]) - np.maximum(low, inset[:2])
    return 1 - float(inner.clip(0).prod() / max((high - low).clip(0).prod(), 1))

"""Draw keypoints on a frame, in one style for every picture that the project shows."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp

# Left is warm, right is cool, as in most anatomy plots; the face and the middle are neutral.
_LEFT, _RIGHT, _MIDDLE, _FACE = (255, 140, 40), (60, 160, 255), (245, 245, 245), (130, 240, 130)
_FACE_LINES = (
    (0, 2, 1, 3, 0),
    (4, 6, 5, 7, 4),
    (8, 9, 10),
    (11, 12, 13),
    (14, 15),
    (16, 18, 17, 21, 16),
    (16, 19, 17, 20, 16),
    (23, 22, 24),
)
_SHIFT = 4  # OpenCV takes coordinates in 1 / 2**_SHIFT pixels


def draw_keypoints(
    rgb: NDArray[np.uint8], keypoints: NDArray[np.float32], min_confidence: float = 0.3
) -> NDArray[np.uint8]:
    """A copy of an RGB picture (H,W,3) with the skeleton of one person on it.

    keypoints: (88, 3) in the project's schema. Points below `min_confidence` are left out.
    """
    import cv2

    picture = np.ascontiguousarray(rgb.copy())
    height, width = picture.shape[:2]
    points = np.round(keypoints[:, :2] * (width, height) * 2**_SHIFT).astype(int)
    seen = (keypoints[:, 2] >= min_confidence) & (np.abs(keypoints[:, :2]) < 4).all(1)
    thick = max(1, round(min(height, width) / 160))
    thin = max(1, thick // 2)

    def line(a: int, b: int, colour: tuple[int, int, int], width: int) -> None:
        if seen[a] and seen[b]:
            ends = (tuple(map(int, points[a])), tuple(map(int, points[b])))
            cv2.line(picture, *ends, colour, width, cv2.LINE_AA, _SHIFT)

    for a, b in kp.BODY_BONES:
        line(a, b, _side_colour(kp.BODY[a], kp.BODY[b]), thick)
    for part, colour in (("left_hand", _LEFT), ("right_hand", _RIGHT)):
        for a, b in kp.HAND_BONES:
            line(kp.PARTS[part].start + a, kp.PARTS[part].start + b, colour, thin)
    for path in _FACE_LINES:
        for a, b in pairwise(path):
            line(kp.FACE_SLICE.start + a, kp.FACE_SLICE.start + b, _FACE, thin)
    for index in np.flatnonzero(seen[kp.BODY_SLICE]):
        name = kp.BODY[index]
        radius = (thick + 1) * 2**_SHIFT
        cv2.circle(picture, tuple(map(int, points[index])), radius, _side_colour(name, name), -1, cv2.LINE_AA, _SHIFT)
    return picture


def _side_colour(first: str, second: str) -> tuple[int, int, int]:
    if first.startswith("left") and second.startswith("left"):
        return _LEFT
    if first.startswith("right") and second.startswith("right"):
        return _RIGHT
    return _MIDDLE

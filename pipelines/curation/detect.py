"""Find people in single frames, also small ones, in two ways that fail differently.

A pedestrian detector (MobileNetV2-SSDLite, 300x300) sees people from behind and at odd angles; MediaPipe's pose
detector sees upper bodies and close-ups; each misses many whom the other finds. Both shrink the frame to a small
square, so they look at square tiles along the frame's longer side, too. This module holds the first of the two, the
tiles and the geometry of crops.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Box, suppress

_INPUT_SIZE = 300
_GRIDS = (19, 10, 5, 3, 2, 1)
# The anchors and box coding of ssdlite_mobilenet_v2 in the TensorFlow Object Detection API (Liu et al., 2016).
_ASPECTS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
_VARIANCES = np.array([10.0, 10.0, 5.0, 5.0])


def views(width: int, height: int) -> list[Box]:
    """The whole frame and, where it is far from square, overlapping square tiles along its longer side."""
    found = [np.array([0, 0, 1, 1], np.float32)]
    short, long = min(width, height), max(width, height)
    if long >= 1.5 * short:
        count = max(2, int(np.ceil((long / short - 0.34) / 0.66)))
        for start in np.linspace(0, 1 - short / long, count):
            tile = [start, 0, start + short / long, 1] if width > height else [0, start, 1, start + short / long]
            found.append(np.array(tile, np.float32))
    return found


def square(centre: NDArray[np.float32], side: float, aspect: float) -> Box:
    """Square box (in pixels; aspect = frame width / height) with its side in frame heights."""
    half = np.array([side / aspect, side]) / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def place(points: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Points or corners (..., 2) given in shares of a box, in shares of the frame."""
    placed: NDArray[np.float32] = (box[:2] + points * (box[2:] - box[:2])).astype(np.float32)
    return placed


class PersonDetector:
    """model: the cut graph made by `models.ensure_models`. min_score: least confidence of a detection."""

    def __init__(self, model: Path, min_score: float) -> None:
        import cv2

        self._min_score = min_score
        self._net = cv2.dnn.readNetFromTensorflow(np.frombuffer(model.read_bytes(), np.uint8))
        self._outputs = self._net.getUnconnectedOutLayersNames()
        self._anchors = _anchors()

    def detect(self, frame: Frame) -> list[tuple[Box, float]]:
        """Boxes with scores in one RGB frame or tile, in shares of it."""
        import cv2

        small = cv2.resize(frame, (_INPUT_SIZE, _INPUT_SIZE), interpolation=cv2.INTER_AREA)
        self._net.setInput(np.ascontiguousarray((small / 127.5 - 1).astype(np.float32).transpose(2, 0, 1)[None]))
        # OpenCV names the outputs in another order than it gives them, but their shapes tell: per grid, from fine to
        # coarse, 2 channels of classes and 4 of box coding for each anchor.
        maps = sorted(self._net.forward(self._outputs), key=lambda m: (-m.shape[2], m.shape[1]))
        classes, codes = (
            np.concatenate([m[0].transpose(1, 2, 0).reshape(-1, depth) for m in maps[first::2]])
            for first, depth in ((0, 2), (1, 4))
        )
        scores = 1 / (1 + np.exp(-classes[:, 1]))
        likely = np.flatnonzero(scores >= self._min_score)
        boxes = list(_decode(codes[likely], self._anchors[likely]))
        likely_scores = [float(scores[i]) for i in likely]
        return [(boxes[i], likely_scores[i]) for i in suppress(boxes, likely_scores)]


def _anchors() -> NDArray[np.float64]:
    """(N, 4): centre x, y, width, height."""
    scales = [*np.linspace(0.2, 0.95, len(_GRIDS)), 1.0]
    found = []
    for level, grid in enumerate(_GRIDS):
        scale, following = scales[level], scales[level + 1]
        if level == 0:
            shapes = [(0.1, 0.1), *((scale * a**0.5, scale / a**0.5) for a in (2.0, 0.5))]
        else:
            shapes = [(scale * a**0.5, scale / a**0.5) for a in _ASPECTS] + [((scale * following) ** 0.5,) * 2]
        centres = (np.arange(grid) + 0.5) / grid
        anchors = np.empty((grid, grid, len(shapes), 4))
        anchors[..., 0], anchors[..., 1] = centres[None, :, None], centres[:, None, None]
        anchors[..., 2:] = np.array(shapes)
        found.append(anchors.reshape(-1, 4))
    return np.concatenate(found)


def _decode(codes: NDArray[np.float32], anchors: NDArray[np.float64]) -> NDArray[np.float32]:
    """codes: (N, 4) as (y, x, height, width) relative to the anchors. Returns (N, 4) corners, cut at the edges."""
    y, x, log_h, log_w = (codes / _VARIANCES).T
    centre = np.stack([x, y], 1) * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(np.stack([log_w, log_h], 1)) * anchors[:, 2:] / 2
    corners: NDArray[np.float32] = np.clip(np.concatenate([centre - half, centre + half], 1), 0, 1).astype(np.float32)
    return corners

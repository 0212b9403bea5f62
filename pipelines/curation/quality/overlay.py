"""Text and logos that lie over a video: subtitles, watermarks, captions.

overlay     share of the clip's window, as far as it lies in the frame, that shows lines of text at the same place of
            the frame in at least half of the looks; text on the person is clothing and does not count

Text is found by PP-OCRv4's detector (Liao et al., 2020, differentiable binarisation; Apache-2.0, from the wheel of
rapidocr-onnxruntime), run by OpenCV on frames with a longer side of `_SIDE` pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame

_SIDE = 480
_STRIDE = 32  # the network halves its input so often
_LIKELY = 0.3  # probability from which a pixel belongs to text, as in PP-OCR
_LONG, _FILLED, _THICKEST = (
    2.0,
    0.6,
    0.2,
)  # of a line of text: in its thicknesses, of its rectangle, in sides of the frame


class TextDetector:
    """model: the ONNX file that `models.ensure_models` fetches."""

    def __init__(self, model: Path) -> None:
        import cv2

        self._net = cv2.dnn.readNetFromONNX(str(model))

    def look(self, frame: Frame) -> NDArray[np.bool_]:
        """(h, w) where an RGB frame shows lines of text, at a longer side of about `_SIDE` pixels."""
        return lines_of_text(self.likely(frame))

    def likely(self, frame: Frame) -> NDArray[np.bool_]:
        """What the network takes for text, whatever its shape."""
        import cv2

        height, width = frame.shape[:2]
        scale = _SIDE / max(height, width)
        size = tuple(max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (width, height))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)[..., ::-1]
        self._net.setInput(((small.astype(np.float32) / 127.5) - 1).transpose(2, 0, 1)[None])
        likely: NDArray[np.bool_] = self._net.forward()[0, 0] > _LIKELY
        return likely


def lines_of_text(likely: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of a mask (h, w) has the shape of a line of text: long, filled, and not as thick as a thing of the picture.

    The detector also fires on teeth, eyes, fingers and patterns, in pieces that are round or torn.
    """
    import cv2

    lines = np.zeros(likely.shape, np.bool_)
    count, pieces, about, _ = cv2.connectedComponentsWithStats(likely.astype(np.uint8), connectivity=8)
    for piece in range(1, count):
        inside = pieces == piece
        outline, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        _, sides, _ = cv2.minAreaRect(outline[0])
        thick, length = sorted(side + 1 for side in sides)  # between the middles of pixels lies one less
        filled = about[piece, cv2.CC_STAT_AREA] / (thick * length)
        if length >= _LONG * thick and filled >= _FILLED and thick <= _THICKEST * min(likely.shape):
            lines |= inside
    return lines


def overlay(
    looks: Sequence[NDArray[np.bool_]], corners: NDArray[np.int64], side: int, frame_size: tuple[int, int]
) -> float:
    """looks: text masks of one shape. corners: (n, 2) left upper ones of the window in each look, frame pixels."""
    steady = np.mean(looks, axis=0) >= 0.5
    scale = np.array(steady.shape[::-1]) / frame_size
    shares = []
    for corner in corners:
        (x0, y0), (x1, y1) = (
            np.round(np.clip(edge, 0, frame_size) * scale).astype(int) for edge in (corner, corner + side)
        )
        inside = steady[y0:y1, x0:x1]
        shares.append(float(inside.mean()) if inside.size else 0.0)
    return float(np.mean(shares))

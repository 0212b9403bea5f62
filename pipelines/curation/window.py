"""The square window that a clip looks through: steady, around the person, the same size in every frame."""

import numpy as np
from numpy.typing import NDArray

_SMOOTHING_S = 0.5  # standard deviation of the Gaussian that steadies a window which follows
_STATIC_COST = 1.25  # a still window is taken while it is at most so much larger than a following one


def clip_window(
    boxes: NDArray[np.float64], fps: float, frame_size: tuple[int, int], margin: float
) -> tuple[NDArray[np.int64], int]:
    """Left upper corners (T, 2) and side, all in whole source pixels, of a window that holds every box.

    boxes: (T, 4) of the person in source pixels. frame_size: (width, height). margin: on every side, in sides of what
    is held; given up where it alone would make the window larger than the frame. Only where the person is larger than
    the frame's shorter side does the window reach beyond the frame.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    still = np.repeat(((low.min(0) + high.max(0)) / 2)[None], len(boxes), axis=0)
    following = _smooth((low + high) / 2, _SMOOTHING_S * fps)
    still_side, following_side = (_side(boxes, centre) for centre in (still, following))
    centre, held = (still, still_side) if still_side <= _STATIC_COST * following_side else (following, following_side)
    side = int(np.ceil(max(held, min(held * (1 + 2 * margin), *frame_size))))
    room = np.array(frame_size) - side
    corners = np.round(centre - side / 2).astype(np.int64)
    inside = np.clip(corners, 0, np.maximum(room, 0))
    return np.where(room >= 0, inside, room // 2), side


def shown_part(corner: NDArray[np.int64], side: int, frame_size: tuple[int, int]) -> list[float]:
    """What part of a window is the frame, [x0, y0, x1, y1] in shares of the window: the rest is filled.

    The same for all frames of a window, which leaves the frame only along an axis on which it is larger, and stands
    still there.
    """
    size = np.array(frame_size)
    inside = np.concatenate([np.maximum(-corner, 0), np.minimum(size - corner, side)]) / side
    return [round(float(edge), 6) for edge in inside]


def _side(boxes: NDArray[np.float64], centre: NDArray[np.float64]) -> float:
    """Side of the smallest square around these centres that holds every box."""
    return 2 * float(np.maximum(centre - boxes[:, :2], boxes[:, 2:] - centre).max())


def _smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian smoothing over the first axis, the ends held."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((radius, radius), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in range(values.shape[1])], axis=1)

"""Frames that only repeat the one before: stutter, freezes, and material that was slowed down.

repeated    share of a clip's frames that show the same picture as the one before, though the source has another frame
            there: a source of 12 frames per second has none, one of 24 that shows every picture twice has them
cadence     largest difference between two half seconds of the clip in their shares of repeated frames: where a speed
            is changed by repeating frames, or a picture freezes, the rate of new ones changes. Material that is sped up
            by leaving frames out shows no trace: it looks like a fast person.

Measured on the clip's frames at 128 pixels a side, where the limits were found. Two frames are the same when their mean
absolute difference is below 5 % of that between the clip's fastest frames (90th percentile), or below .02 grey levels:
a person who stands still breathes more than that, and so does camera noise.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SHARE = 0.05
_LEAST = 0.02
_HALF_SECOND = 0.5


def repeats(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """(T - 1,) whether each frame but the first repeats the one before. frames: T pictures of one shape."""
    change = np.array(
        [np.abs(a.astype(np.int16) - b).mean() for a, b in zip(frames[1:], frames[:-1], strict=True)], np.float64
    )
    if not len(change):
        return np.zeros(0, np.bool_)
    return change < max(_LEAST, _SHARE * float(np.quantile(change, 0.9)))


def repeated(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def cadence(flags: NDArray[np.bool_], fps: float) -> float:
    """0 for clips of less than a second, in which there is nothing to compare."""
    length = max(1, round(_HALF_SECOND * fps))
    if len(flags) < 2 * length:
        return 0.0
    shares = np.convolve(flags, np.ones(length) / length, mode="valid")
    return float(np.ptp(shares))

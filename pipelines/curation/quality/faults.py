"""Faults that come and go: frames out of focus, and frames held, end a clip where they begin.

A good span does not become bad by one bad second in it, nor the second good. Only what stands out within its span is
cut out: a span that is soft from end to end is judged as a whole.

blurred           frames whose sharpness is below the limit and below half of the span's upper quartile
repeated_frames   frames that repeat the one before (see `quality.repeats`)

Both count from `longest` frames in a row on: less is a blink, the motion blur of a fast step, or a stutter.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.quality.scores import Thresholds

_STANDS_OUT = 0.5


def faults(
    sharpness: NDArray[np.float64], repeats: NDArray[np.bool_], thresholds: Thresholds, longest: int
) -> list[str | None]:
    """The reason why each of T frames cannot be in a clip, None where it can.

    sharpness: (T,). repeats: (T - 1,) whether each frame but the first repeats the one before. longest: frames of a
    fault that are let pass.
    """
    found: list[str | None] = [None] * len(sharpness)
    if thresholds.max_repeated is not None:
        held = tracking.close_gaps(np.concatenate([[False], repeats]), 1)
        _mark(found, held, longest, "repeated_frames: for a while")
    if thresholds.min_sharpness is not None:
        least = min(thresholds.min_sharpness, _STANDS_OUT * float(np.quantile(sharpness, 0.75)))
        _mark(found, tracking.close_gaps(sharpness < least, longest), longest, "blurred: for a while")
    return found


def _mark(found: list[str | None], flags: NDArray[np.bool_], longest: int, reason: str) -> None:
    for first, after in tracking.runs(flags):
        if after - first > longest:
            found[first:after] = [reason] * (after - first)

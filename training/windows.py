"""The windows and reference frames of a sample: all there are, or a few that lie evenly over it."""

import numpy as np
from numpy.typing import NDArray

from pipelines.shards.read import SampleRef


def starts(ref: SampleRef, clip_stride: int, count: int, few: int) -> NDArray[np.int64]:
    """First frames of the windows of `count` frames; few: the most of them, 0 for all."""
    return _evenly(max(1, _length(ref) - _stride(ref, clip_stride, count) * (count - 1)), few)


def frames_from(ref: SampleRef, clip_stride: int, count: int, start: int) -> NDArray[np.int64]:
    """The frames (count,) of a window; a sample that is too short holds its last frame."""
    return np.minimum(start + _stride(ref, clip_stride, count) * np.arange(count), _length(ref) - 1)


def references(ref: SampleRef, few: int) -> NDArray[np.int64]:
    """Frames that may be the reference; few: the most of them, the last one first, 0 for all."""
    stored = int(ref.meta["frames"])
    return np.arange(stored) if few == 0 else stored - 1 - _evenly(stored, few)


def _length(ref: SampleRef) -> int:
    # The photo at the end of a pair is for reference only.
    return int(ref.meta["motion_frames" if ref.kind == "pair" else "frames"])


def _stride(ref: SampleRef, clip_stride: int, count: int) -> int:
    wanted = 1 if ref.kind == "pair" else clip_stride
    return max(1, min(wanted, (_length(ref) - 1) // max(1, count - 1)))


def _evenly(count: int, few: int) -> NDArray[np.int64]:
    if few == 0:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, few).round().astype(np.int64))

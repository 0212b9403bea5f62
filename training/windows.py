"""The windows and reference frames of a sample: all there are, or a few that lie evenly over it.

A pair is two takes of one person in one place: a motion, and a photo in a pose of its own. The photo is the reference
of the motion, so that a model never sees a reference that is half of the answer; it is no target, since nothing tells
where in a frame of the motion its places are.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.shards.read import SampleRef


def starts(ref: SampleRef, clip_stride: int, count: int, few: int) -> NDArray[np.int64]:
    """First frames of the windows of `count` frames; few: the most of them, 0 for all."""
    return _evenly(max(1, _moving(ref) - _stride(ref, clip_stride, count) * (count - 1)), few)


def frames_from(ref: SampleRef, clip_stride: int, count: int, start: int) -> NDArray[np.int64]:
    """The frames (count,) of a window, or of a reference, which is one of one frame; a sample that is too short holds
    its last frame."""
    if count == 1:
        return np.array([start])
    return np.minimum(start + _stride(ref, clip_stride, count) * np.arange(count), _moving(ref) - 1)


def references(ref: SampleRef, few: int) -> NDArray[np.int64]:
    """Frames that may be the reference: a pair's photo, all of a clip; few: the most of them, the last one first, 0 for
    all."""
    stored = int(ref.meta["frames"])
    return np.array([stored - 1]) if ref.kind == "pair" else stored - 1 - _evenly(stored, few)


def _moving(ref: SampleRef) -> int:
    """Frames of the video; a photo behind it is none."""
    return int(ref.meta["motion_frames" if ref.kind == "pair" else "frames"])


def _stride(ref: SampleRef, clip_stride: int, count: int) -> int:
    wanted = 1 if ref.kind == "pair" else clip_stride
    return max(1, min(wanted, (_moving(ref) - 1) // max(1, count - 1)))


def _evenly(count: int, few: int) -> NDArray[np.int64]:
    if few == 0:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, few).round().astype(np.int64))

"""A person's track as the stage `people` publishes it, read back in pixels of the source."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.tracking import Points
from pipelines.curation.whole_body import keypoints_of


@dataclass(frozen=True)
class Track:
    """A track with all lengths in source pixels: times (T,), boxes (T,4), keypoints (T,88,3), seen (T,4)."""

    times: NDArray[np.float64]
    boxes: NDArray[np.float64]
    keypoints: Points
    seen: NDArray[np.bool_]


def load_track(path: Path, width: int, height: int) -> Track:
    """width, height: of the source, pixels."""
    with np.load(path, allow_pickle=False) as arrays:
        keypoints = keypoints_of(arrays["landmarks"]) * np.array([width, height, 1], np.float32)
        return Track(arrays["times"], arrays["boxes"] * np.tile([width, height], 2), keypoints, arrays["seen"])

"""Which of the copies of a recording stays."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.engine import Row

Copy = tuple[int, float, bool, float]
MATCH = np.dtype([("one", "i8"), ("other", "i8"), ("offset_s", "f8"), ("agreement", "f8"), ("mirrored", "?")])
_STEP = math.log(1.1)  # people whose sizes differ by less are taken to be equally large


def rank(clip: Row) -> tuple[float, float, float, str]:
    """Sorts the better clip first: the larger person in the source, then the longer, the sharper, the lower id."""
    size = -round(math.log(max(clip["person_px"], 1.0)) / _STEP)
    return size, -round(clip["seconds"], 1), -(clip["sharpness"] or 0.0), clip["id"]


def originals(clips: Sequence[Row], matches: NDArray[np.void]) -> list[Copy | None]:
    """For each clip that is a copy (index of the kept clip, offset in s, mirrored, agreement); None for those kept.

    Clips are taken from the best to the worst; one that matches a kept clip is its copy. So every copy has a kept clip
    that shows the same, a clip that only matches copies is kept, and clips without a match change nothing.
    """
    neighbours: dict[int, list[Copy]] = defaultdict(list)
    for match in matches:
        one, other, offset, agreement, mirrored = match.tolist()
        neighbours[one].append((other, 0.0 - offset, mirrored, agreement))
        neighbours[other].append((one, offset, mirrored, agreement))
    found: list[Copy | None] = [None] * len(clips)
    place = {index: number for number, index in enumerate(sorted(neighbours, key=lambda i: rank(clips[i])))}
    kept: set[int] = set()
    for index in place:
        originals = [copy for copy in neighbours[index] if copy[0] in kept]
        if originals:
            found[index] = min(originals, key=lambda copy: (-copy[3], place[copy[0]], copy[2]))
        else:
            kept.add(index)
    return found

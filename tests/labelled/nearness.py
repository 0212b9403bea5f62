"""When people are surely too near to each other for a clip of one of them, and when they surely are not."""

import numpy as np
from numpy.typing import NDArray

from tests.labelled.footage import CODE, KEPT, UNCLEAR, Floats

_MARGIN = 0.1  # around a person's square, in sides of their box, as a clip has it
# What others' boxes cover of that square, in areas of the person's own box, and share of a person's pixels that another
# hides: nobody would mind below the first, everybody above the second.
_INTRUSION = (0.25, 0.6)
_HIDDEN = (0.02, 0.12)


def several_people(boxes: Floats, hidden: Floats) -> NDArray[np.str_]:
    """(T, P) `KEPT`, `UNCLEAR` or "several_people".

    boxes: (T, P, 4) pixels. hidden: (T, P, Q) share of P's pixels that Q hides. Who hides somebody is as hard to tell
    apart from them as who is hidden.
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    side = (high - low).max(2, keepdims=True) * (1 + 2 * _MARGIN)
    squares = np.concatenate([(low + high - side) / 2, (low + high + side) / 2], axis=2)
    both = np.minimum(squares[:, :, None, 2:], high[:, None]) - np.maximum(squares[:, :, None, :2], low[:, None])
    covered = both.clip(0).prod(3) / np.maximum((high - low).prod(2), 1)[:, :, None]
    others = ~np.eye(boxes.shape[1], dtype=bool)
    intrusion = (covered * others).sum(2)
    mixed = np.maximum(hidden, hidden.transpose(0, 2, 1)).max(2, initial=0)
    result = np.full(intrusion.shape, KEPT, CODE)
    result[(intrusion > _INTRUSION[0]) | (mixed > _HIDDEN[0])] = UNCLEAR
    result[(intrusion > _INTRUSION[1]) | (mixed > _HIDDEN[1])] = "several_people"
    return result

"""A picture of the people in photos and videos with their numbers, so that one of them can be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.curation.decode import Frame, bounded_size
from pipelines.curation.watch import View, resize_to

_LONGEST, _CAPTION = 960, 32  # pixels
_COLOURS = ((255, 176, 0), (0, 158, 255), (255, 90, 90), (0, 200, 120), (200, 110, 255), (255, 255, 80))


@dataclass(frozen=True)
class Shown:
    """frame: (H, W, 3). caption: what it is a frame of."""

    caption: str
    frame: Frame
    view: View


def numbered(shown: Sequence[Shown]) -> Frame:
    """All of them below each other, (H, W, 3)."""
    rows = [_row(one) for one in shown]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])


def _row(shown: Shown) -> Frame:
    import cv2

    height, width = shown.frame.shape[:2]
    picture = resize_to(shown.frame, bounded_size(width, height, _LONGEST))
    size = np.tile(picture.shape[1::-1], 2)
    for sight in shown.view.sights:
        colour = _COLOURS[(sight.number - 1) % len(_COLOURS)]
        x0, y0, x1, y1 = (int(value) for value in np.round(sight.box * size))
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2)
        place = (max(0, x0) + 6, max(0, y0) + 30)
        for ink, thickness in (((0, 0, 0), 6), (colour, 2)):
            cv2.putText(picture, str(sight.number), place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, ink, thickness)
    caption = np.zeros((_CAPTION, picture.shape[1], 3), np.uint8)
    cv2.putText(caption, shown.caption, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1)
    return np.concatenate([caption, picture])

"""What floors and walls are made of: patterns over the metres of a plane, drawn from formulas (no pictures are used).

A pattern gives a factor of the plane's colour. It fades where a pixel covers more than a piece of it, as a lens and a
sensor would average it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import Floats

Values = NDArray[np.floating]
Detail = Callable[[Floats, Floats], Values]


def factor(pattern: str, u: Floats, v: Floats, noise: Floats, pixel: Floats) -> Floats:
    """Factor (N,) of the colour at metres (u, v) of a plane; v is up on walls. pixel (N,): metres per pixel there."""
    soft = 1 + 0.06 * noise
    if pattern == "plain":
        return np.asarray(soft, np.float32)
    piece, detail = _DETAILS[pattern]
    keep = np.clip(1.6 - 2 * pixel / piece, 0, 1)
    return np.asarray(soft + keep * detail(u, v), np.float32)


def _boards(u: Floats, v: Floats) -> Values:
    row = np.floor(u / 0.14)
    ends = ((v / 1.1 + 0.37 * row) % 1) < 0.006
    gaps = ((u / 0.14) % 1 < 0.04) | ends
    return np.asarray(0.12 * np.sin(17.3 * row) - 0.28 * gaps + 0.03 * np.sin(60 * u + 3 * np.sin(2 * v)))


def _squares(side: float, contrast: float) -> Detail:
    def detail(u: Floats, v: Floats) -> Values:
        joint = ((u / side) % 1 < 0.025) | ((v / side) % 1 < 0.025)
        column, row = np.floor(u / side), np.floor(v / side)
        return np.asarray(
            contrast * ((column + row) % 2 - 0.5) - 0.22 * joint + 0.05 * np.sin(12.9 * column + 7.1 * row)
        )

    return detail


def _rough(strength: float, waves: float) -> Detail:
    def detail(u: Floats, v: Floats) -> Values:
        grain = _hash(127.1 * np.floor(u / 0.02) + 311.7 * np.floor(v / 0.02))
        return np.asarray(strength * (2 * grain - 1) + waves * np.sin(5 * u + 4 * np.sin(3 * v)))

    return detail


def _panels(u: Floats, v: Floats) -> Values:
    return np.asarray(-0.3 * ((u / 0.9) % 1 < 0.02) - 0.14 * (v < 0.9) - 0.2 * (np.abs(v - 0.9) < 0.02))


def _stripes(u: Floats, _: Floats) -> Values:
    return np.asarray(-0.15 * ((u / 0.24) % 1 < 0.5))


def _bricks(u: Floats, v: Floats) -> Values:
    course = np.floor(v / 0.09)
    along = (u + 0.12 * (course % 2)) / 0.24
    joint = ((v / 0.09) % 1 < 0.13) | (along % 1 < 0.05)
    return np.asarray(0.16 * joint + 0.06 * np.sin(12.9 * course + 7.1 * np.floor(along)))


def _paper(u: Floats, v: Floats) -> Values:
    return np.asarray(0.1 * np.sin(20 * u) * np.sin(20 * v))


def _facade(u: Floats, v: Floats) -> Values:
    inside = (np.abs((u / 2.4) % 1 - 0.5) < 0.26) & (np.abs((v / 3.0) % 1 - 0.5) < 0.27)
    glass = 0.3 * np.sin(9.1 * np.floor(u / 2.4) + 5.3 * np.floor(v / 3.0)) - 0.35
    return np.asarray(np.where(inside, glass, 0.0) - 0.12 * ((v / 3.0) % 1 < 0.03))


def _shelves(u: Floats, v: Floats) -> Values:
    """Books of random height and tone between boards."""
    shelf = np.floor(v / 0.36)
    tone = _hash(12.9 * np.floor(u / 0.045 + 2 * np.sin(3 * shelf)) + 78.2 * shelf)
    board, empty = (v / 0.36) % 1 < 0.07, (v / 0.36) % 1 > 0.6 + 0.35 * tone
    return np.asarray(np.where(board, 0.1, np.where(empty, -0.55, 0.7 * tone - 0.35)))


def _hash(values: Floats) -> Values:
    return np.asarray((np.sin(values) * 43758.5) % 1)


# Each pattern with the metres of its smallest piece.
_DETAILS: dict[str, tuple[float, Detail]] = {
    "boards": (0.14, _boards),
    "tiles": (0.4, _squares(0.4, 0.16)),
    "slabs": (0.6, _squares(0.6, 0.0)),
    "carpet": (0.045, _rough(0.07, 0.0)),
    "asphalt": (0.05, _rough(0.12, 0.0)),
    "grass": (0.05, _rough(0.2, 0.12)),
    "panels": (0.1, _panels),
    "stripes": (0.24, _stripes),
    "bricks": (0.09, _bricks),
    "paper": (0.3, _paper),
    "facade": (0.8, _facade),
    "shelves": (0.1, _shelves),
}

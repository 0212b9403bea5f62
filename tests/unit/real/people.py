"""A labelled person, drawn by numbers, for the tests beside this file."""

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from tests.real.labels import Person

_PLACES = {
    "nose": (50, 10),
    "left_shoulder": (60, 25),
    "right_shoulder": (40, 25),
    "left_wrist": (80, 50),
    "right_wrist": (20, 50),
    "left_hip": (56, 55),
    "right_hip": (44, 55),
    "left_ankle": (58, 98),
    "right_ankle": (42, 98),
}


def pose(left: float = 0.0, top: float = 0.0, size: float = 100.0) -> NDArray[np.float32]:
    """(88, 3): a body in a box of this size that faces the camera."""
    points = np.zeros((kp.COUNT, 3), np.float32)
    for name, (x, y) in _PLACES.items():
        points[kp.BODY.index(name)] = left + x * size / 100, top + y * size / 100, 1
    return points


def person(left: float = 0.0, top: float = 0.0, size: float = 100.0, **parts: tuple[float, ...]) -> Person:
    box = np.array([left, top, left + size, top + size])
    return Person(box, pose(left, top, size), {name: np.array(part, np.float64) for name, part in parts.items()})

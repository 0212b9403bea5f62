"""543 names, and the 88 of the project among them."""

import re

import numpy as np

from pipelines import keypoints as kp
from pipelines.curation import whole_body as wb


def test_every_point_has_one_name() -> None:
    assert wb.COUNT == len(set(wb.NAMES)) == 543
    stops = [part.stop for part in (wb.POSE, wb.LEFT_HAND, wb.RIGHT_HAND, wb.FACE)]
    starts = [part.start for part in (wb.POSE, wb.LEFT_HAND, wb.RIGHT_HAND, wb.FACE)]
    assert starts == [0, *stops[:-1]]
    assert stops[-1] == 543


def test_the_keypoints_are_the_points_of_the_same_names() -> None:
    landmarks = np.zeros((2, 543, 3), np.float32)
    landmarks[..., 0] = np.arange(543)
    found = wb.keypoints_of(landmarks)
    assert found.shape == (2, kp.COUNT, 3)
    taken = [wb.NAMES[int(index)] for index in found[0, :, 0]]
    for ours, theirs in zip(kp.NAMES, taken, strict=True):
        kind, _, name = ours.rpartition(".")
        if kind == "face":
            assert re.fullmatch(rf"face\.\d\d\d_{name}", theirs)
        elif kind == "hand":
            assert theirs == ours
        else:
            assert theirs == "pose." + name.replace("toe", "foot_index")

"""The skeleton lands where the points are, and unsure points are left out."""

import numpy as np

from pipelines import keypoints as kp
from pipelines.report.draw import draw_keypoints


def test_points_are_drawn_where_they_are() -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    keypoints[kp.BODY.index("left_elbow")] = (0.25, 0.5, 0.9)
    keypoints[kp.BODY.index("left_wrist")] = (0.75, 0.5, 0.9)
    drawn = draw_keypoints(picture, keypoints)
    ys, xs = np.nonzero(drawn.any(2))
    assert ys.min() >= 55
    assert ys.max() <= 65
    assert xs.min() <= 40
    assert xs.max() >= 119
    assert not picture.any()


def test_unsure_and_far_points_are_left_out() -> None:
    keypoints = np.full((kp.COUNT, 3), 0.5, np.float32)
    keypoints[:, 2] = 0.1
    keypoints[:5] = (1e9, -1e9, 1.0)
    assert not draw_keypoints(np.zeros((40, 40, 3), np.uint8), keypoints).any()

"""A driver's keypoints, as they are used."""

import numpy as np

from pipelines.curation.watch import with_hands_between
from pipelines.keypoints import BODY, COUNT, PARTS

FPS, HAND, WRIST = 20.0, PARTS["left_hand"], BODY.index("left_wrist")


def test_a_hand_that_is_lost_for_a_moment_goes_with_its_wrist() -> None:
    points = np.ones((30, COUNT, 3), np.float32)
    points[:, WRIST, 0] = np.linspace(0, 0.29, 30)
    points[:, HAND, 0] = points[:, WRIST, None, 0] + np.linspace(0.1, 0.2, 30)[:, None]
    whole = points.copy()
    points[5:12, HAND] = 0
    points[15:29, HAND] = 0  # .75 s: it has gone
    found = with_hands_between(points, FPS)
    assert np.allclose(found[:15], whole[:15], atol=1e-6)
    assert (found[15:29, HAND] == 0).all()
    assert np.array_equal(found[:, PARTS["right_hand"]], points[:, PARTS["right_hand"]])


def test_hands_before_the_first_and_after_the_last_find_are_not_made_up() -> None:
    points = np.ones((9, COUNT, 3), np.float32)
    points[:2, HAND] = 0
    points[-2:, HAND] = 0
    assert np.array_equal(with_hands_between(points, FPS), points)

"""The scores are what one counts by hand, and fall with every kind of error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints as kp
from tests.labelled import score
from tests.labelled.score import Agreement, Floats

BOX = np.array([0.0, 0.0, 10.0, 20.0])


def person() -> Floats:
    """All points visible, anywhere within 20 px; the right hand about 100 px beside the left one."""
    points = np.ones((kp.COUNT, 3))
    points[:, :2] = np.random.default_rng(1).uniform(0, 20, (kp.COUNT, 2))
    points[kp.RIGHT_HAND_SLICE, 0] += 100
    return points


def test_precision_recall_and_f1_of_counts() -> None:
    found = Agreement(3, 1, 2)
    assert (found.precision, found.recall, found.f1) == (0.75, 0.6, pytest.approx(2 / 3))
    assert Agreement().f1 == Agreement().precision == Agreement().recall == 1
    assert Agreement(false=1).f1 == Agreement(missed=1).f1 == 0
    assert Agreement(1, 2, 3) + Agreement(1, 1, 1) == Agreement(2, 3, 4)


def test_cuts_agree_within_the_tolerance_and_each_once() -> None:
    assert score.cuts([10, 52], [12, 50], 2) == Agreement(2, 0, 0)
    assert score.cuts([10], [13], 2) == Agreement(0, 1, 1)
    assert score.cuts([10, 11], [11], 2) == Agreement(1, 1, 0)
    assert score.cuts([12, 13], [10, 12], 2) == Agreement(2, 0, 0)


@given(st.sets(st.integers(0, 60), max_size=8), st.sets(st.integers(0, 60), max_size=8), st.integers(0, 4))
def test_no_pairing_of_cuts_is_larger(found: set[int], true: set[int], tolerance: int) -> None:
    from scipy.optimize import linear_sum_assignment

    near = np.array([[abs(f - t) <= tolerance for t in true] for f in found]).reshape(len(found), len(true))
    rows, columns = linear_sum_assignment(near, maximize=True)
    assert score.cuts(sorted(found), sorted(true), tolerance).right == near[rows, columns].sum()


def test_people_are_counted_frame_by_frame() -> None:
    assert score.exact_share([1, 2, 3, 0], [1, 2, 2, 0]) == 0.75
    with pytest.raises(ValueError, match="1 frames were counted, 2 are labelled"):
        score.exact_share([1], [1, 1])


def test_boxes_are_paired_by_their_overlap() -> None:
    far, shifted = BOX + 100, BOX + np.array([1, 0, 1, 0])
    assert score.iou(BOX, shifted) == pytest.approx(9 / 11)
    assert score.match([shifted, far], [far, BOX]) == [(0, 1), (1, 0)]
    assert score.match([BOX + np.array([8, 0, 8, 0])], [BOX]) == []
    assert score.match([], [BOX]) == []


def test_a_point_is_right_within_a_share_of_the_person() -> None:
    true = person()
    found = true.copy()
    found[0, 0] += 9.9
    found[1, 0] += 10.1
    found[2, 2] = 0
    true[3, 2] = 0
    assert score.right_points(found, true, size=100) == (18, 20)


def test_hands_on_the_other_arm_are_swapped() -> None:
    true = person()
    crossed = true.copy()
    crossed[kp.LEFT_HAND_SLICE], crossed[kp.RIGHT_HAND_SLICE] = true[kp.RIGHT_HAND_SLICE], true[kp.LEFT_HAND_SLICE]
    one = true.copy()
    one[kp.LEFT_HAND_SLICE] = true[kp.RIGHT_HAND_SLICE]
    assert score.swapped_hands(true, true) is False
    assert score.swapped_hands(crossed, true) is True
    assert score.swapped_hands(one, true) is True
    together = true.copy()
    together[kp.RIGHT_HAND_SLICE] = true[kp.LEFT_HAND_SLICE]
    assert score.swapped_hands(true, together) is None
    unseen = true.copy()
    unseen[kp.LEFT_HAND_SLICE.start : kp.RIGHT_HAND_SLICE.stop, 2] = 0
    assert score.swapped_hands(unseen, true) is None


def test_rejections_are_weighed_and_told_apart_by_reason() -> None:
    found = ["blurred: 3 of 40", None, "dark", "dark", None]
    true = ["blurred", "dark", "dark", None, None]
    assert score.rejections(found, true, 0.5) == Agreement(1.0, 0.5, 0.5)
    table = score.confusion(found, true, 0.5)
    assert table == {
        ("blurred", "blurred"): 0.5,
        ("dark", "dark"): 0.5,
        ("dark", "kept"): 0.5,
        ("kept", "dark"): 0.5,
        ("kept", "kept"): 0.5,
    }
    assert score.per_reason(table)["dark"] == Agreement(0.5, 0.5, 0.5)


def test_duplicates_are_compared_by_pairs() -> None:
    assert score.same_sets([["a", "b", "c"]], [["a", "b"], ["c", "d"]]) == Agreement(1, 2, 1)
    assert score.same_sets([], [["a"]]) == Agreement()

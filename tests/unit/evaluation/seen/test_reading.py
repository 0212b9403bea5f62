import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.evaluation.seen.reading import NOBODY, Reading, point_figures, silhouette_iou

SIDE = 200
MASK = np.zeros((SIDE, SIDE), np.bool_)
MASK[50:150, 50:150] = True


def points(parts: tuple[str, ...], shift: float = 0.0) -> np.ndarray:
    """The parts in the middle of the picture; the others are not known."""
    found = np.zeros((kp.COUNT, 3), np.float32)
    for part in parts:
        found[kp.PARTS[part]] = (0.5 + shift, 0.5, 1)
    return found


def read(parts: tuple[str, ...], shift: float = 0.0) -> Reading:
    return Reading(points(parts, shift), MASK)


def test_figures_are_pixels_of_what_is_truly_visible() -> None:
    truth = points(("body",))
    truth[5:21, 2] = 0  # hidden
    reading = read(("body",), 0.05)
    reading.keypoints[5:21, :2] = 0.9
    figures = point_figures([reading], [read(("body",))], truth[None], SIDE)
    assert figures["body_px"] == pytest.approx(10)
    assert figures["body_median_px"] == pytest.approx(10)
    assert figures["body_found"] == 1


def test_who_is_not_found_counts_as_a_quarter_of_the_picture_away() -> None:
    truth = np.stack([points(("body",))] * 2)
    outputs = [NOBODY, read(("body",), 0.05)]
    figures = point_figures(outputs, [read(("body",))] * 2, truth, SIDE)
    assert figures["body_found"] == 0.5
    assert figures["body_px"] == pytest.approx((50 + 10) / 2)


def test_nothing_is_worse_than_not_being_found() -> None:
    figures = point_figures([read(("body",), 0.4)], [read(("body",))], points(("body",))[None], SIDE)
    assert figures["body_px"] == pytest.approx(50)


def test_what_cannot_be_read_in_truth_is_not_judged() -> None:
    truth = points(("body", "face", "left_hand", "right_hand"))[None]
    figures = point_figures([NOBODY], [read(("body", "left_hand"))], truth, SIDE)
    assert figures["face_px"] is None
    assert figures["face_found"] is None
    assert figures["hands_px"] == pytest.approx(50)
    outside = truth.copy()
    outside[..., 0] = 1.2
    assert point_figures([NOBODY], [read(("body",))], outside, SIDE)["body_px"] is None


def test_each_hand_counts() -> None:
    hands = ("left_hand", "right_hand")
    reading = read(("left_hand",), 0.05)
    figures = point_figures([reading], [read(hands)], points(hands)[None], SIDE)
    assert figures["hands_found"] == 0.5
    assert figures["hands_px"] == pytest.approx((10 + 50) / 2)


def test_the_silhouette_is_judged_where_the_truth_shows_one() -> None:
    half = MASK.copy()
    half[100:] = False
    masks = np.stack([MASK] * 3)
    outputs = [Reading(points(("body",)), half), NOBODY, read(("body",))]
    of_truth = [read(("body",)), read(("body",)), NOBODY]
    assert silhouette_iou(outputs, of_truth, masks) == pytest.approx((0.5 + 0) / 2)
    assert silhouette_iou(outputs, [NOBODY] * 3, masks) is None

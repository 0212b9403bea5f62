"""The steps between BlazePose's two networks; what the networks find is held in tests/integration."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.curation.networks.pose import (
    BlazePose,
    Detection,
    Outline,
    _anchors,
    _box_of_mask,
    _clarity,
    _merged,
    _refined,
    _region_of,
)
from pipelines.curation.networks.region import Region, cut_region
from pipelines.errors import UsageError


def detection(x: float, score: float) -> Detection:
    return Detection(np.array([x, 0.2, x + 0.2, 0.4]), np.full((4, 2), x), score)


def test_there_is_an_anchor_for_each_code_of_the_detector() -> None:
    anchors = _anchors()
    assert anchors.shape == (2254, 2)
    assert anchors[0].tolist() == [0.5 / 28, 0.5 / 28]
    assert anchors[-1].tolist() == [6.5 / 7, 6.5 / 7]


def test_detections_of_one_person_are_averaged_by_their_scores() -> None:
    people = _merged([detection(0.1, 0.6), detection(0.7, 0.9), detection(0.14, 0.8)])
    assert [one.score for one in people] == [0.9, 0.8]
    assert people[1].points[0, 0] == pytest.approx((0.6 * 0.1 + 0.8 * 0.14) / 1.4)


def test_the_square_of_somebody_upright_is_upright() -> None:
    region = _region_of(np.array([50, 60], np.float32), np.array([50, 20], np.float32))
    assert (region.side, region.angle) == (pytest.approx(100), pytest.approx(0))
    lying = _region_of(np.array([50, 60], np.float32), np.array([90, 60], np.float32))
    assert lying.angle == pytest.approx(np.pi / 2)


def test_a_point_moves_to_the_middle_of_its_heat() -> None:
    heat = np.full((64, 64, 39), -20.0, np.float32)
    heat[31:33, 41:43, 0] = 8
    heat[10, 10, 1] = -1  # too weak to say anything
    places = np.full((39, 2), 0.16, np.float32)
    places[0] = [0.63, 0.5]
    refined = _refined(places, heat)
    assert refined[0] == pytest.approx([41.5 / 64, 31.5 / 64], abs=1e-4)
    np.testing.assert_array_equal(refined[1:], places[1:])


def test_a_pose_between_two_people_is_not_clear() -> None:
    heat = np.full((64, 64, 39), -20.0, np.float32)
    heat[20, 10], heat[20, 50] = 8, 8
    one = np.tile(np.array([10.5 / 64, 20.5 / 64], np.float32), (33, 1))
    mixed = np.tile(np.array([30.5 / 64, 20.5 / 64], np.float32), (33, 1))
    within = np.full((33, 2), 0.5, np.float32)
    assert _clarity(one, within, heat) == pytest.approx(1, abs=0.01)
    assert _clarity(mixed, within, heat) == pytest.approx(0, abs=0.01)
    # What lies beyond the frame is a guess that says nothing.
    legs = np.concatenate([one[:23], mixed[23:]])
    cut = np.concatenate([within[:23], within[23:] + 1])
    assert _clarity(legs, within, heat) == pytest.approx(7 / 13, abs=0.01)
    assert _clarity(legs, cut, heat) == pytest.approx(1, abs=0.01)
    assert _clarity(one, within + 1, heat) == 0


def test_the_silhouette_ends_at_the_frame_and_is_in_one_piece() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    cut = cut_region(frame, Region(np.array([100, 80], np.float32), 128.0, 0.0), 256)
    mask = np.full((256, 256), -5.0, np.float32)
    mask[60:256, 100:150] = 5  # down through the frame's lower edge ...
    mask[220:256, :] = 5  # ... below which it leaks to both sides
    mask[10:14, 10:14] = 5  # a speck
    box = _box_of_mask(mask, cut, np.array([200, 100], np.float32))
    assert box is not None
    assert box == pytest.approx([(36 + 50) / 200, (16 + 30) / 100, (36 + 75) / 200, 1.0], abs=0.01)
    assert _box_of_mask(np.full((256, 256), -5.0, np.float32), cut, np.array([200, 100], np.float32)) is None


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pose.task").write_text("nothing")
    with pytest.raises(UsageError, match="is no pose bundle of MediaPipe"):
        BlazePose(tmp_path / "pose.task", 0.5)


def test_an_outline_lies_where_the_person_was_cut_out() -> None:
    """The cut is turned by a quarter."""
    frame = np.zeros((100, 200, 3), np.uint8)
    cut = cut_region(frame, Region(np.array([160, 50], np.float32), 64.0, np.pi / 2), 256)
    logits = np.full((256, 256), -5.0, np.float32)
    logits[:128] = 5  # the upper half of the cut is the right half of the region
    mask = Outline(logits, cut).mask(frame)
    rows, columns = np.nonzero(mask)
    assert mask.shape == (100, 200)
    assert (rows.min(), rows.max()) == (pytest.approx(18, abs=1), pytest.approx(81, abs=1))
    assert (columns.min(), columns.max()) == (pytest.approx(160, abs=1), pytest.approx(191, abs=1))

"""The geometry of boxes and poses."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.tracking import box_of_pose, close_gaps, grow, overlap, runs, same_person, suppress


def box(*corners: float) -> np.ndarray:
    return np.array(corners, np.float32)


def standing(x: float) -> np.ndarray:
    pose = np.zeros((33, 3), np.float32)
    pose[:, 0] = x + np.linspace(-0.05, 0.05, 33)
    pose[:, 1] = np.linspace(0.2, 0.9, 33)
    pose[:, 2] = 0.9
    return pose


def test_overlap() -> None:
    assert overlap(box(0, 0, 1, 1), box(0, 0, 0.5, 1)) == (0.5, 1.0)
    assert overlap(box(0, 0, 0.4, 1), box(0.5, 0, 1, 1)) == (0.0, 0.0)


def test_suppress_keeps_the_best_and_the_apart() -> None:
    boxes = [box(0, 0, 0.5, 1), box(0.05, 0, 0.55, 1), box(0.1, 0.1, 0.3, 0.3), box(0.6, 0, 1, 1)]
    assert suppress(boxes, [0.5, 0.9, 0.4, 0.6]) == [1, 3]


def test_grow_is_square_in_pixels_and_stays_inside() -> None:
    np.testing.assert_allclose(grow(box(0.4, 0.4, 0.6, 0.6), 0.5, aspect=2.0), [0.3, 0.2, 0.7, 0.8], atol=1e-6)
    assert grow(box(0, 0, 1, 1), 0.5, aspect=2.0).tolist() == [0, 0, 1, 1]


def test_a_pose_without_visible_points_has_no_box() -> None:
    pose = standing(0.5)
    assert box_of_pose(pose, 1.0) is not None
    pose[3:, 2] = 0.0
    assert box_of_pose(pose, 1.0) is None
    away = standing(3.0)
    assert box_of_pose(away, 1.0) is None


def test_same_person() -> None:
    assert same_person(standing(0.5), standing(0.52), aspect=1.5)
    assert not same_person(standing(0.3), standing(0.7), aspect=1.5)


@given(st.lists(st.booleans(), max_size=50))
def test_runs_rebuild_the_flags(flags: list[bool]) -> None:
    rebuilt = np.zeros(len(flags), np.bool_)
    for start, end in runs(np.array(flags, np.bool_)):
        assert end > start
        rebuilt[start:end] = True
    assert rebuilt.tolist() == flags


def test_only_short_gaps_inside_are_closed() -> None:
    flags = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 0], np.bool_)
    assert close_gaps(flags, 2).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 1, 0]

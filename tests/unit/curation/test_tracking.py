"""The geometry of boxes and poses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation import whole_body as wb
from pipelines.curation.tracking import (
    Points,
    box_of_pose,
    close_gaps,
    grow,
    head_around,
    overlap,
    person_box,
    runs,
    same_person,
    suppress,
)


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


def face_ahead(x: float, y: float, unit: float) -> Points:
    """A pose of whom only the head is seen, upright: eyes `unit` above the mouth, in frame heights (aspect 1)."""
    pose = np.zeros((33, 3), np.float32)
    pose[:11, 2] = 1
    pose[:11, :2] = (x, y)
    for index, place in {2: (0.5, 0), 5: (-0.5, 0), 7: (1, 0.2), 8: (-1, 0.2), 9: (0.3, 1), 10: (-0.3, 1)}.items():
        pose[index, :2] = (x + unit * place[0], y + unit * place[1])
    return pose


def whole(pose: Points) -> Points:
    landmarks = np.zeros((wb.COUNT, 3), np.float32)
    landmarks[wb.POSE] = pose
    return landmarks


def test_the_box_of_a_person_holds_crown_and_fingers() -> None:
    pose = face_ahead(0.5, 0.4, 0.05)
    pose_box = box_of_pose(pose, 1.0)
    assert pose_box is not None
    landmarks = whole(pose)
    landmarks[wb.LEFT_HAND] = [(0.8 + 0.01 * (i % 5), 0.7 + 0.01 * (i // 5), 1) for i in range(21)]
    box = person_box(landmarks, pose_box, None, 1.0)
    assert box[1] <= 0.4 - 2 * 0.05  # hair
    assert box[2] >= 0.84
    assert box[3] >= 0.74


def test_the_silhouette_is_believed_near_the_person_only() -> None:
    pose = face_ahead(0.5, 0.4, 0.05)
    pose_box = box_of_pose(pose, 1.0)
    assert pose_box is not None
    alone = person_box(whole(pose), pose_box, None, 1.0)
    hat = person_box(whole(pose), pose_box, np.array([0.4, alone[1] - 0.05, 0.6, 0.6], np.float32), 1.0)
    assert hat[1] == pytest.approx(alone[1] - 0.05)
    merged = person_box(whole(pose), pose_box, np.array([0, 0, 1, 1], np.float32), 1.0)
    assert merged[0] > 0.1
    assert merged[2] < 0.9


@pytest.mark.parametrize("angle", [0.0, 0.7, -1.2, 3.0])
def test_the_head_turns_with_the_face(angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    eyes, mouth, ears = np.array([[20, 0], [-20, 0]]), np.array([0, 40]), np.array([[30, 5], [-30, 5]])
    still = head_around(eyes * 1.0, mouth * 1.0, ears * 1.0)
    turned = head_around(eyes @ turn.T, mouth @ turn.T, ears @ turn.T)
    np.testing.assert_allclose(turned, still @ turn.T, atol=1e-6)
    assert still[:, 1].min() < -60

"""Who is found, how well, and what the crop shows, on poses whose errors are known."""

from pathlib import Path

import numpy as np
import pytest

from pipelines import keypoints as kp
from tests.real.figures import Counts, compare, inside, is_close, swapped_wrists, to_animate
from tests.real.labels import Person, Picture
from tests.real.photos import FoundPerson, Seen
from tests.unit.real.people import person, pose


def picture(*people: Person, size: tuple[int, int] = (400, 400)) -> Picture:
    return Picture("a.png", Path("a.png"), None, size, people)


def seen(*poses: np.ndarray, square: tuple[float, ...] | None = None) -> Seen:
    found = tuple(FoundPerson(np.zeros(4), points) for points in poses)
    chosen = poses[0] if square is not None else None
    return Seen(found, chosen, None if square is None else np.array(square))


def test_two_people_are_told_apart_and_a_third_is_missed() -> None:
    labelled = picture(person(10, 10), person(150, 10), person(290, 10))
    counts = compare(labelled, seen(pose(152, 12), pose(13, 10)))
    assert counts.people == (2, 3)
    assert (counts.body, counts.placed, counts.close) == ((18, 27), (18, 18), (0, 0))
    errors = np.array(counts.errors)
    assert errors.tolist() == pytest.approx([0.03] * 9 + [0.08**0.5 / 10] * 9, abs=1e-3)


def test_a_pose_elsewhere_is_nobody() -> None:
    counts = compare(picture(person(10, 10)), seen(pose(60, 200), square=(0, 0, 400, 400)))
    assert counts.people == counts.animated == (0, 1)
    assert counts.far == (0, 9)
    assert counts.errors == ()


def test_a_pose_with_sides_exchanged_is_found_and_wrong() -> None:
    counts = compare(picture(person(10, 10)), seen(pose(10, 10)[list(kp.MIRRORED)]))
    assert counts.people == (1, 1)
    assert counts.swapped == (1, 1)
    assert counts.body[0] < counts.body[1]


def test_a_hand_on_the_other_arm_is_seen() -> None:
    labelled, points = person(), pose()
    assert swapped_wrists(points, labelled) is False
    points[kp.LEFT_HAND_SLICE] = pose()[kp.BODY.index("right_wrist")]
    assert swapped_wrists(points, labelled) is True


def test_wrists_together_or_unseen_tell_nothing() -> None:
    together, hidden = person(), person()
    together.points[kp.BODY.index("left_wrist"), :2] = 21, 50
    hidden.points[kp.BODY.index("left_wrist"), 2] = 0
    assert swapped_wrists(pose(), together) is None
    assert swapped_wrists(pose(), hidden) is None
    assert swapped_wrists(np.zeros((kp.COUNT, 3), np.float32), person()) is None


def test_small_and_hardly_visible_people_do_not_count() -> None:
    hardly = person(10, 10)
    hardly.points[4:, 2] = 0
    assert picture(hardly, person(200, 200, 40), person(200, 200, 60)).counted[0].side == 60
    assert len(picture(hardly, person(200, 200, 40), person(200, 200, 60)).counted) == 1


def test_the_largest_is_to_be_animated_and_who_is_nearly_as_large_may_be() -> None:
    large, near, small = person(0, 0, 200), person(200, 0, 180), person(0, 250, 100)
    assert to_animate(picture(large, near, small)) == (large, near)
    counts = compare(picture(large, near, small), seen(pose(200, 0, 180), square=(0, 0, 400, 400)))
    assert counts.animated == (1, 1)
    assert compare(picture(large, small), seen(pose(0, 250, 100), square=(0, 0, 9, 9))).animated == (0, 1)


def test_heads_and_hands_outside_the_crop_are_counted() -> None:
    labelled = picture(person(100, 100, 200, head=(180, 90, 220, 130), left_hand=(290, 190, 310, 210)))
    counts = compare(labelled, seen(pose(100, 100, 200), square=(95, 100, 305, 310)))
    assert counts.heads == (0, 1)
    assert counts.hands == (0, 1)
    counts = compare(labelled, seen(pose(100, 100, 200), square=(90, 88, 311, 309)))
    assert counts.heads == counts.hands == (1, 1)


def test_what_lies_outside_the_picture_need_not_be_in_the_crop() -> None:
    assert inside(np.array([-50, 0, 50, 50]), np.array([0, 0, 100, 100]), (400, 400))
    assert not inside(np.array([350, 0, 400, 50]), np.array([300, 0, 380, 80]), (400, 400))


def test_close_is_tall_or_cut() -> None:
    assert is_close(person(50, 50, 201), (400, 400))
    assert is_close(person(50, 302, 100), (400, 400))
    assert not is_close(person(50, 50, 199), (400, 400))


def test_counts_add_up() -> None:
    one = Counts(people=(1, 2), errors=(0.5,))
    both = one + Counts(people=(1, 1), errors=(0.25,), hands=(1, 2))
    assert both == Counts(people=(2, 3), errors=(0.5, 0.25), hands=(1, 2))

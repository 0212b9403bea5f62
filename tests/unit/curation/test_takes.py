"""The people decide whether a jump of the picture is a cut."""

import numpy as np

from pipelines.curation.people import PeopleConfig
from pipelines.curation.shots import Moment
from pipelines.curation.takes import Take, takes
from pipelines.curation.tracker import Tracker
from pipelines.curation.tracking import Points
from tests.unit.curation.test_tracker import FPS, Scene, dressed, person

BLUE, RED = (30, 40, 200), (200, 30, 30)


def raised(pose: Points, by: float) -> Points:
    """With the arms higher by a share of the picture."""
    moved = pose.copy()
    moved[13:23, 1] -= by
    return moved


def film(poses: list[Points], colours: list[tuple[int, int, int]], jumps: set[int]) -> list[Take]:
    scene = Scene()

    def watched():  # type: ignore[no-untyped-def]
        for index, (pose, colour) in enumerate(zip(poses, colours, strict=True)):
            scene.people = [pose]
            frame = dressed([(pose, colour)])
            yield Moment(index / FPS, (index + 1) / FPS, 0, frame, index in jumps)

    return list(takes(watched(), lambda: Tracker(scene, scene, PeopleConfig(), FPS, 16 / 9)))  # type: ignore[arg-type]


def spans(found: list[Take]) -> list[tuple[float, float, int]]:
    return [(take.start_s * FPS, take.end_s * FPS, len(take.tracks)) for take in found]


def test_another_pose_after_a_jump_is_a_cut() -> None:
    poses = [raised(person(0.5), 0.002 * i) for i in range(20)] + [raised(person(0.5), 0.3)] * 20
    assert spans(film(poses, [BLUE] * 40, {20})) == [(0, 20, 1), (20, 40, 1)]
    assert spans(film(poses, [BLUE] * 40, set())) == [(0, 40, 1)], "a picture that does not jump is not cut"


def test_somebody_else_after_a_jump_is_a_cut() -> None:
    assert spans(film([person(0.5)] * 40, [BLUE] * 20 + [RED] * 20, {20})) == [(0, 20, 1), (20, 40, 1)]


def test_a_jump_that_leaves_people_where_they_are_is_none() -> None:
    """As a key frame does, or a subtitle that appears."""
    poses = [raised(person(0.5), 0.004 * i) for i in range(40)]
    found = film(poses, [BLUE] * 40, {1, 20, 30})
    assert spans(found) == [(0, 40, 1)]
    assert len(found[0].tracks[0].indices) == len(found[0].times) == 40


def test_a_jump_between_looks_counts_where_it_was() -> None:
    scene = Scene()

    def watched():  # type: ignore[no-untyped-def]
        for index in range(40):
            colour = BLUE if index < 21 else RED
            scene.people = [person(0.5)]
            frame = dressed([(person(0.5), colour)]) if index % 2 == 0 else None
            yield Moment(index / 32, (index + 1) / 32, 0, frame, index == 21)

    found = list(takes(watched(), lambda: Tracker(scene, scene, PeopleConfig(), FPS, 16 / 9)))  # type: ignore[arg-type]
    assert [(take.start_s, take.end_s) for take in found] == [(0, round(21 / 32, 4)), (round(21 / 32, 4), 1.25)]
    assert np.sum([len(take.times) for take in found]) == 20

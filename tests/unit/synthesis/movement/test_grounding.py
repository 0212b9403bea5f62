"""Feet in contact stay where they are, neither in the floor nor above it, on the mean body and on others; some fly."""

import numpy as np
import pytest

from pipelines.synthesis.movement import legs
from pipelines.synthesis.movement.grounding import ankle_place, solve_legs
from pipelines.synthesis.movement.motion import Motion, sample_motion
from pipelines.synthesis.movement.skeleton import LIMITS, SOLES
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio

_TIMES = np.arange(0, 2.2, 1 / legs.RATE)


def plan(studio: Studio, name: str, seed: int) -> tuple[legs.Legs, Motion]:
    made = legs.sample_legs(np.random.default_rng(seed), _TIMES, name=name)
    angles, root = solve_legs(studio.skeleton, made.soles, made.pelvis)
    return made, Motion(angles, {}, root, (name, ""))


def slide(points: np.ndarray, flat: np.ndarray) -> float:
    """The farthest that heels or toes (T, 4, 3) go in any run of frames in which their foot (T, 2) stays flat."""
    farthest = 0.0
    for foot in (0, 1):
        runs = np.split(np.arange(len(flat)), np.flatnonzero(np.diff(flat[:, foot].astype(int))) + 1)
        for run in runs:
            if flat[run[0], foot]:
                path = points[run, 2 * foot : 2 * foot + 2, :2]
                farthest = max(farthest, float(np.linalg.norm(path - path[:1], axis=-1).max()))
    return farthest


def contact(made: legs.Legs) -> np.ndarray:
    return (made.soles.place[..., 2] < 1e-4) & (np.abs(made.soles.pitch) < 0.5)


@pytest.mark.parametrize("name", legs.NAMES)
def test_legs_reach_the_plan_within_their_limits(studio: Studio, name: str) -> None:
    kept = 0
    for seed in range(6):
        made, motion = plan(studio, name, seed)
        for joint, track in motion.angles.items():
            motion.angles[joint] = np.clip(track, *LIMITS[joint])
            kept += np.abs(track - motion.angles[joint]).max() < 0.5
        if any((np.abs(motion.angles[joint] - track) > 0.5).any() for joint, track in motion.angles.items()):
            continue
        joints = studio.skeleton.joints(motion.angles)
        for side in ("left", "right"):
            reached = joints[f"foot.{side[0].upper()}"] + motion.root
            assert np.abs(reached - ankle_place(studio.skeleton, side, made.soles)).max() < 0.003
    assert kept >= 6 * 14


def test_feet_stay_on_the_mean_body(studio: Studio) -> None:
    """Slides below 4 mm and stands within 5 mm of the floor, measured on the mesh."""
    for name in ("stand", "walk", "side", "squat", "stances", "kick"):
        made, motion = plan(studio, name, 1)
        posed = studio.body.pose({"age": 2 / 3}, motion.at(_TIMES, studio.skeleton))
        assert slide(posed.points[:, SOLES], contact(made)) < 0.004, name
        lowest = posed.vertices[:, studio.skin, 2].min(1) - studio.skeleton.floor
        assert np.abs(lowest).max() < 0.012, name


def test_feet_stay_on_other_bodies(studio: Studio) -> None:
    worst = []
    for number in range(6):
        rng = np.random.default_rng(number)
        person = studio.dress(sample_identity(rng))
        made, motion = plan(studio, ("walk", "stances", "side", "squat", "turn", "march")[number], number)
        posed = person.pose(motion.at(_TIMES, studio.skeleton))
        worst.append(slide(posed.points[:, SOLES], contact(made)))
        lowest = posed.vertices[:, studio.skin, 2].min(1)
        standing = contact(made).any(1)
        assert np.abs(lowest[standing] - 0.006).max() < 0.01
    assert max(worst) < 0.03
    assert np.median(worst) < 0.015


def test_people_leave_the_floor_when_they_jump(studio: Studio) -> None:
    person = studio.dress(sample_identity(np.random.default_rng(2)))
    made, motion = plan(studio, "jump", 3)
    lowest = person.pose(motion.at(_TIMES, studio.skeleton)).vertices[..., 2].min(1)
    planned = made.soles.place[..., 2].min(1)
    assert planned.max() > 0.08
    assert np.abs(lowest - planned).max() < 0.06
    assert lowest.min() < 0.01


def test_motions_travel_and_keep_to_the_place(studio: Studio) -> None:
    paths = [sample_motion(np.random.default_rng(seed), studio.skeleton, 4).root[:, :2] for seed in range(30)]
    spans = np.array([np.linalg.norm(np.ptp(path, axis=0)) for path in paths])
    assert spans.max() < 2.5
    assert (spans > 0.25).sum() > 5

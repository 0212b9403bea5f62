"""Motions do not go through themselves, measured on the mesh; what does is noticed."""

import numpy as np
import pytest

from pipelines.synthesis.body.mesh import Normals
from pipelines.synthesis.movement.arms import SIDES, sample_hands
from pipelines.synthesis.movement.gestures import ARMS, HANDS
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.movement.penetration import Region, clearance, penetration, regions, segments_apart
from pipelines.synthesis.movement.skeleton import Angles
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio

MEAN = {"age": 2 / 3}


@pytest.fixture(scope="module")
def parts(studio: Studio) -> list[Region]:
    return regions(studio.body, studio.skin)


def depths(studio: Studio, parts: list[Region], angles: Angles, who: dict[str, float]) -> dict[str, float]:
    """The deepest of all frames, metres, by region."""
    normals = Normals.of(studio.body.faces, len(studio.body.template))
    deepest = {part.name: 0.0 for part in parts}
    for vertices in studio.body.pose(who, studio.skeleton.pose(angles, {})).vertices:
        turned = normals.at(vertices)
        for part in parts:
            deepest[part.name] = max(deepest[part.name], float(penetration(vertices, turned, part).max()))
    return deepest


def of_fingers(parts: list[Region]) -> list[Region]:
    return [part for part in parts if "finger" in part.name]


def test_a_hand_in_the_chest_is_noticed(studio: Studio, parts: list[Region]) -> None:
    inside = {"left_arm_raise": 87.0, "left_arm_front": 85.0, "left_arm_twist": -52.0, "left_elbow": 138.0}
    angles = {name: np.array([value]) for name, value in inside.items()}
    assert clearance(studio.skeleton, angles)[0] < -0.03
    assert depths(studio, parts, angles, MEAN)["L.trunk"] > 0.03
    free = {"left_arm_raise": np.array([90.0]), "right_arm_raise": np.array([90.0])}
    assert clearance(studio.skeleton, free)[0] > 0.1
    assert max(depths(studio, parts, free, MEAN).values()) < 0.003


def test_fingers_through_the_palm_are_noticed(studio: Studio, parts: list[Region]) -> None:
    angles = {"left_index_base": np.array([85.0]), "left_index_bend": np.array([100.0])}
    found = depths(studio, of_fingers(parts), angles, MEAN)
    assert found["L.finger2.palm"] > 0.008
    assert found["R.finger2.palm"] == 0


def test_motions_do_not_go_through_themselves(studio: Studio, parts: list[Region]) -> None:
    """200 poses on 20 bodies: hands and forearms are at most 2 cm inside anything else, in 1 of 50 deeper than 1 cm."""
    limbs = [part for part in parts if "finger" not in part.name]
    normals = Normals.of(studio.body.faces, len(studio.body.template))
    found = []
    for seed in range(20):
        rng = np.random.default_rng([5, seed])
        who = sample_identity(rng).phenotypes
        motion = sample_motion(rng, studio.skeleton, 2, "full" if seed % 2 else "upper")
        posed = studio.body.pose(who, motion.at(np.linspace(0, 2, 10), studio.skeleton))
        for vertices in posed.vertices:
            turned = normals.at(vertices)
            found.append(max(float(penetration(vertices, turned, part).max()) for part in limbs))
    assert max(found) < 0.02
    assert np.mean(np.array(found) > 0.01) <= 0.02


def test_hands_do_not_go_through_themselves(studio: Studio, parts: list[Region]) -> None:
    """Every shape of the library on two bodies: flesh presses on flesh by at most 6 mm."""
    angles = {f"{side}_{n}": np.array([s[n] for s in HANDS.values()]) for side in SIDES for n in HANDS["flat"]}
    for who in (MEAN, sample_identity(np.random.default_rng(1)).phenotypes):
        assert max(depths(studio, of_fingers(parts), angles, who).values()) < 0.006


def test_hands_do_not_go_through_themselves_on_their_way(studio: Studio, parts: list[Region]) -> None:
    times = np.arange(0, 6, 1 / 30)
    angles = sample_hands(np.random.default_rng(0), times, 2.0)
    found = depths(studio, of_fingers(parts), {name: track[::2] for name, track in angles.items()}, MEAN)
    assert max(found.values()) < 0.008, found


def test_arms_of_the_library_are_free(studio: Studio) -> None:
    for name, arm in ARMS.items():
        hanging = {f"right_{joint}": np.array([value]) for joint, value in ARMS["hanging"].items()}
        arms = hanging | {f"left_{joint}": np.array([value]) for joint, value in arm.items()}
        assert clearance(studio.skeleton, arms)[0] > 0, name


def test_distance_of_segments() -> None:
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, 50, 3))
    s, t = np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201))
    for row in range(50):
        one = a[row] + s[..., None] * (b[row] - a[row])
        two = c[row] + t[..., None] * (d[row] - c[row])
        brute = np.linalg.norm(one - two, axis=-1).min()
        assert segments_apart(a[[row]], b[[row]], c[[row]], d[[row]])[0] == pytest.approx(brute, abs=0.01)

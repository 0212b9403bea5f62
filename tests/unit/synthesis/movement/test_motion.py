"""Poses stay within limits, mean what their names say, and are the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import keypoints
from pipelines.synthesis.movement import arms, faces, gestures, legs
from pipelines.synthesis.movement.legs import RATE
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.movement.penetration import clearance
from pipelines.synthesis.movement.skeleton import LIMITS, about, between, clip, mirror
from pipelines.synthesis.people.person import Studio
from tests.unit.synthesis.body.test_model import MEAN, point


def posed(studio: Studio, **angles: float) -> np.ndarray:
    pose = studio.skeleton.pose({name: np.array([value]) for name, value in angles.items()}, {})
    points: np.ndarray = studio.body.pose(MEAN, pose).points[0]
    return points


def test_arms_go_where_they_are_told(studio: Studio) -> None:
    for side, sign in (("left", 1), ("right", -1)):
        out = posed(studio, **{f"{side}_arm_raise": 90.0})
        shoulder, elbow = point(out, f"{side}_shoulder"), point(out, f"{side}_elbow")
        assert sign * (elbow - shoulder)[0] > 0.2
        assert abs((elbow - shoulder)[2]) < 0.08
        front = posed(studio, **{f"{side}_arm_raise": 90.0, f"{side}_arm_front": 90.0})
        assert (point(front, f"{side}_elbow") - point(front, f"{side}_shoulder"))[1] < -0.2
        up = posed(studio, **{f"{side}_arm_raise": 165.0})
        assert point(up, f"{side}_wrist")[2] > point(up, "nose")[2]


def test_legs_head_and_trunk_go_where_they_are_told(studio: Studio) -> None:
    still, flexed = posed(studio, facing=0.0), posed(studio, left_hip_flex=60.0)
    assert (point(flexed, "left_knee") - point(still, "left_knee"))[1] < -0.2
    assert np.allclose(point(flexed, "right_knee"), point(still, "right_knee"), atol=1e-5)
    bent = posed(studio, left_knee=80.0)
    assert (point(bent, "left_ankle") - point(still, "left_ankle"))[1] > 0.2
    lifted = posed(studio, left_ankle=20.0)
    assert (point(lifted, "left_toe") - point(still, "left_toe"))[2] > 0.02
    turned = posed(studio, head_turn=50.0)
    assert point(turned, "nose")[0] > 0.05
    forward = posed(studio, spine_bend=40.0)
    assert (point(forward, "nose") - point(still, "nose"))[1] < -0.15


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_fist_closes_towards_the_palm(studio: Studio, side: str) -> None:
    def reach(shape: str) -> np.ndarray:
        angles = {f"{side}_{name}": value for name, value in gestures.HANDS[shape].items()}
        points = posed(studio, **angles)
        hand = points[keypoints.PARTS[f"{side}_hand"]]
        return np.asarray(np.linalg.norm(hand[[8, 12, 16, 20]] - hand[0], axis=1))

    assert (reach("fist") < 0.72 * reach("flat")).all()
    pointing, fist = reach("point"), reach("fist")
    assert pointing[0] > 1.4 * fist[0]
    assert np.allclose(pointing[2], fist[2], atol=0.02)


def test_mirrored_pose_is_the_mirror_image(studio: Studio) -> None:
    motion = sample_motion(np.random.default_rng(3), studio.skeleton, 1)
    here = studio.skeleton.joints(motion.angles)
    there = studio.skeleton.joints(mirror(motion.angles))
    for bone, other in (("wrist.L", "wrist.R"), ("foot.R", "foot.L"), ("head", "head")):
        assert np.allclose(here[bone] * (-1, 1, 1), there[other], atol=0.01)


def test_joints_agree_with_the_body(studio: Studio) -> None:
    motion = sample_motion(np.random.default_rng(5), studio.skeleton, 1)
    joints = studio.skeleton.joints(motion.angles)
    points = studio.body.pose({"age": 2 / 3}, motion.at(np.zeros(1), studio.skeleton)).points[0]
    for name, bone in (("hand.left_wrist", "wrist.L"), ("hand.right_index_3", "finger2-3.R")):
        assert np.allclose(point(points, name), joints[bone][0] + motion.root[0], atol=1e-3)


@given(st.integers(0, 2**32), st.sampled_from(["full", "upper", "hand", "face"]))
@settings(max_examples=25)
def test_motions_keep_to_the_limits_and_repeat(studio: Studio, seed: int, framing: str) -> None:
    motion = sample_motion(np.random.default_rng(seed), studio.skeleton, 1, framing)
    again = sample_motion(np.random.default_rng(seed), studio.skeleton, 1, framing)
    assert motion.id == again.id
    for name, track in motion.angles.items():
        assert (track >= LIMITS[name][0]).all()
        assert (track <= LIMITS[name][1]).all()
    assert clearance(studio.skeleton, motion.angles).min() > -0.03
    assert all(((track >= 0) & (track <= 1)).all() for track in motion.actions.values())


def test_joints_move_as_fast_as_people_do(studio: Studio) -> None:
    """Elbows reach 800 degrees a second in a punch and ankles in a jump; nothing jerks."""
    for seed in range(30):
        motion = sample_motion(np.random.default_rng(seed), studio.skeleton, 2)
        for name, track in motion.angles.items():
            assert np.abs(np.diff(track)).max() * RATE < 900, (seed, name)
            assert np.abs(np.diff(track, 2)).max() * RATE**2 < 30_000, (seed, name)


def test_motion_is_smooth_between_its_samples(studio: Studio) -> None:
    motion = sample_motion(np.random.default_rng(1), studio.skeleton, 2)
    assert motion.seconds == 2
    sampled = motion.at(np.arange(61) / RATE, studio.skeleton)
    alone = studio.skeleton.pose(motion.angles, {})
    assert np.allclose(sampled.rotations["lowerarm01.L"], alone.rotations["lowerarm01.L"], atol=1e-5)
    assert np.allclose(sampled.translation, motion.root, atol=1e-5)
    fine = motion.at(np.linspace(0, 2, 601), studio.skeleton).rotations["upperarm01.R"]
    steps = np.linalg.norm(np.diff(fine, axis=0), axis=(1, 2))
    assert np.abs(np.diff(steps)).max() < 0.01


def test_every_legs_and_arms_generator_runs_and_is_drawn(studio: Studio) -> None:
    kinds = [sample_motion(np.random.default_rng(seed), studio.skeleton, 0.5).kind for seed in range(160)]
    assert {legs for legs, _ in kinds} == set(legs.NAMES)
    assert {arms for _, arms in kinds} == {*arms.STYLES, "swing"}


def test_libraries_name_real_joints_and_actions(studio: Studio) -> None:
    for name, arm in gestures.ARMS.items():
        clip({f"left_{joint}": np.array([value]) for joint, value in arm.items()})
        assert name.islower()
    for shape in gestures.HANDS.values():
        assert {f"right_{joint}" for joint in shape} <= set(LIMITS)
    for face in {**gestures.FACES, **gestures.VISEMES}.values():
        assert set(face) <= set(studio.body.actions)
    assert set(faces.ACTIONS) == set(studio.body.actions)


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.floats(-180, 180))
def test_rotations_are_rotations(axis: tuple[float, float, float], degrees: float) -> None:
    vector = np.array(axis)
    if np.linalg.norm(vector) < 1e-3:
        return
    unit = vector / np.linalg.norm(vector)
    rotation = about(unit, np.array([degrees]))[0]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.allclose(rotation @ unit, unit)
    target = rotation @ np.array([1.0, 0, 0])
    assert np.allclose(between(np.array([1.0, 0, 0]), target[None])[0] @ (1, 0, 0), target, atol=1e-6)

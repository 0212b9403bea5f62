"""Poses stay within limits, mean what their names say, and are the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints
from pipelines.synthesis import gestures
from pipelines.synthesis.motion import Motion, hands_are_free, sample_motion
from pipelines.synthesis.person import Studio
from pipelines.synthesis.skeleton import LIMITS, about, between, clip, mirror
from tests.unit.synthesis.test_body import MEAN, point


def posed(studio: Studio, **angles: float) -> np.ndarray:
    pose = studio.skeleton.pose({name: np.array([value]) for name, value in angles.items()}, {})
    return studio.body.pose(MEAN, pose).points[0]


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
        return np.linalg.norm(hand[[8, 12, 16, 20]] - hand[0], axis=1)

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
    mean = {**MEAN, "gender": 0.5, "age": 2 / 3, "height": 0.5, "african": 0.5, "asian": 0.5, "caucasian": 0.5}
    points = studio.body.pose(mean, motion.at(np.zeros(1), studio.skeleton)).points[0]
    assert np.allclose(point(points, "hand.left_wrist"), joints["wrist.L"][0], atol=1e-3)
    assert np.allclose(point(points, "hand.right_index_3"), joints["finger2-3.R"][0], atol=1e-3)


@given(st.integers(0, 2**32), st.sampled_from(["full", "upper", "hand", "face"]))
def test_sampled_motions_keep_to_the_limits(studio: Studio, seed: int, framing: str) -> None:
    motion = sample_motion(np.random.default_rng(seed), studio.skeleton, 2, framing)
    again = sample_motion(np.random.default_rng(seed), studio.skeleton, 2, framing)
    for name, keys in motion.angles.items():
        assert (keys >= LIMITS[name][0]).all()
        assert (keys <= LIMITS[name][1]).all()
        assert (keys == again.angles[name]).all()
    for key in range(2):
        assert hands_are_free(studio.skeleton, {name: float(keys[key]) for name, keys in motion.angles.items()})
    assert all(((keys >= 0) & (keys <= 1)).all() for keys in motion.actions.values())


def test_a_hand_in_the_chest_is_noticed(studio: Studio) -> None:
    pose = {"left_arm_raise": 87.0, "left_arm_front": 85.0, "left_arm_twist": -52.0, "left_elbow": 138.0}
    assert not hands_are_free(studio.skeleton, pose)
    assert hands_are_free(studio.skeleton, {"left_arm_raise": 90.0, "right_arm_raise": 90.0})


def test_motion_is_smooth_and_passes_its_keys(studio: Studio) -> None:
    motion = sample_motion(np.random.default_rng(1), studio.skeleton, 4)
    assert motion.duration == 3
    keyed = motion.at(np.arange(4.0), studio.skeleton)
    for key in range(4):
        alone = studio.skeleton.pose({name: keys[[key]] for name, keys in motion.angles.items()}, {})
        assert np.allclose(keyed.rotations["lowerarm01.L"][key], alone.rotations["lowerarm01.L"][0], atol=1e-5)
    fine = motion.at(np.linspace(0, 3, 301), studio.skeleton).rotations["upperarm01.R"]
    steps = np.linalg.norm(np.diff(fine, axis=0), axis=(1, 2))
    assert steps.max() < 0.15
    assert np.abs(np.diff(steps)).max() < 0.03


def test_one_key_stands_still(studio: Studio) -> None:
    motion = Motion({"head_turn": np.array([20.0])}, {})
    pose = motion.at(np.array([0.0, 0.7]), studio.skeleton)
    assert (pose.rotations["head"][0] == pose.rotations["head"][1]).all()


def test_libraries_name_real_joints_and_actions(studio: Studio) -> None:
    for name, arm in gestures.ARMS.items():
        clip({f"left_{joint}": np.array([value]) for joint, value in arm.items()})
        assert name.islower()
    for shape in gestures.HANDS.values():
        assert {f"right_{joint}" for joint in shape} <= set(LIMITS)
    for legs in gestures.LEGS.values():
        assert set(legs) <= set(LIMITS)
    for face in gestures.FACES.values():
        assert set(face) <= set(studio.body.actions)


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

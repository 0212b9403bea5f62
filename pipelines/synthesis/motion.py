"""Procedural motion: joint-limited key poses drawn at random, and smooth paths between them.

A motion is a path through key poses in joint angles and facial actions (cubic Hermite with Catmull-Rom slopes, so that
speed is continuous), sampled at any times. The same motion goes onto every body. Key poses whose hands would be inside
the trunk or the head are drawn again.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis import gestures
from pipelines.synthesis.body import Pose
from pipelines.synthesis.skeleton import LIMITS, Angles, Skeleton, clip, mirror

_TRIES = 12
_ACTIONS = tuple(sorted({name for face in gestures.FACES.values() for name in face} | {
    f"eye{kind}{side}" for kind in ("Blink", "LookUp", "LookDown", "LookIn", "LookOut") for side in ("Left", "Right")
}))  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """Key poses at whole times 0..K-1. angles: joint -> (K,) degrees; actions: ARKit name -> (K,)."""

    angles: Angles
    actions: Angles

    @property
    def duration(self) -> float:
        """Length in units of key poses."""
        return float(len(next(iter(self.angles.values()))) - 1)

    def at(self, times: NDArray[np.float64], skeleton: Skeleton) -> Pose:
        """Poses at times in [0, duration], (T,) of them."""
        angles = {name: _interpolate(keys, times) for name, keys in self.angles.items()}
        actions = {name: _interpolate(keys, times) for name, keys in self.actions.items()}
        return skeleton.pose(angles, actions)


def _interpolate(keys: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull-Rom through `keys` at whole times; the ends are reached at rest."""
    if len(keys) == 1:
        return np.full(len(times), keys[0])
    slopes = np.zeros_like(keys)
    slopes[1:-1] = (keys[2:] - keys[:-2]) / 2
    start = np.clip(np.floor(times).astype(int), 0, len(keys) - 2)
    t = np.clip(times - start, 0, 1)
    return np.asarray(
        (2 * t**3 - 3 * t**2 + 1) * keys[start]
        + (t**3 - 2 * t**2 + t) * slopes[start]
        + (3 * t**2 - 2 * t**3) * keys[start + 1]
        + (t**3 - t**2) * slopes[start + 1]
    )


def sample_motion(
    rng: np.random.Generator, skeleton: Skeleton, keys: int, framing: str = "full", facing: float = 40.0
) -> Motion:
    """A motion of `keys` key poses. facing: the most degrees that the whole body turns away from the front.

    Framings closer than `full` bring the hands up and keep the legs quiet, since only that is in the picture.
    """
    angles: list[dict[str, float]] = []
    actions: list[dict[str, float]] = []
    turn = rng.uniform(-facing, facing)
    for _ in range(keys):
        turn = float(np.clip(turn + rng.normal(0, 10), -facing, facing))
        for _attempt in range(_TRIES):
            pose = {**_body_pose(rng, framing), "facing": turn}
            if hands_are_free(skeleton, pose):
                break
        else:
            pose = {**_standing(), "facing": turn}
        angles.append(pose)
        actions.append(_face(rng))
    return Motion(
        {name: np.array([pose.get(name, 0.0) for pose in angles]) for name in LIMITS},
        {name: np.array([face.get(name, 0.0) for face in actions]) for name in _ACTIONS},
    )


def _standing() -> dict[str, float]:
    pose = dict(gestures.LEGS["standing"])
    for side in ("left", "right"):
        pose |= {f"{side}_{joint}": value for joint, value in gestures.ARMS["hanging"].items()}
    return pose


def _body_pose(rng: np.random.Generator, framing: str) -> dict[str, float]:
    legs = list(gestures.LEGS) if framing == "full" else ["standing", "at_ease"]
    weights = np.array([3.0 if name in {"standing", "at_ease", "step"} else 1.0 for name in legs])
    leg = gestures.LEGS[legs[rng.choice(len(legs), p=weights / weights.sum())]]
    pose = {name: value + rng.normal(0, 3) for name, value in leg.items()}
    if rng.random() < 0.5:
        pose = {name: float(value[0]) for name, value in mirror({k: np.array([v]) for k, v in pose.items()}).items()}
    for side in ("left", "right"):
        pose[f"{side}_ankle"] = pose[f"{side}_knee"] - pose[f"{side}_hip_flex"]
        pose |= {f"{side}_{name}": value for name, value in _arm(rng, framing).items()}
        pose |= {f"{side}_{name}": value for name, value in _hand(rng).items()}
    if rng.random() < 0.2:
        for name in gestures.ARMS["hanging"]:
            pose[f"right_{name}"] = pose[f"left_{name}"]
    crouch = 0.25 * max(0.0, pose["left_hip_flex"] + pose["right_hip_flex"] - 30)
    spread = {"spine_bend": 7, "spine_lean": 6, "spine_turn": 12, "head_bend": 8, "head_lean": 6, "head_turn": 16}
    pose |= {name: rng.normal(0, width) for name, width in spread.items()}
    pose["spine_bend"] += crouch
    pose["head_bend"] -= 0.6 * crouch
    return {name: float(value[0]) for name, value in clip({k: np.array([v]) for k, v in pose.items()}).items()}


def _arm(rng: np.random.Generator, framing: str) -> dict[str, float]:
    names = list(gestures.ARMS)
    resting = 2.0 if framing == "full" else 0.5
    weights = np.array([resting if name == "hanging" else 1.0 for name in names])
    arm = gestures.ARMS[names[rng.choice(len(names), p=weights / weights.sum())]]
    spread = {"arm_raise": 8, "arm_front": 10, "arm_twist": 10, "elbow": 10, "forearm_twist": 20, "wrist_bend": 12}
    lean, shrug = rng.normal(0, 6), abs(rng.normal(0, 3))
    return {**{k: v + rng.normal(0, spread[k]) for k, v in arm.items()}, "wrist_lean": lean, "shoulder_shrug": shrug}


def _hand(rng: np.random.Generator) -> dict[str, float]:
    """A mixture of two shapes, nearer to one of them."""
    names = list(gestures.HANDS)
    first, second = (gestures.HANDS[names[i]] for i in rng.choice(len(names), 2, replace=False))
    share = rng.beta(1, 5)
    return {name: (1 - share) * first[name] + share * second[name] + rng.normal(0, 3) for name in first}


def _face(rng: np.random.Generator) -> dict[str, float]:
    names = list(gestures.FACES)
    first, second = (gestures.FACES[names[i]] for i in rng.choice(len(names), 2, replace=False))
    strength, share = rng.uniform(0.5, 1.0), rng.beta(1, 3)
    mixed = {
        name: strength * ((1 - share) * first.get(name, 0) + share * second.get(name, 0))
        for name in sorted({*first, *second})
    }
    sideways, upwards = np.clip(rng.normal(0, 0.35, 2), -1, 1)
    for side, inward in (("Left", -sideways), ("Right", sideways)):
        mixed[f"eyeLookIn{side}"], mixed[f"eyeLookOut{side}"] = max(inward, 0.0), max(-inward, 0.0)
        mixed[f"eyeLookUp{side}"], mixed[f"eyeLookDown{side}"] = max(upwards, 0.0), max(-upwards, 0.0)
        blink = 1.0 if rng.random() < 0.06 else float(np.clip(rng.normal(0.05, 0.08), 0, 0.5))
        mixed[f"eyeBlink{side}"] = max(blink, mixed.get(f"eyeBlink{side}", 0.0))
    if rng.random() < 0.06:
        mixed["eyeBlinkLeft"] = mixed["eyeBlinkRight"] = 1.0
    return {name: float(np.clip(value, 0, 1)) for name, value in mixed.items()}


def hands_are_free(skeleton: Skeleton, pose: dict[str, float]) -> bool:
    """Whether both hands and forearms are outside the mean body's trunk and head, and apart from each other."""
    joints = skeleton.joints({name: np.array([value]) for name, value in {**pose, "facing": 0.0}.items()})
    trunk = [joints[name][0] for name in ("root", "spine03", "spine01")]
    head = joints["head"][0] + (joints["head"][0] - joints["neck03"][0]) * 1.2
    ends = {}
    for end in ("L", "R"):
        wrist, knuckle = joints[f"wrist.{end}"][0], joints[f"finger3-1.{end}"][0]
        tip = knuckle + 0.6 * (knuckle - wrist)
        ends[end] = np.stack([wrist, knuckle, tip, (wrist + joints[f"lowerarm01.{end}"][0]) / 2])
        for probe in ends[end]:
            if min(_ellipse(probe - centre) for centre in _densify(trunk)) < 1.0:
                return False
            if np.linalg.norm((probe - head) / (0.10, 0.125, 0.14)) < 1.0:
                return False
    gaps = np.linalg.norm(ends["L"][:, None] - ends["R"][None], axis=-1)
    return bool(gaps[:3, :3].min() > 0.07)


def _ellipse(offset: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(offset / (0.185, 0.15, 0.14)))


def _densify(points: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    pairs = itertools.pairwise(points)
    return [a + (b - a) * t for a, b in pairs for t in (0.0, 0.5, 1.0)]

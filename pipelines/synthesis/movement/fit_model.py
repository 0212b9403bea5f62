"""The mean body as a differentiable chain of joints: parameters of T frames become the 88 points and bone rotations.

Every rotation is a product of at most three turns, each about an axis by a weighted sum of parameters, so that all of
them are one matrix product and one application of Rodrigues' formula, and the chain is walked level by level.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines import keypoints
from pipelines.synthesis.movement.skeleton import FOOT_ROLL, LIMITS, STANCE, Skeleton

_FINGERS = {"index": 2, "middle": 3, "ring": 4, "little": 5}
_POINT_BONES = {
    "shoulder": "clavicle.{e}", "elbow": "lowerarm01.{e}", "wrist": "lowerarm02.{e}", "hip": "root",
    "knee": "lowerleg01.{e}", "ankle": "foot.{e}", "heel": "foot.{e}", "toe": "foot.{e}",
}  # fmt: skip
# Which lengths of a person stretch together.
GROUPS = ("trunk", "head", "arm", "hand", "leg")
_GROUP_OF = {"spine": 0, "root": 0, "clavicle": 0, "neck": 1, "head": 1, "upperarm": 2, "lowerarm": 2, "wrist": 2,
             "finger": 3, "upperleg": 0, "lowerleg": 4, "foot": 4}  # fmt: skip
_UPPER_ARM = 150.0  # degrees that a turn of the upper arm from the reference pose has about each axis, at most


@dataclass(frozen=True)
class Chain:
    """names (P,): of parameters, degrees within low and high (P,). turns (S, 3, P), fixed (S, 3): axis times angle of
    each turn, radians for parameters in degrees; of (B, 3): the turns of each bone, S where there is none. bones (B,),
    parents (B,), levels: bones by their depth; offset (B, 3): from the parent's head to the bone's; point_bone (88,)
    and point_local (88, 3); group (B,) and point_group (88,): of `GROUPS`."""

    names: tuple[str, ...]
    low: Tensor
    high: Tensor
    turns: Tensor
    fixed: Tensor
    of: Tensor
    bones: tuple[str, ...]
    parents: Tensor
    levels: tuple[Tensor, ...]
    offset: Tensor
    group: Tensor
    point_bone: Tensor
    point_local: Tensor
    point_group: Tensor

    def rotations(self, angles: Tensor) -> Tensor:
        """Bone rotations (T, B, 3, 3) of angles (T, P) in degrees."""
        turned = rodrigues(torch.einsum("sap,tp->tsa", self.turns, angles) + self.fixed)
        none = torch.eye(3).expand(len(angles), 1, 3, 3)
        by_bone = torch.cat([turned, none], 1)[:, self.of]
        return by_bone[:, :, 0] @ by_bone[:, :, 1] @ by_bone[:, :, 2]

    def points(self, rotations: Tensor, stretch: Tensor) -> Tensor:
        """The 88 points (T, 88, 3) with the root at the origin. stretch: a length's factor by group, (5,)."""
        offset, frames = self.offset * stretch[self.group][:, None], len(rotations)
        turned: list[Tensor] = [rotations[:, 0]] + [torch.empty(0)] * (len(self.bones) - 1)
        placed: list[Tensor] = [torch.zeros(frames, 3)] + [torch.empty(0)] * (len(self.bones) - 1)
        for level in self.levels:
            above = self.parents[level].tolist()
            parent = torch.stack([turned[bone] for bone in above], 1)
            own = parent @ rotations[:, level]
            place = torch.stack([placed[bone] for bone in above], 1) + (parent @ offset[level][..., None])[..., 0]
            for row, bone in enumerate(level.tolist()):
                turned[bone], placed[bone] = own[:, row], place[:, row]
        frame, head = torch.stack(turned, 1)[:, self.point_bone], torch.stack(placed, 1)[:, self.point_bone]
        local = self.point_local * stretch[self.point_group][:, None]
        return head + (frame @ local[..., None])[..., 0]


def rodrigues(turn: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of axis times angle (..., 3)."""
    angle = torch.sqrt((turn**2).sum(-1) + 1e-12)
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turn.shape[:-1], 3, 3)
    sine, cosine = torch.sin(angle) / angle, (1 - torch.cos(angle)) / angle**2
    return torch.eye(3) + sine[..., None, None] * cross + cosine[..., None, None] * (cross @ cross)


def chain_of(skeleton: Skeleton) -> Chain:
    """The chain of the mean body. Axes are those of `Skeleton.pose`; upper arms turn freely from the reference pose."""
    spec = _bones(skeleton)
    names = tuple(dict.fromkeys(name for turns in spec.values() for turn in turns for name, _ in turn))
    limits = [LIMITS.get(name, (-_UPPER_ARM, _UPPER_ARM)) for name in names]
    bones = tuple(spec)
    turns: list[NDArray[np.float64]] = []
    fixed, of = [], np.full((len(bones), 3), -1)
    for row, bone in enumerate(bones):
        for slot, turn in enumerate(spec[bone]):
            of[row, slot] = len(turns)
            matrix = np.zeros((3, len(names)))
            for name, axis in turn:
                matrix[:, names.index(name)] += np.radians(axis)
            turns.append(matrix)
            fixed.append(np.radians(_fixed(skeleton, bone, slot)))
    of[of < 0] = len(turns)
    parents, depth = [0], [0]
    for bone in bones[1:]:
        above = skeleton.parents[bone]
        while above not in bones:
            above = skeleton.parents[above]
        parents.append(bones.index(above))
        depth.append(depth[parents[-1]] + 1)
    heads = np.array([skeleton.heads[bone] for bone in bones])
    point_bone = np.array([bones.index(bone) for bone in _point_bones()])
    group = np.array([next(g for start, g in _GROUP_OF.items() if bone.startswith(start)) for bone in bones])

    def tensor(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32))

    point_group = np.where(np.arange(keypoints.COUNT) < keypoints.FACE_SLICE.start, group[point_bone], 1)
    point_group[keypoints.LEFT_HAND_SLICE.start : keypoints.RIGHT_HAND_SLICE.stop] = 3
    return Chain(
        names, tensor([low for low, _ in limits]), tensor([high for _, high in limits]), tensor(turns), tensor(fixed),
        torch.as_tensor(of), bones, torch.as_tensor(parents),
        tuple(torch.as_tensor(np.flatnonzero(np.array(depth) == d)) for d in range(1, max(depth) + 1)),
        tensor(heads - heads[parents]), torch.as_tensor(group), torch.as_tensor(point_bone),
        tensor(skeleton.points - heads[point_bone]), torch.as_tensor(point_group),
    )  # fmt: skip


Turn = list[tuple[str, NDArray[np.float64]]]


def _bones(skeleton: Skeleton) -> dict[str, list[Turn]]:
    """The turns of each bone, parents first; axes are scaled by how much of the angle the turn takes."""
    x, y, z = np.eye(3)
    spec: dict[str, list[Turn]] = {"root": [[("facing", z)], [("tilt", x)], [("root_lean", y)]]}
    for bones, name in ((("spine05", "spine04", "spine03", "spine02", "spine01"), "spine"),
                        (("neck01", "neck02", "neck03", "head"), "head")):  # fmt: skip
        share = 1 / len(bones)
        for bone in bones:
            spec[bone] = [[(f"{name}_turn", share * z)], [(f"{name}_lean", share * y)], [(f"{name}_bend", share * x)]]
    for side in ("left", "right"):
        e, sign = side[0].upper(), 1.0 if side == "left" else -1.0
        palm, hinge, fore = skeleton.palm(e), skeleton.elbow(e), skeleton.direction(f"lowerarm01.{e}", f"wrist.{e}")
        across = np.cross(fore, palm) / np.linalg.norm(np.cross(fore, palm))
        spec[f"clavicle.{e}"] = [[(f"{side}_shoulder_shrug", -sign * y)]]
        spec[f"upperarm01.{e}"] = [[(f"{side}_upper_{axis}", np.eye(3)[i]) for i, axis in enumerate("xyz")]]
        spec[f"lowerarm01.{e}"] = [[(f"{side}_elbow", hinge)]]
        spec[f"lowerarm02.{e}"] = [[(f"{side}_forearm_twist", sign / 2 * fore)]]
        spec[f"wrist.{e}"] = [[(f"{side}_forearm_twist", sign / 2 * fore)], [(f"{side}_wrist_bend", across)],
                              [(f"{side}_wrist_lean", sign * palm)]]  # fmt: skip
        for finger, number in _FINGERS.items():
            base, spread = skeleton.finger_axes(e, number)
            aside = [(f"{side}_finger_spread", sign * spread)]
            spec[f"finger{number}-1.{e}"] = [aside, [(f"{side}_{finger}_base", base)]]
            spec[f"finger{number}-2.{e}"] = [[(f"{side}_{finger}_bend", base)]]
            spec[f"finger{number}-3.{e}"] = [[(f"{side}_{finger}_bend", 0.65 * base)]]
        thumb = skeleton.thumb_axis(e)
        spec[f"finger1-1.{e}"] = [[(f"{side}_thumb_base", thumb)]]
        spec[f"finger1-2.{e}"] = [[(f"{side}_thumb_bend", 0.6 * thumb)]]
        spec[f"finger1-3.{e}"] = [[(f"{side}_thumb_bend", thumb)]]
        spec[f"upperleg01.{e}"] = [[(f"{side}_hip_flex", -x), ("tilt", -x)], [(f"{side}_hip_out", -sign * y)],
                                   [(f"{side}_hip_twist", sign * z)]]  # fmt: skip
        spec[f"lowerleg01.{e}"] = [[(f"{side}_knee", x)]]
        spec[f"foot.{e}"] = [[(f"{side}_ankle", -x)], [(f"{side}_hip_out", FOOT_ROLL * sign * y)]]
    return spec


def _fixed(skeleton: Skeleton, bone: str, slot: int) -> NDArray[np.float64]:
    """The constant part of a turn, degrees."""
    sign = 1.0 if bone.endswith("L") else -1.0
    if bone.startswith("upperleg") and slot == 1:
        return np.array([0, sign * STANCE, 0])
    if bone.startswith("foot") and slot == 1:
        return np.array([0, -sign * FOOT_ROLL * STANCE, 0])
    if bone.startswith("lowerarm01"):
        return -skeleton.elbow_at_rest(bone[-1]) * skeleton.elbow(bone[-1])
    return np.zeros(3)


def _point_bones() -> list[str]:
    """The bone that carries each of the 88 points."""
    made = []
    for name in keypoints.BODY:
        side, _, joint = name.partition("_")
        made.append(_POINT_BONES[joint].format(e=side[0].upper()) if joint in _POINT_BONES else "head")
    for end in "LR":
        made.append(f"wrist.{end}")
        made += [f"finger{n}-{joint}.{end}" for n in range(1, 6) for joint in (1, 2, 3, 3)]
    return made + ["head"] * len(keypoints.FACE)

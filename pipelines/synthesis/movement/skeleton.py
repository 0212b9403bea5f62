"""Joint angles people would name, within the limits of a body, turned into bone rotations.

All angles are degrees. Positive: bend forward, lean and turn to the person's left, joints flex, arms and legs go
outwards. Ranges are the usual clinical ones (American Academy of Orthopaedic Surgeons), a little narrowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints
from pipelines.synthesis.body.model import AnnyBody, Pose

_TRUNK = {
    "facing": (-180.0, 180.0),
    "tilt": (-25.0, 45.0),
    "spine_bend": (-20.0, 60.0),
    "spine_lean": (-25.0, 25.0),
    "spine_turn": (-35.0, 35.0),
    "head_bend": (-35.0, 40.0),
    "head_lean": (-25.0, 25.0),
    "head_turn": (-60.0, 60.0),
}
# arm_raise: from hanging (0) upwards; arm_front: in which vertical plane, sideways (0) to forwards (90);
# forearm_twist: positive turns the palm down (pronation); ankle: positive lifts the toes; ankle_out, ankle_twist: what
# the foot adds to what the leg's own spread and twist give it; toes: positive bends them up.
_SIDE = {
    "shoulder_shrug": (-5.0, 15.0),
    "arm_raise": (5.0, 165.0),
    "arm_front": (-40.0, 120.0),
    "arm_twist": (-60.0, 90.0),
    "elbow": (0.0, 140.0),
    "forearm_twist": (-75.0, 75.0),
    "wrist_bend": (-55.0, 60.0),
    "wrist_lean": (-20.0, 25.0),
    "hip_flex": (-20.0, 105.0),
    "hip_out": (-15.0, 40.0),
    "hip_twist": (-30.0, 35.0),
    "knee": (0.0, 125.0),
    "ankle": (-48.0, 35.0),
    "ankle_out": (-25.0, 25.0),
    "ankle_twist": (-25.0, 25.0),
    "toes": (-20.0, 55.0),
    "thumb_base": (-15.0, 45.0),
    "thumb_bend": (-10.0, 70.0),
    "finger_spread": (-4.0, 14.0),
    **{
        f"{finger}_{joint}": limits
        for finger in ("index", "middle", "ring", "little")
        for joint, limits in (("base", (-15.0, 90.0)), ("bend", (0.0, 105.0)))
    },
}
LIMITS: dict[str, tuple[float, float]] = {
    **_TRUNK,
    **{f"{side}_{name}": limits for side in ("left", "right") for name, limits in _SIDE.items()},
}
_FINGERS = {"index": 2, "middle": 3, "ring": 4, "little": 5}
_SPREAD = {2: 1.0, 3: 0.25, 4: -0.5, 5: -1.2}
SOLES = [keypoints.BODY.index(f"{side}_{end}") for side in ("left", "right") for end in ("heel", "toe")]
STANCE = 4.0  # the reference pose stands with the legs this far apart
FOOT_ROLL = 0.7  # how much of the leg's spread the foot takes back, so that the sole stays nearly level
_AXES = {"x": 0, "y": 1, "z": 2}

Angles = dict[str, NDArray[np.float64]]
Rotations = Mapping[str, NDArray[np.floating]]


_MIRRORED = {"facing", "spine_lean", "spine_turn", "head_lean", "head_turn"}


def clip(angles: Angles) -> Angles:
    """Angles within the limits of their joints. Raises: KeyError for an unknown joint."""
    return {name: np.clip(value, *LIMITS[name]) for name, value in angles.items()}


def about(axis: NDArray[np.float64], degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (T, 3, 3) about a unit axis (3,) or axes (T, 3) by angles (T,): Rodrigues' formula."""
    axis = np.broadcast_to(axis, (len(degrees), 3))
    angle = np.radians(degrees)[:, None, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))


def between(start: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotations (T, 3, 3) that take the unit vector `start` (3,) to `ends` (T, 3)."""
    axis = np.cross(start, ends)
    sine = np.linalg.norm(axis, axis=1)
    angle = np.degrees(np.arctan2(sine, ends @ start))
    return about(axis / np.maximum(sine, 1e-9)[:, None], angle)


def leg_length(points: NDArray[np.floating]) -> float:
    """Metres from hip over knee to ankle, the mean of both legs and all frames. points: (T, 88, 3)."""
    chains = [
        [keypoints.BODY.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")] for side in ("left", "right")
    ]
    return float(np.mean([np.linalg.norm(np.diff(points[:, chain], axis=1), axis=-1).sum(1) for chain in chains]))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))


@dataclass(frozen=True)
class Skeleton:
    """The reference skeleton's joints, from which axes of rotation follow. heads: bone -> (3,); parents: by bone;
    points (88, 3): the mean adult's named points in the reference pose; floor: height of its lowest vertex, metres."""

    heads: dict[str, NDArray[np.float64]]
    parents: dict[str, str]
    points: NDArray[np.float64]
    floor: float

    @classmethod
    def of(cls, body: AnnyBody) -> "Skeleton":
        parents = {
            bone: body.bones[parent] for bone, parent in zip(body.bones, body.bone_parents, strict=True) if parent >= 0
        }
        still = body.pose({"age": 2 / 3}, Pose({}, np.zeros((1, 3), np.float32), {}))
        heads = {name: head.astype(np.float64) for name, head in body.reference_heads().items()}
        return cls(heads, parents, still.points[0].astype(np.float64), float(still.vertices[0, :, 2].min()))

    @property
    def soles(self) -> NDArray[np.float64]:
        """Heel and toe of the left and the right foot, (4, 3)."""
        return self.points[SOLES]

    def direction(self, start: str, end: str) -> NDArray[np.float64]:
        return _unit(self.heads[end] - self.heads[start])

    def pose(self, angles: Angles, actions: dict[str, NDArray[np.float64]]) -> Pose:
        """Bone rotations of T frames. angles: joint -> (T,), others 0; actions: ARKit name -> (T,).

        Raises: KeyError for an unknown joint.
        """
        given = clip(angles)
        frames = len(next(iter(given.values())))
        zero = np.zeros(frames)
        full = {name: given.get(name, zero) for name in LIMITS}
        rotations = _trunk(full)
        for side in ("left", "right"):
            rotations |= self._arm(full, side) | self._hand(full, side) | _leg(full, side)
        return Pose(
            {bone: rotation.astype(np.float32) for bone, rotation in rotations.items()},
            np.zeros((frames, 3), np.float32),
            {name: np.clip(value, 0, 1).astype(np.float32) for name, value in actions.items()},
        )

    def joints(self, angles: Angles) -> dict[str, NDArray[np.float64]]:
        """Joint positions (T, 3) of the mean body whose root is at the origin, by bone."""
        return self.placed(self.pose(angles, {}).rotations)[0]

    def placed(self, rotations: Rotations, only: tuple[str, ...] = ()) -> tuple[Angles, Angles]:
        """Joint positions (T, 3) and orientations (T, 3, 3) of the mean body whose root is at the origin, by bone.

        only: starts of the names of the bones that are wanted, besides the root; all where it is empty.
        """
        turned: Angles = {"root": rotations["root"].astype(np.float64)}
        placed = {"root": np.zeros((len(turned["root"]), 3))}
        for bone, parent in self.parents.items():
            if only and not bone.startswith(only):
                continue
            offset = self.heads[bone] - self.heads[parent]
            placed[bone] = placed[parent] + turned[parent] @ offset
            turned[bone] = turned[parent] @ rotations[bone] if bone in rotations else turned[parent]
        return placed, turned

    def _arm(self, angles: Angles, side: str) -> dict[str, NDArray[np.float64]]:
        end, sign = side[0].upper(), 1.0 if side == "left" else -1.0
        raised, front = np.radians(angles[f"{side}_arm_raise"]), np.radians(angles[f"{side}_arm_front"])
        lateral = sign * np.sin(raised) * np.cos(front)
        target = np.stack([lateral, -np.sin(raised) * np.sin(front), -np.cos(raised)], 1)
        # The collar bone follows the arm upwards by about a quarter (scapulohumeral rhythm).
        lift = 0.22 * np.maximum(angles[f"{side}_arm_raise"] - 45.0, -30.0) + angles[f"{side}_shoulder_shrug"]
        collar = about(np.array([0.0, -sign, 0.0]), lift)
        upper = self.direction(f"upperarm01.{end}", f"lowerarm01.{end}")
        fore = self.direction(f"lowerarm01.{end}", f"wrist.{end}")
        swing = between(upper, np.einsum("tji,tj->ti", collar, target))
        twist = about(upper, -sign * angles[f"{side}_arm_twist"])
        elbow = about(self.elbow(end), angles[f"{side}_elbow"] - self.elbow_at_rest(end))
        turn = sign * angles[f"{side}_forearm_twist"] / 2
        palm = self.palm(end)
        across = _unit(np.cross(fore, palm))
        wrist = about(across, angles[f"{side}_wrist_bend"]) @ about(palm, sign * angles[f"{side}_wrist_lean"])
        return {
            f"clavicle.{end}": collar,
            f"upperarm01.{end}": swing @ twist,
            f"lowerarm01.{end}": elbow,
            f"lowerarm02.{end}": about(fore, turn),
            f"wrist.{end}": about(fore, turn) @ wrist,
        }

    def elbow(self, end: str) -> NDArray[np.float64]:
        """The unit axis about which the elbow of a side ("L", "R") bends."""
        upper = self.direction(f"upperarm01.{end}", f"lowerarm01.{end}")
        return _unit(np.cross(upper, self.direction(f"lowerarm01.{end}", f"wrist.{end}")))

    def elbow_at_rest(self, end: str) -> float:
        """Degrees by which the elbow is bent in the reference pose."""
        upper = self.direction(f"upperarm01.{end}", f"lowerarm01.{end}")
        return float(np.degrees(np.arccos(upper @ self.direction(f"lowerarm01.{end}", f"wrist.{end}"))))

    def palm(self, end: str) -> NDArray[np.float64]:
        """The unit normal on the palm's inner side."""
        index = self.heads[f"finger2-1.{end}"] - self.heads[f"wrist.{end}"]
        little = self.heads[f"finger5-1.{end}"] - self.heads[f"wrist.{end}"]
        return _unit(np.cross(little, index) if end == "L" else np.cross(index, little))

    def finger_axes(self, end: str, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The axis about which a finger (2 to 5) bends, and the one it spreads about, as long as it spreads much."""
        along = self.direction(f"finger{number}-1.{end}", f"finger{number}-2.{end}")
        return _unit(np.cross(along, self.palm(end))), _SPREAD[number] * self.palm(end)

    def thumb_axis(self, end: str) -> NDArray[np.float64]:
        """The axis about which a thumb bends."""
        thumb = self.direction(f"finger1-1.{end}", f"finger1-3.{end}")
        return _unit(np.cross(thumb, _unit(self.heads[f"finger5-1.{end}"] - self.heads[f"finger1-2.{end}"])))

    def _hand(self, angles: Angles, side: str) -> dict[str, NDArray[np.float64]]:
        end, sign = side[0].upper(), 1.0 if side == "left" else -1.0
        rotations = {}
        for finger, number in _FINGERS.items():
            axis, aside = self.finger_axes(end, number)
            spread = about(_unit(aside), sign * float(np.linalg.norm(aside)) * angles[f"{side}_finger_spread"])
            bend = angles[f"{side}_{finger}_bend"]
            rotations[f"finger{number}-1.{end}"] = spread @ about(axis, angles[f"{side}_{finger}_base"])
            rotations[f"finger{number}-2.{end}"] = about(axis, bend)
            rotations[f"finger{number}-3.{end}"] = about(axis, 0.65 * bend)
        axis = self.thumb_axis(end)
        rotations[f"finger1-1.{end}"] = about(axis, angles[f"{side}_thumb_base"])
        rotations[f"finger1-2.{end}"] = about(axis, 0.6 * angles[f"{side}_thumb_bend"])
        rotations[f"finger1-3.{end}"] = about(axis, angles[f"{side}_thumb_bend"])
        return rotations


def _turn(axis: str, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return about(np.eye(3)[_AXES[axis]], degrees)


def _trunk(angles: Angles) -> dict[str, NDArray[np.float64]]:
    rotations = {"root": _turn("z", angles["facing"]) @ _turn("x", angles["tilt"])}
    for bones, name in ((("spine05", "spine04", "spine03", "spine02", "spine01"), "spine"),
                        (("neck01", "neck02", "neck03", "head"), "head")):  # fmt: skip
        share = 1 / len(bones)
        step = (
            _turn("z", share * angles[f"{name}_turn"])
            @ _turn("y", share * angles[f"{name}_lean"])
            @ _turn("x", share * angles[f"{name}_bend"])
        )
        rotations |= dict.fromkeys(bones, step)
    return rotations


def _leg(angles: Angles, side: str) -> dict[str, NDArray[np.float64]]:
    end, sign = side[0].upper(), 1.0 if side == "left" else -1.0
    # The pelvis may tilt while the feet stay under the body.
    flex = angles[f"{side}_hip_flex"] + angles["tilt"]
    hip = (
        _turn("x", -flex)
        @ _turn("y", -sign * (angles[f"{side}_hip_out"] - STANCE))
        @ _turn("z", sign * angles[f"{side}_hip_twist"])
    )
    return {
        f"upperleg01.{end}": hip,
        f"lowerleg01.{end}": _turn("x", angles[f"{side}_knee"]),
        f"foot.{end}": _turn("x", -angles[f"{side}_ankle"])
        @ _turn("y", sign * (FOOT_ROLL * (angles[f"{side}_hip_out"] - STANCE) - angles[f"{side}_ankle_out"]))
        @ _turn("z", sign * angles[f"{side}_ankle_twist"]),
        **dict.fromkeys((f"toe{toe}-1.{end}" for toe in range(1, 6)), _turn("x", -angles[f"{side}_toes"])),
    }


def mirror(angles: Angles) -> Angles:
    """The mirrored pose: left and right exchanged, leans and turns reversed."""
    swapped = {}
    for name, value in angles.items():
        other = name
        if name.startswith("left_"):
            other = "right_" + name.removeprefix("left_")
        elif name.startswith("right_"):
            other = "left_" + name.removeprefix("right_")
        swapped[other] = -value if name in _MIRRORED else value
    return swapped

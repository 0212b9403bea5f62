"""Feet on the floor: legs solved from where the soles are, and bodies of other proportions stood on theirs.

A motion says where each sole is (`Soles`) and how the pelvis moves (`Pelvis`); two-bone inverse kinematics gives the
legs' angles, so that a foot in contact stays where it is on the mean body. Coordinates are the mean adult's, metres,
z up, the root of the reference pose at the origin and the floor at `Skeleton.floor`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from pipelines.synthesis.body.model import Pose, Posed
from pipelines.synthesis.movement.skeleton import FOOT_ROLL, SOLES, STANCE, Angles, Skeleton, about, leg_length
from pipelines.synthesis.scenes.scene import Floats

Array = NDArray[np.float64]

_BALL, _HEEL = -0.145, 0.045  # metres along y from the root to where a sole rolls: over the ball, over the heel
_REACH = 0.992  # of the length of the straight leg: a knee that locks would jerk
_EASE = 2.0  # samples over which the pelvis gives way to a leg that is too short
_SHARP = 0.012  # metres: a sole this much higher than the other one counts for 1/e of it
_SLACK = 0.012  # metres of clearance that are still contact, for soles are not flat


@dataclass(frozen=True)
class Soles:
    """Two feet (left, right) in K frames. place (K, 2, 3): under the ankle when the sole is flat, z above the floor;
    yaw (K, 2) degrees to the left; pitch (K, 2) degrees, positive lifts the heel, negative the toes."""

    place: Array
    yaw: Array
    pitch: Array


@dataclass(frozen=True)
class Pelvis:
    """place (K, 3): displacement from standing straight; facing (K,) and tilt (K,) in degrees."""

    place: Array
    facing: Array
    tilt: Array


def ankle_place(skeleton: Skeleton, side: str, soles: Soles) -> Array:
    """Where the ankle of a side is, (K, 3): the sole rolls over its ball or its heel."""
    foot, column = skeleton.heads[f"foot.{side[0].upper()}"], int(side == "right")
    pitch = soles.pitch[:, column]
    pivot = np.stack(
        [np.full(len(pitch), foot[0]), np.where(pitch > 0, _BALL, _HEEL), np.full(len(pitch), skeleton.floor)], 1
    )
    rolled = pivot + np.einsum("tij,tj->ti", about(np.eye(3)[0], pitch), foot - pivot) - (foot[0], foot[1], 0)
    turned: Array = np.einsum("tij,tj->ti", about(np.eye(3)[2], soles.yaw[:, column]), rolled)
    return np.asarray(soles.place[:, column] + turned)


def solve_legs(skeleton: Skeleton, soles: Soles, pelvis: Pelvis) -> tuple[Angles, Array]:
    """The legs' angles and the root's displacement (K, 3) that put the soles where they are wanted.

    The pelvis sinks where a leg would not reach. Angles may be beyond the joints' limits where the plan is.
    """
    root = about(np.eye(3)[2], pelvis.facing) @ about(np.eye(3)[0], pelvis.tilt)
    place = pelvis.place.copy()
    ankles = {side: ankle_place(skeleton, side, soles) for side in ("left", "right")}
    highest = np.full(len(place), np.inf)
    for side, ankle in ankles.items():
        end = side[0].upper()
        hip = root @ skeleton.heads[f"upperleg01.{end}"]
        flat = np.linalg.norm((ankle - place - hip)[:, :2], axis=1)
        length = _REACH * _straight(skeleton, end)
        highest = np.minimum(highest, ankle[:, 2] + np.sqrt(np.maximum(length**2 - flat**2, 0.01)) - hip[:, 2])
    place[:, 2] -= gaussian_filter1d(np.maximum(place[:, 2] - highest, 0), _EASE, mode="nearest")
    angles: Angles = {"facing": pelvis.facing, "tilt": pelvis.tilt}
    for column, (side, ankle) in enumerate(ankles.items()):
        foot = about(np.eye(3)[2], soles.yaw[:, column]) @ about(np.eye(3)[0], soles.pitch[:, column])
        angles |= _leg(skeleton, side, ankle - place, root, foot, soles.yaw[:, column], pelvis.tilt)
        angles[f"{side}_toes"] = np.maximum(soles.pitch[:, column], 0) * np.exp(-soles.place[:, column, 2] / 0.05)
    return angles, place


def _straight(skeleton: Skeleton, end: str) -> float:
    hip, knee, foot = (skeleton.heads[f"{bone}.{end}"] for bone in ("upperleg01", "lowerleg01", "foot"))
    return float(np.linalg.norm(knee - hip) + np.linalg.norm(foot - knee))


def _leg(skeleton: Skeleton, side: str, ankle: Array, root: Array, foot: Array, yaw: Array, tilt: Array) -> Angles:
    """Angles of one leg. ankle (K, 3): wanted, seen from the root; root, foot (K, 3, 3): wanted orientations."""
    end, sign = side[0].upper(), 1.0 if side == "left" else -1.0
    hip, knee, heel = (skeleton.heads[f"{bone}.{end}"] for bone in ("upperleg01", "lowerleg01", "foot"))
    upper, lower = knee - hip, heel - knee
    wanted = ankle - root @ hip
    # |upper + Rx(knee) lower|² = |wanted|², which is a + b cos(knee - shift).
    shift = np.arctan2(upper[2] * lower[1] - upper[1] * lower[2], upper[1] * lower[1] + upper[2] * lower[2])
    swing = 2 * np.hypot(upper[1] * lower[1] + upper[2] * lower[2], upper[2] * lower[1] - upper[1] * lower[2])
    rest = (wanted**2).sum(1) - upper @ upper - lower @ lower - 2 * upper[0] * lower[0]
    bend = np.degrees(shift + np.arccos(np.clip(rest / swing, -1, 1)))
    flexed = about(np.eye(3)[0], bend)
    straight = upper + flexed @ lower
    # The knee's hinge is as nearly across the foot's direction as the leg allows.
    across = np.stack([np.cos(np.radians(yaw)), np.sin(np.radians(yaw)), np.zeros(len(yaw))], 1)
    turned = _frame(wanted, across) @ np.swapaxes(_frame(straight, np.broadcast_to(np.eye(3)[0], wanted.shape)), 1, 2)
    flex, out, twist = _euler(np.swapaxes(root, 1, 2) @ turned)
    spread = STANCE - sign * out
    dip, roll, turn = _euler(np.swapaxes(turned @ flexed, 1, 2) @ foot)
    return {
        f"{side}_hip_flex": -flex - tilt,
        f"{side}_hip_out": spread,
        f"{side}_hip_twist": sign * twist,
        f"{side}_knee": bend,
        f"{side}_ankle": -dip,
        f"{side}_ankle_out": FOOT_ROLL * (spread - STANCE) - sign * roll,
        f"{side}_ankle_twist": sign * turn,
    }


def _frame(along: Array, across: Array) -> Array:
    """Orthonormal frames (K, 3, 3), in columns: along, what is left of across, and their product."""
    first = along / np.linalg.norm(along, axis=1, keepdims=True)
    second = across - (across * first).sum(1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], 2)


def _euler(rotation: Array) -> tuple[Array, Array, Array]:
    """a, b, c in degrees with rotation = Rx(a) Ry(b) Rz(c)."""
    a = np.arctan2(-rotation[:, 1, 2], rotation[:, 2, 2])
    b = np.arcsin(np.clip(rotation[:, 0, 2], -1, 1))
    c = np.arctan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return np.degrees(a), np.degrees(b), np.degrees(c)


def stand(skeleton: Skeleton, pose: Pose, bare: Posed, lowest: Floats) -> Floats:
    """How far to move a body of any proportions in each frame, (T, 3), so that it stands and travels as the mean one.

    bare: posed without the translation; lowest (T,): height of its lowest vertex. The points of the soles that are
    nearest to the floor keep to the mean body's, scaled by the length of the legs, so that feet in contact stay; in
    flight it is as far above the floor as the mean body, scaled. The floor is where the mean body's lowest sole is.
    """
    placed, turned = skeleton.placed(pose.rotations, ("root", "pelvis", "upperleg", "lowerleg", "foot", "toe1-1"))
    points = zip(("foot.L", "toe1-1.L", "foot.R", "toe1-1.R"), skeleton.soles, strict=True)
    mean = np.stack([placed[bone] + turned[bone] @ (point - skeleton.heads[bone]) for bone, point in points], 1)
    mean += pose.translation[:, None]
    size = leg_length(bare.points) / leg_length(skeleton.points[None])
    height = mean[..., 2] - skeleton.soles[:, 2]
    height -= height.min()
    weight = np.exp(-(height - height.min(1, keepdims=True)) / _SHARP)
    weight /= weight.sum(1, keepdims=True)
    offset = (weight[..., None] * (size * mean - bare.points[:, SOLES])).sum(1)
    offset[:, 2] = size * np.maximum(height.min(1) - _SLACK, 0) - lowest
    return np.asarray(offset, np.float32)

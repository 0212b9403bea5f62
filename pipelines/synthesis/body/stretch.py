"""Stretch Anny, in the rest pose of another skeleton, onto that skeleton's joints."""

import numpy as np

from pipelines.synthesis.body.model import AnnyBody, Pose
from pipelines.synthesis.movement.importers.retarget import FINGERS, SIDES, Array
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.synthesis.scenes.scene import Floats

# Bones -> where their segment begins and ends in our skeleton, and the joints of the other one there.
_SEGMENTS = (
    (("upperarm",), ("upperarm01", "lowerarm01"), ("arm", "forearm")),
    (("lowerarm",), ("lowerarm01", "wrist"), ("forearm", "hand")),
    (("wrist", "metacarpal"), ("wrist", "finger3-1"), ("hand", "middle1")),
    (("upperleg",), ("upperleg01", "lowerleg01"), ("thigh", "shin")),
    (("lowerleg",), ("lowerleg01", "foot"), ("shin", "foot")),
    *(
        ((f"finger{number}-{joint}",), (f"finger{number}-{min(joint, 2)}", f"finger{number}-{min(joint, 2) + 1}"),
         (f"{finger}{min(joint, 2)}", f"{finger}{min(joint, 2) + 1}"))
        for finger, number in FINGERS.items() for joint in (1, 2, 3)
    ),
)  # fmt: skip


def stretched(
    vertices: Floats, body: AnnyBody, skeleton: Skeleton, pose: Pose, rest: dict[str, Array], height: float
) -> tuple[Floats, float]:
    """Vertices (V, 3) of Anny's mean adult in `pose` onto the joints `rest`, and the scale of the whole.

    Every bone has an affine map: limbs and fingers reach from joint to joint, the trunk from the hips to the shoulders,
    the head keeps its eyes; vertices take the mixture of their bones. height: of the other body, metres.
    """
    scale = height / float(np.ptp(vertices[:, 2]))
    placed, _ = skeleton.placed(pose.rotations)
    heads = {bone: place[0] for bone, place in placed.items()}
    maps = _trunk(heads, rest, scale)
    for side in SIDES:
        for stems, (start, end), (first, last) in _SEGMENTS:
            way = heads[f"{end}.{side}"] - heads[f"{start}.{side}"]
            reach = np.linalg.norm(rest[f"{last}.{side}"] - rest[f"{first}.{side}"]) / np.linalg.norm(way)
            linear = _along(way, scale, float(reach))
            whole = _affine(linear, heads[f"{start}.{side}"], rest[f"{first}.{side}"])
            maps |= {bone: whole for bone in body.bones if bone.startswith(stems) and bone.endswith(f".{side}")}
        for stems, bone, joint in (
            (("clavicle", "shoulder"), "upperarm01", "arm"),
            (("foot", "toe"), "foot", "foot"),
            (("eye",), "eye", "eye"),
        ):
            whole = _affine(scale * np.eye(3), heads[f"{bone}.{side}"], rest[f"{joint}.{side}"])
            maps |= {name: whole for name in body.bones if name.startswith(stems) and name.endswith(f".{side}")}
    blended = np.einsum("vb,bij->vij", body.weights, np.stack([maps[bone] for bone in body.bones]), optimize=True)
    moved = (blended[:, :, :3] @ vertices[..., None])[..., 0] + blended[:, :, 3]
    return np.asarray(moved, np.float32), scale


def _trunk(heads: dict[str, Array], rest: dict[str, Array], scale: float) -> dict[str, Array]:
    """Affine maps (3, 4) of the bones in the middle."""

    def middle(places: dict[str, Array], name: str) -> Array:
        return np.asarray((places[f"{name}.L"] + places[f"{name}.R"]) / 2)

    low, high = middle(heads, "upperleg01"), middle(heads, "upperarm01")
    hips, shoulders = middle(rest, "thigh"), middle(rest, "arm")
    up = np.array([0.0, 0.0, 1.0])
    trunk = _affine(_along(up, scale, float((shoulders - hips)[2] / (high - low)[2])), low, hips)
    head = _affine(scale * np.eye(3), middle(heads, "eye"), middle(rest, "eye"))
    maps = dict.fromkeys(("root", "pelvis.L", "pelvis.R", *(f"spine0{i}" for i in range(1, 6))), trunk)
    for number in (1, 2, 3):
        maps[f"neck0{number}"] = trunk + number / 4 * (head - trunk)
    return maps | {"head": head}


def _along(way: Array, across: float, along: float) -> Array:
    """Scales (3, 3) by `along` in a direction and by `across` beside it."""
    direction = way / np.linalg.norm(way)
    outer = np.outer(direction, direction)
    return np.asarray(across * (np.eye(3) - outer) + along * outer)


def _affine(linear: Array, start: Array, end: Array) -> Array:
    """The map (3, 4) with this linear part that takes `start` to `end`."""
    return np.concatenate([linear, (end - linear @ start)[:, None]], 1)

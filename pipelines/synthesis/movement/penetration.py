"""Whether a body goes through itself: cheaply on the skeleton for the sampler, exactly on the mesh for measuring.

The sampler keeps capsules (Ericson, Real-Time Collision Detection, 4.4) about the mean body's hands and forearms apart
from those of its trunk, head, thighs and other arm. The measure is made on vertices: how deep those of a part are below
the surface of other parts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.model import AnnyBody
from pipelines.synthesis.movement.skeleton import Angles, Skeleton
from pipelines.synthesis.scenes.scene import Floats

Array = NDArray[np.float64]

# Elliptic trunk: (from, to, half width, half depth); and round parts: (from, to, radius); metres on the mean adult.
_TRUNK = (("root", "spine03", 0.185, 0.145), ("spine03", "spine01", 0.17, 0.145), ("spine01", "neck01", 0.13, 0.12))
_BONES = ("root", "spine", "neck", "head", "pelvis", "upperleg", "lowerleg01", "clavicle", "shoulder", "upperarm",
          "lowerarm", "wrist", "metacarpal", "finger3", "finger1")  # fmt: skip
_HEAD, _NECK, _THIGH, _FOREARM, _HAND = 0.112, 0.068, 0.085, 0.042, 0.036
_THICK = (0.038, 0.018, 0.012)


def clearance(skeleton: Skeleton, angles: Angles) -> Array:
    """Metres by which hands and forearms of the mean body are clear of the rest in each frame, (K,); inside below 0."""
    pose = skeleton.pose({**angles, "facing": np.zeros(len(next(iter(angles.values()))))}, {})
    joints, turned = skeleton.placed(pose.rotations, _BONES)
    crown = joints["head"] + np.einsum("tij,j->ti", turned["head"], np.array([0.0, -0.025, 0.135]))
    skull = joints["head"] + np.einsum("tij,j->ti", turned["head"], np.array([0.0, -0.03, 0.03]))
    free = np.full(len(crown), np.inf)
    limbs = {}
    for end in "LR":
        wrist, knuckle = joints[f"wrist.{end}"], joints[f"finger3-1.{end}"]
        elbow, tip = joints[f"lowerarm01.{end}"], joints[f"finger3-3.{end}"]
        low = elbow + 0.35 * (wrist - elbow)
        limbs[end] = [(low, wrist, _FOREARM), (wrist, knuckle, _HAND), (knuckle, tip, 0.022)]
        for start, stop, radius in limbs[end]:
            probes = start[:, None] + np.linspace(0, 1, 3)[:, None] * (stop - start)[:, None]
            for lower, upper, wide, deep in _TRUNK:
                free = np.minimum(free, _from_trunk(joints, turned, probes, lower, upper, wide, deep) - radius)
            free = np.minimum(free, segments_apart(start, stop, skull, crown) - _HEAD - radius)
            free = np.minimum(free, segments_apart(start, stop, joints["neck01"], joints["head"]) - _NECK - radius)
            for leg in "LR":
                thigh = joints[f"upperleg01.{leg}"], joints[f"lowerleg01.{leg}"]
                free = np.minimum(free, segments_apart(start, stop, *thigh) - _THIGH - radius)
    # Palms are flat: two hands may be nearer to each other than either to a trunk.
    for (start, stop, _), thick in zip(limbs["L"], _THICK, strict=True):
        for (begin, last, _), thicker in zip(limbs["R"], _THICK, strict=True):
            free = np.minimum(free, segments_apart(start, stop, begin, last) - thick - thicker)
    for end, opposite in ("LR", "RL"):
        bone = joints[f"upperarm01.{opposite}"], joints[f"lowerarm01.{opposite}"]
        for start, stop, radius in limbs[end]:
            free = np.minimum(free, segments_apart(start, stop, *bone) - radius - 0.048)
    return np.asarray(free)


def _from_trunk(
    joints: Angles, turned: Angles, probes: Array, first: str, last: str, wide: float, deep: float
) -> Array:
    """Metres, nearly, from probes (K, P, 3) to an elliptic cylinder with round ends, the least of each frame."""
    along = joints[last] - joints[first]
    length = np.linalg.norm(along, axis=1)
    local = np.einsum("tji,tpj->tpi", turned[first], probes - joints[first][:, None])
    beyond = local[..., 2] - np.clip(local[..., 2], 0, length[:, None])
    share = np.sqrt((local[..., 0] / wide) ** 2 + (local[..., 1] / deep) ** 2 + (beyond / deep) ** 2)
    radius = np.linalg.norm(np.stack([local[..., 0], local[..., 1], beyond], -1), axis=-1)
    # Along the ray from the axis: exact in its sign, within the ratio of the axes in its size.
    return np.asarray((radius * (1 - 1 / np.maximum(share, 1e-6))).min(1))


def segments_apart(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Distances (K,) between segments a-b and c-d, each (K, 3) (Ericson, 5.1.9)."""
    one, two, between = b - a, d - c, a - c
    length, width = (one**2).sum(1), (two**2).sum(1)
    across, first, second = (one * two).sum(1), (one * between).sum(1), (two * between).sum(1)
    denominator = np.maximum(length * width - across**2, 1e-12)
    s = np.clip((across * second - first * width) / denominator, 0, 1)
    t = np.clip((across * s + second) / np.maximum(width, 1e-12), 0, 1)
    s = np.clip((across * t - first) / np.maximum(length, 1e-12), 0, 1)
    return np.asarray(np.linalg.norm(a + s[:, None] * one - c - t[:, None] * two, axis=1))


@dataclass(frozen=True)
class Region:
    """Vertices that are looked at, and the part of the body that they should not be in. edge (solid,): where the part
    goes on as another one, so that nothing can be said of what is next to it."""

    name: str
    probes: NDArray[np.int64]
    solid: NDArray[np.int64]
    edge: NDArray[np.bool_]


def regions(body: AnnyBody, skin: NDArray[np.int64]) -> list[Region]:
    """Hands and the far halves of forearms against trunk with head, thighs and the other arm; fingers against palms."""
    made = []

    def region(name: str, probes: NDArray[np.int64], solid: NDArray[np.int64]) -> None:
        whole = np.isin(body.faces, solid)
        open_ = np.unique(body.faces[whole.any(1) & ~whole.all(1)])
        made.append(Region(name, probes, solid, np.isin(solid, open_)))

    for end, other in (("L", "R"), ("R", "L")):
        arm = _of(body, skin, f"lowerarm02.{end}", f"wrist.{end}", *_hand(end))[::3]
        region(f"{end}.trunk", arm, _of(body, skin, "spine", "pelvis", "root", "neck", "head", "clavicle"))
        region(f"{end}.thighs", arm, _of(body, skin, "upperleg"))
        region(f"{end}.other_arm", arm, _of(body, skin, *(f"{bone}.{other}" for bone in _ARM), *_hand(other)))
        palm = _of(body, skin, f"wrist.{end}", *(f"metacarpal{n}.{end}" for n in range(1, 5)))
        tips = [_of(body, skin, f"finger{n}-3.{end}") for n in range(1, 6)]
        fingers = [_of(body, skin, f"finger{n}-3.{end}", f"finger{n}-2.{end}") for n in range(1, 6)]
        for n, tip in enumerate(tips, 1):
            region(f"{end}.finger{n}.palm", tip, palm)
            for m in range(n + 1, 6):
                if n == 1 or m == n + 1:
                    region(f"{end}.finger{n}.finger{m}", tip, fingers[m - 1])
    return made


_ARM = ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist")


def _hand(end: str) -> list[str]:
    return [f"finger{n}-{joint}.{end}" for n in range(1, 6) for joint in (1, 2, 3)] + [
        f"metacarpal{n}.{end}" for n in range(1, 5)
    ]


def _of(body: AnnyBody, skin: NDArray[np.int64], *bones: str) -> NDArray[np.int64]:
    """Skin vertices that these bones move most."""
    return skin[body.weight_of(bones)[skin] > 0.5]


def penetration(vertices: Floats, normals: Floats, region: Region, reach: float = 0.15) -> Floats:
    """How deep each probe of a region is below the surface of its solid, (P,) metres, 0 outside.

    vertices, normals: (V, 3) of one posed body. A probe is inside where it is behind the tangent plane of the nearest
    vertex: right on surfaces as dense as ours down to their spacing, 5 mm. reach: no part is deeper than this.
    """
    from scipy.spatial import cKDTree

    probes = vertices[region.probes]
    apart, nearest = cKDTree(vertices[region.solid]).query(probes, distance_upper_bound=reach)
    known = np.isfinite(apart)
    known[known] = ~region.edge[nearest[known]]
    depth = np.zeros(len(probes), np.float32)
    row = region.solid[nearest[known]]
    depth[known] = ((vertices[row] - probes[known]) * normals[row]).sum(1)
    return np.maximum(depth, 0)

"""Poses fitted to the 2D keypoints of a clip: whose motion a person of any shape can then do.

All frames are fitted at once (after SMPLify, Bogo et al., 2016): joint angles within their limits and a camera of weak
perspective, so that the mean body's points fall on the keypoints; priors keep what a picture does not tell near rest,
towards the camera and smooth. Limbs may be longer or shorter than the mean body's, by one factor for each group.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from torch import Tensor

from pipelines import keypoints as kp
from pipelines.errors import DataError
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.fit_face import fit_face
from pipelines.synthesis.movement.fit_model import GROUPS, Chain, chain_of
from pipelines.synthesis.movement.recorded import Recorded
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.synthesis.scenes.scene import Floats

SURE = 0.3  # least confidence of a point that counts
_STEPS = 150
_RATE = 0.05
_ROBUST = 0.03  # shares of the height: residuals beyond count ever less (Geman and McClure, 1987)
_LEAST_POINTS = 6
# How much a point of each part counts: hands and face are many points of one bone or of a few.
_PART_WEIGHT = {"body": 1.0, "left_hand": 0.35, "right_hand": 0.35, "face": 0.15}
# How strongly a parameter is held to rest, by what its name contains; 1 where none is named.
_REST = {"facing": 0.03, "upper": 0.3, "elbow": 0.15, "hip": 0.6, "knee": 0.4, "spine_lean": 2.0, "spine_bend": 2.0,
         "tilt": 3.0, "root_lean": 1.5, "shoulder": 3.0, "ankle": 2.0, "forearm": 0.6, "wrist": 0.8, "thumb": 0.3,
         "index": 0.2, "middle": 0.2, "ring": 0.2, "little": 0.2, "head": 0.5}  # fmt: skip
_RESTS = {"elbow": 25.0, "knee": 6.0, "hip_flex": 2.0, "hip_out": 5.0}
_REST_SCALE, _SMOOTH_SCALE, _BEHIND_SCALE = 6e-5, 3e-4, 0.012
_BALANCE_SCALE, _STRETCH_SCALE = 0.004, 5e-3
_FEET = [kp.BODY.index(f"{side}_{end}") for side in ("left", "right") for end in ("heel", "toe", "ankle")]


@dataclass(frozen=True)
class Fit:
    """error: mean distance of the confident points from the fitted ones, in shares of the person's height."""

    recorded: Recorded
    error: float


def fit(keypoints: Floats, aspect: float, fps: float, skeleton: Skeleton) -> Fit:
    """Fit a clip. keypoints (T, 88, 3) in the project's schema; aspect: of the frame, width over height.

    Raises: DataError where hardly any point is confident.
    """
    pin = torch.as_tensor(np.ascontiguousarray(keypoints, np.float32))
    weight = torch.where(pin[..., 2] >= SURE, pin[..., 2], 0.0)
    if float((weight[:, kp.BODY_SLICE] > 0).sum(1).float().median()) < _LEAST_POINTS:
        raise DataError(f"fewer than {_LEAST_POINTS} body points are confident in most frames; leave this clip out")
    for part, rows in kp.PARTS.items():
        weight[:, rows] *= _PART_WEIGHT[part]
    # Heights of the frame, x to the right and z up.
    seen = torch.stack([pin[..., 0] * aspect, -pin[..., 1]], -1)
    chain = chain_of(skeleton)
    height = float(skeleton.heads["head"][2]) + 0.155 - skeleton.floor
    with torch.enable_grad():
        found = _descend(chain, seen, weight, height)
    rotations, points = found.rotations.numpy(), found.points.numpy()
    placed = _camera(found.points, seen, weight, found.scale)
    sure = weight > 0
    off = torch.linalg.norm(placed - seen, dim=-1) / (found.scale[:, None] * height)
    error = float(off[sure].mean())
    translation = _travel(points, seen.numpy(), weight.numpy(), found.scale.numpy(), fps, skeleton)
    face = fit_face(seen.numpy(), np.where(sure, keypoints[..., 2], 0), rotations, chain.bones)
    turned = {bone: np.ascontiguousarray(rotations[:, row]) for row, bone in enumerate(chain.bones)}
    return Fit(Recorded(Pose(turned, translation, face), fps), error)


@dataclass(frozen=True)
class _Found:
    rotations: Tensor
    points: Tensor
    scale: Tensor


def _descend(chain: Chain, seen: Tensor, weight: Tensor, height: float) -> _Found:
    """Adam over all frames. Angles are squashed into their limits, so that none is ever beyond."""
    frames, names = len(seen), chain.names
    low, high = chain.low, chain.high
    middle, half = (low + high) / 2, (high - low) / 2
    rest = torch.tensor([_rest_of(name) for name in names])
    hold = torch.tensor([next((v for part, v in _REST.items() if part in name), 1.0) for name in names])
    hold = hold * (1 / half.clamp(10, 90)) ** 2 * 900
    latent = torch.atanh(((rest - middle) / half).clamp(-0.95, 0.95)).repeat(frames, 1)
    facing = names.index("facing")
    latent[:, facing] = torch.atanh((_facing(seen, weight) - middle[facing]) / half[facing])
    size = torch.full((frames,), float(np.log(_first_scale(chain, seen, weight))))
    stretch = torch.zeros(len(GROUPS))
    for parameter in (latent, size, stretch):
        parameter.requires_grad_()
    descent = torch.optim.Adam([{"params": [latent], "lr": _RATE}, {"params": [size, stretch], "lr": _RATE / 4}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(descent, _STEPS, _RATE / 20)
    behind = [kp.BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("elbow", "wrist")]
    total = weight.sum()
    for _ in range(_STEPS):
        angles = middle + half * torch.tanh(latent)
        rotations = chain.rotations(angles)
        points = chain.points(rotations, torch.exp(stretch))
        scale = torch.exp(size)
        off = ((_camera(points, seen, weight, scale) - seen) / (scale[:, None, None] * height)).square().sum(-1)
        loss = (weight * off / (off + _ROBUST**2)).sum() / total * _ROBUST**2
        loss = loss + _REST_SCALE * (hold * ((angles - rest) / 30).square()).mean() * len(names) / 10
        loss = loss + _SMOOTH_SCALE * _roughness(angles / 30, size)
        # Arms are more often before the trunk than behind it, which a picture does not tell.
        loss = loss + _BEHIND_SCALE * _depth_behind(points, rotations[:, 0], behind)
        loss = loss + _BALANCE_SCALE * _unbalance(points)
        loss = loss + _STRETCH_SCALE * (stretch.square().sum() + 4 * (stretch - stretch.mean()).square().sum())
        descent.zero_grad()
        loss.backward()
        descent.step()
        schedule.step()
    with torch.no_grad():
        rotations = chain.rotations(middle + half * torch.tanh(latent))
        points = chain.points(rotations, torch.exp(stretch))
    return _Found(rotations, points, torch.exp(size).detach())


def _rest_of(name: str) -> float:
    """Where a parameter rests, degrees: arms hang with elbows a little bent, fingers are a little curled."""
    side = -1.0 if name.startswith("right") else 1.0
    if name.endswith("upper_y"):
        return side * 28.0
    if any(finger in name for finger in ("thumb", "index", "middle", "ring", "little")):
        return 15.0
    return next((value for joint, value in _RESTS.items() if name.endswith(joint)), 0.0)


def _facing(seen: Tensor, weight: Tensor) -> Tensor:
    """A first guess of where each frame's person looks, degrees: away where the left shoulder is on the left."""
    left, right = kp.BODY.index("left_shoulder"), kp.BODY.index("right_shoulder")
    known = (weight[:, left] > 0) & (weight[:, right] > 0)
    if not known.any():
        return torch.zeros(len(seen))
    across = (seen[:, left, 0] - seen[:, right, 0]).numpy()
    across = np.interp(np.arange(len(across)), np.flatnonzero(known.numpy()), across[known.numpy()])
    across = gaussian_filter1d(across, 3, mode="nearest")
    return torch.as_tensor(np.where(across < 0, 150.0, 0.0), dtype=torch.float32)


def _first_scale(chain: Chain, seen: Tensor, weight: Tensor) -> float:
    """Heights of the frame per metre, from the lengths of bones as seen: few are longer than they look."""
    still = chain.points(torch.eye(3).expand(1, len(chain.bones), 3, 3), torch.ones(len(GROUPS)))[0]
    ratios = []
    for a, b in kp.BODY_BONES:
        known = (weight[:, a] > 0) & (weight[:, b] > 0)
        if known.sum() >= 1:
            looks = torch.linalg.norm(seen[known][:, a] - seen[known][:, b], dim=-1)
            ratios.append(float(torch.quantile(looks, 0.8) / torch.linalg.norm(still[a] - still[b])))
    return float(np.median(ratios))


def _camera(points: Tensor, seen: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """Points on the picture (T, 88, 2), moved to where the keypoints are on the whole."""
    flat = scale[:, None, None] * points[..., [0, 2]]
    share = weight / weight.sum(1, keepdim=True).clamp_min(1e-6)
    return flat + (share[..., None] * (seen - flat)).sum(1, keepdim=True)


def _roughness(angles: Tensor, size: Tensor) -> Tensor:
    if len(angles) < 3:
        return torch.zeros(())
    bends = (angles[2:] - 2 * angles[1:-1] + angles[:-2]).square().sum(1).mean()
    return bends + 0.05 * angles.diff(dim=0).square().sum(1).mean() + 20 * size.diff().square().mean()


def _depth_behind(points: Tensor, root: Tensor, rows: list[int]) -> Tensor:
    """Mean square of how far arms are behind the trunk, metres."""
    shoulders = [kp.BODY.index("left_shoulder"), kp.BODY.index("right_shoulder")]
    away = points[:, rows] - points[:, shoulders].mean(1, keepdim=True)
    return torch.relu((away @ root)[..., 1] - 0.07).square().mean()


def _unbalance(points: Tensor) -> Tensor:
    """Mean square of the depth between the feet and what they carry, metres."""
    depth = {
        joint: points[:, [kp.BODY.index(f"{side}_{joint}") for side in ("left", "right")], 1].mean(1)
        for joint in ("shoulder", "hip", "ankle", "toe")
    }
    carried, feet = (depth["shoulder"] + depth["hip"]) / 2, (depth["ankle"] + depth["toe"]) / 2
    return (carried - feet).square().mean() + (depth["shoulder"] - depth["hip"] + 0.03).square().mean()


def _travel(
    points: NDArray[np.float32], seen: NDArray[np.float32], weight: NDArray[np.float32], scale: NDArray[np.float32],
    fps: float, skeleton: Skeleton,
) -> Floats:  # fmt: skip
    """The root's path (T, 3): sideways as seen; up where the lowest foot leaves a floor that it comes back to."""
    frames = len(points)
    path = np.zeros((frames, 3))
    share = weight / np.maximum(weight.sum(1, keepdims=True), 1e-6)
    middle = (share[..., None] * (seen / scale[:, None, None] - points[..., [0, 2]])).sum(1)
    path[:, 0] = gaussian_filter1d(middle[:, 0] - middle[0, 0], 0.05 * fps, mode="nearest")
    feet = points[:, _FEET, 2] - skeleton.points[_FEET, 2]
    lowest = feet.min(1)
    path[:, 2] = -lowest
    if np.median((weight[:, _FEET] > 0).sum(1)) >= len(_FEET) / 2:
        window = 2 * round(0.5 * fps) + 1
        height = gaussian_filter1d(middle[:, 1] + lowest, 0.04 * fps, mode="nearest")
        floor = gaussian_filter1d(minimum_filter1d(height, window), window / 4, mode="nearest")
        path[:, 2] += np.maximum(height - floor - 0.05, 0)
    return path.astype(np.float32)

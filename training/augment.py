"""Augmentation of the driving crops alone: it removes identity, colour and background cues and leaves the motion.

Every draw depends on (seed, the sample's position) only. The frames of a sample share their draws, so that
augmentation never looks like motion.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipelines.keypoints import BODY_SLICE
from training.inputs import Driver

_SCALE, _SHIFT, _TURN, _SHEAR, _PERSPECTIVE, _PIECES = 0.25, 0.1, 0.12, 0.08, 0.08, 0.06
_GRID = 4
# Body, two hands, face: each is warped in its own way. The body least: where it is in its box is motion, too, and what
# the warp hides there no reference image can tell.
_PART_STRENGTH = (0.35, 1.0, 1.0, 1.0)
_PARTS = len(_PART_STRENGTH)
# Standard deviation of a body landmark's error in x and in y, in half sides of the person's box. On real people half of
# them are within .022 of the person's longer side (docs/curation-quality.md), of which the box has 1.16.
LANDMARK_ERROR = 0.032
_UNKNOWN, _NONE_KNOWN = 0.1, 0.15  # share of landmarks, and of samples, of which E sees in the picture alone


@dataclass(frozen=True)
class Draws:
    """Random numbers of B samples: warps (B, 4, 8) and pieces (B, 4, 2, 4, 4) in [-1, 1], colour (B, 3, 4) matrices,
    background (B, 3) in [-1, 1], and whether it replaces the real one (B,); by how much each landmark is wrong (B, 21,
    2), and whether it is known (B, 21, 1)."""

    warps: Tensor
    pieces: Tensor
    colour: Tensor
    background: Tensor
    replace: Tensor
    wrong: Tensor
    known: Tensor

    def to(self, device: torch.device) -> "Draws":
        return Draws(*(getattr(self, field.name).to(device) for field in fields(self)))


def draw(seed: int, positions: Tensor, stream: int = 2) -> Draws:
    """positions: (B,). stream: another number gives draws that have nothing to do with these."""
    samples = [_draw_one(np.random.default_rng((seed, stream, int(position)))) for position in positions]
    return Draws(*(torch.from_numpy(np.stack(values)) for values in zip(*samples, strict=True)))


def _draw_one(rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
    warps = rng.uniform(-1, 1, (_PARTS, 8)).astype(np.float32)
    pieces = rng.uniform(-1, 1, (_PARTS, 2, _GRID, _GRID)).astype(np.float32)
    # Contrast and hue: a random matrix near a random multiple of the identity, and an offset.
    matrix = np.eye(3) * rng.uniform(0.6, 1.4) + rng.uniform(-0.25, 0.25, (3, 3))
    colour = np.concatenate([matrix, rng.uniform(-0.3, 0.3, (3, 1))], 1).astype(np.float32)
    background = rng.uniform(-1, 1, 3).astype(np.float32)
    replaced = np.array(rng.random() < 0.7)
    wrong = rng.normal(0, LANDMARK_ERROR, (BODY_SLICE.stop, 2)).astype(np.float32)
    known = (rng.random((BODY_SLICE.stop, 1)) > _UNKNOWN) & (rng.random() > _NONE_KNOWN)
    return warps, pieces, colour, background, replaced, wrong, known.astype(np.float32)


def augment(driver: Driver, draws: Draws, strength: float) -> Driver:
    """uint8 crops (B, T, C=4, ...) -> float32 crops (B, T, C=3, ...) in [-1, 1].

    strength: 0 leaves the crops as they are, 1 is full strength.
    """
    if strength == 0:
        return driver.plain()
    crops = (driver.body, driver.hands[:, :, 0], driver.hands[:, :, 1], driver.face)
    body, left, right, face = (_augment_part(part, draws, index, strength) for index, part in enumerate(crops))
    places, sure = driver.landmarks.split([2, 1], -1)
    landmarks = torch.cat([places + draws.wrong[:, None], sure * draws.known[:, None]], -1)
    return replace(driver, body=body, hands=torch.stack([left, right], 2), face=face, landmarks=landmarks)


def _augment_part(pixels: Tensor, draws: Draws, part: int, strength: float) -> Tensor:
    batch, frames, channels, size, _ = pixels.shape
    bend = strength * _PART_STRENGTH[part]
    grid = _grid(draws.warps[:, part] * bend, draws.pieces[:, part] * bend, size)
    flat = (pixels.float() / 127.5 - 1).reshape(batch, frames * channels, size, size)
    warped = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    warped = warped.unflatten(1, (frames, channels))
    image, alpha = warped[:, :, :3], (warped[:, :, 3:] + 1) / 2
    cut = (draws.replace[:, None, None, None, None] * (1 - alpha)).to(image.dtype)
    image = image.lerp(draws.background[:, None, :, None, None].expand_as(image), cut)
    still = torch.eye(3, 4, device=image.device)
    colour = still + (draws.colour - still) * strength
    image = torch.einsum("bij,btjhw->btihw", colour[:, :, :3], image) + colour[:, None, :, 3, None, None]
    return image.clamp(-1, 1)


def _grid(warp: Tensor, pieces: Tensor, size: int) -> Tensor:
    """Sampling grid (B, size, size, 2) of scale, shift, turn, shear, mild perspective and piecewise displacement."""
    scale_x = 1 + _SCALE * warp[:, 0] + 0.1 * warp[:, 1]
    scale_y = 1 + _SCALE * warp[:, 0] - 0.1 * warp[:, 1]
    turn = _TURN * warp[:, 2]
    shear = _SHEAR * warp[:, 3]
    rows = [
        torch.stack([scale_x * turn.cos(), shear - turn.sin(), _SHIFT * warp[:, 4]], -1),
        torch.stack([turn.sin(), scale_y * turn.cos(), _SHIFT * warp[:, 5]], -1),
        torch.stack([_PERSPECTIVE * warp[:, 6], _PERSPECTIVE * warp[:, 7], torch.ones_like(turn)], -1),
    ]
    steps = (torch.arange(size, device=warp.device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1) @ torch.stack(rows, 1).transpose(1, 2)
    plane: Tensor = (points[..., :2] / points[..., 2:]).unflatten(1, (size, size))
    bend = F.interpolate(pieces * _PIECES, size=(size, size), mode="bicubic", align_corners=True)
    return plane + bend.permute(0, 2, 3, 1)

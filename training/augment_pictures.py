"""What the picture networks are told wrongly in training, as they will be in use: colours, and points.

Every draw depends on (seed, the sample's position) only.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.keypoints import COUNT, LEFT_HAND_SLICE, RIGHT_HAND_SLICE
from training.model.parts import body_scale
from training.model.points import bounded, completed

_GAMMA, _GAIN, _OFFSET, _SWAPPED = 0.25, 0.15, 0.04, 0.3
_HIDDEN = 0.5  # parts of the body's scale by which a hidden hand may be elsewhere
_UNSEEN = 0.15  # and any point that is not seen
_SEEN = 0.004  # of the picture, by which the photo's points are read wrongly


@dataclass(frozen=True)
class PictureDraws:
    """Of B samples. gamma (B, 1, 1, 1), gain and offset (B, 3, 1, 1), order (B, 3): of the colours. places (B, 2, 88,
    2): normal, for the photo's points and the frame's; hands (B, 2, 2, 2): likewise, for whole hands; doubt (B, 2, 3)
    in [0, 1]. middle (B, 2) in [0, 1]: of the square that F learns from."""

    gamma: Tensor
    gain: Tensor
    offset: Tensor
    order: Tensor
    places: Tensor
    hands: Tensor
    doubt: Tensor
    middle: Tensor

    def to(self, device: torch.device) -> "PictureDraws":
        return PictureDraws(*(getattr(self, field.name).to(device) for field in fields(self)))


def draw_for_pictures(seed: int, positions: Tensor, strength: float) -> PictureDraws:
    """positions: (B,). strength: of the colours'."""
    samples = [_draw_one(np.random.default_rng((seed, 3, int(position))), strength) for position in positions]
    return PictureDraws(*(torch.from_numpy(np.stack(values)) for values in zip(*samples, strict=True)))


def _draw_one(rng: np.random.Generator, strength: float) -> tuple[NDArray[np.generic], ...]:
    gamma = np.exp(strength * rng.normal(0, _GAMMA, (1, 1, 1)))
    gain = np.exp(strength * rng.normal(0, _GAIN, (3, 1, 1)))
    offset = strength * rng.normal(0, _OFFSET, (3, 1, 1))
    order = rng.permutation(3) if rng.random() < _SWAPPED * strength else np.arange(3)
    places, hands = rng.normal(0, 1, (2, COUNT, 2)), rng.normal(0, 1, (2, 2, 2))
    numbers = (places, hands, rng.random((2, 3)), rng.random(2))
    first = tuple(value.astype(np.float32) for value in (gamma, gain, offset))
    return (*first, order, *(value.astype(np.float32) for value in numbers))


def recoloured(images: Tensor, picture_draws: PictureDraws) -> Tensor:
    """Images (B, ..., 3, H, W) in [-1, 1], all of a sample in the same other colours."""
    shape = (len(images), *(1 for _ in range(images.ndim - 4)))
    order = picture_draws.order.view(*shape, 3, 1, 1).expand_as(images)
    swapped = images.gather(-3, order)
    gamma, gain, offset = (
        value.view(*shape, *value.shape[1:])
        for value in (picture_draws.gamma, picture_draws.gain, picture_draws.offset)
    )
    changed = ((swapped + 1) / 2).clamp(min=1e-4) ** gamma * gain + offset
    return changed.clamp(0, 1) * 2 - 1


def doubted_photo(points: Tensor, picture_draws: PictureDraws) -> Tensor:
    """The photo's points (B, 88, 3) as a reader finds them: a little off, and what nobody sees at rest, or guessed."""
    guessed = torch.where(picture_draws.doubt[:, 0, :1, None] < 0.5, points, completed(points))
    return _moved(guessed, picture_draws, 0, _SEEN)


def doubted_frame(points: Tensor, picture_draws: PictureDraws) -> Tensor:
    """The points (B, T, 88, 3) of frames, those that nobody sees not exactly where they are."""
    frames = points.shape[1]
    return torch.stack([_moved(points[:, t], picture_draws, 1, 0.0) for t in range(frames)], 1)


def _moved(points: Tensor, picture_draws: PictureDraws, which: int, seen: float) -> Tensor:
    points = bounded(points)
    scale = body_scale(points)[:, None, None]
    hidden = (points[..., 2:] < 0.5).float() * (picture_draws.doubt[:, which, 1, None, None] < 0.5)
    shift = picture_draws.places[:, which] * (seen + _UNSEEN * hidden * scale)
    for side, hand in enumerate((LEFT_HAND_SLICE, RIGHT_HAND_SLICE)):
        unseen = (points[:, hand, 2].amax(1) < 0.5) & (picture_draws.doubt[:, which, 2] < 0.5)
        whole = picture_draws.hands[:, which, side, None] * _HIDDEN * scale
        shift = shift.clone()
        shift[:, hand] += whole * unseen[:, None, None]
    return bounded(torch.cat([points[..., :2] + shift, points[..., 2:]], -1))

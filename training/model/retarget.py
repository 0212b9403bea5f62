"""D: places the motion tokens on the body of the person in the reference image."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.keypoints import COUNT, FACE_SLICE, LEFT_HAND_SLICE
from training.config import ModelConfig
from training.model.encoders import BOX, PLACE, MotionTokens
from training.model.heads import PointHead
from training.model.parts import sampled
from training.model.points import PARENTS, bumps, chains, in_person_box, stand

# Of the perceptron: channels that it is told of each patch, and its width.
_SQUEEZED, _WHOLE = 8, 512
_REACH = 0.6  # half pictures by which its steps differ at first, where an output is one
_CORRECTION = 0.1  # of the picture, by which features move a point, where an output is one


@dataclass(frozen=True)
class Seen:
    """What there is in a reference image: features (B, d, g, g), see `Eyes`; the person's points (B, 88, 3)."""

    features: Tensor
    points: Tensor


@dataclass(frozen=True)
class Places:
    """read (B, T, 88, 3): the driver's points as each token tells them, see `PointHead`. points (B, T, 88, 2) in
    [0, 1]: where they come to lie on the reference person, before D's features say more."""

    read: Tensor
    points: Tensor


@dataclass(frozen=True)
class Placed:
    """The motion on the reference person. guidance (B, T, C_g, h, w) on the latent grid; features (B, T, d, g, g);
    points (B, T, 88, 3): places in [0, 1] and logits of being seen."""

    guidance: Tensor
    features: Tensor
    points: Tensor


class RetargetDecoder(nn.Module):
    """First points, then a ViT over the four tokens of a frame and the patches of the reference image.

    Where a limb comes to lie follows from the whole pose and the whole body, which attention would have to gather over
    many layers. So the driver's points, as the tokens tell them, are put where place and sizes say (see `stand`); a
    perceptron that looks at everything at once changes the steps from point to point along the limbs, so that a
    shoulder takes its arm along; each patch is told which points are near; and what attention then finds at each point
    corrects it. g = sight / patch.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, grid = config.retarget_width, config.sight // config.patch
        self.grid, self.cells = grid, config.heatmap_size
        self.latent_side = config.sketch // config.codec_factor
        self.points = PointHead(config)
        # Positions as strong as the content: with weaker ones the heatmaps stay flat for hundreds of steps.
        self.position = nn.Parameter(torch.randn(grid * grid, width) * 0.5)
        sizes = (config.body_token, config.hand_token, config.hand_token, config.face_token)
        self.project = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.part = nn.Parameter(torch.randn(len(sizes), width) * 0.5)
        self.squeeze = nn.Conv2d(width, _SQUEEZED, 1)
        self.whole = nn.Sequential(
            nn.Linear(sum(sizes) + _SQUEEZED * grid * grid + 8 * COUNT + 4, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, 2 * COUNT),
        )
        # The points of the driver and of the reference.
        self.near = nn.Linear(2 * COUNT * (config.heatmap_size // grid) ** 2, width)
        layer = nn.TransformerEncoderLayer(
            width,
            config.retarget_heads,
            4 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(
            layer, config.retarget_layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.which = nn.Parameter(torch.randn(COUNT, width) * 0.5)
        self.correct = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 3))
        self.to_guidance = nn.Conv2d(width, config.guidance, 1)
        # At first points are where place and sizes put them.
        for last in (self.whole[-1], self.correct[-1]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
        self.chains: Tensor
        self.register_buffer("chains", chains(), persistent=False)

    def forward(self, seen: Seen, places: Places, tokens: MotionTokens) -> Placed:
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        batch = tokens.body.shape[:2]
        own = self._cells(seen.points[:, None, :, :2])[:, None].expand(-1, batch[1], -1, -1)
        near = self.near(torch.cat([self._cells(places.points).unflatten(0, batch), own], -1))
        motion = torch.stack([layer(part) for layer, part in zip(self.project, parts, strict=True)], 2) + self.part
        patches = (seen.features.flatten(2).transpose(1, 2) + self.position)[:, None] + near
        mixed = self.blocks(torch.cat([motion, patches], 2).flatten(0, 1))[:, len(parts) :]
        features = mixed.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        side = (self.latent_side, self.latent_side)
        guidance = F.interpolate(self.to_guidance(features), size=side, mode="bilinear", antialias=True)
        points = self._corrected(features, places.points)
        return Placed(guidance.unflatten(0, batch), features.unflatten(0, batch), points)

    def _cells(self, points: Tensor) -> Tensor:
        """Which points are near each patch: (B, T, 88, 2) -> (B T, g^2, 88 r^2), each patch r x r cells."""
        maps = F.pixel_unshuffle(bumps(points, self.cells).exp().flatten(0, 1), self.cells // self.grid)
        return maps.flatten(2).transpose(1, 2)

    def _corrected(self, features: Tensor, points: Tensor) -> Tensor:
        """features (B T, d, g, g), points (B, T, 88, 2) -> (B, T, 88, 3)."""
        at = points.flatten(0, 1)
        local = sampled(features, at.clamp(0, 1)[:, None])[:, :, 0].transpose(1, 2)
        change, shown = self.correct(local + self.which).split([2, 1], -1)
        corrected: Tensor = torch.cat([at + _CORRECTION * change, shown], -1).unflatten(0, points.shape[:2])
        return corrected

    def place(self, seen: Seen, tokens: MotionTokens) -> Places:
        read = self.points(tokens)
        boxes = (part[..., :BOX] for part in (tokens.left_hand, tokens.right_hand, tokens.face))
        driver = in_person_box(torch.cat([read[..., :2], read[..., 2:].sigmoid()], -1), *boxes)
        own = torch.cat([seen.points[..., :2] * 2 - 1, seen.points[..., 2:]], -1)
        own = own[:, None].expand_as(driver)
        base = stand(driver, own, tokens.body[..., :PLACE])
        squeezed = self.squeeze(seen.features).flatten(1)[:, None].expand(-1, driver.shape[1], -1)
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        steps = _steps(driver, base.driver_head)
        known = (squeezed, driver.flatten(2), own.flatten(2), _steps(own, base.head).flatten(2))
        told = torch.cat([*parts, *known, base.head, base.log_scale, base.size], -1)
        change = _REACH * self.whole(told).unflatten(-1, (COUNT, 2))
        moved = base.log_scale.exp()[..., None] * steps + change
        points = base.head[..., None, :] + self.chains @ moved
        return Places(read, (points + 1) / 2)


def _steps(points: Tensor, head: Tensor) -> Tensor:
    """From each point's parent to it, the nose's from the head's middle (..., 2): (..., 88, 3) -> (..., 88, 2).

    The points of a hidden hand or face mean nothing and stay where their parent is.
    """
    places = points[..., :2]
    steps = places - places[..., PARENTS, :]
    first = (places[..., 0, :] - head)[..., None, :]
    body = steps[..., 1 : LEFT_HAND_SLICE.start, :]
    fine = slice(LEFT_HAND_SLICE.start, FACE_SLICE.stop)
    return torch.cat([first, body, steps[..., fine, :] * points[..., fine, 2:]], -2)

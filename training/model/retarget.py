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

_WHOLE = 512  # width of the perceptron
_REACH = 0.6  # half pictures by which its steps differ at first, where an output is one
_CORRECTION = 0.1  # of the picture, by which features move a point, where an output is one


@dataclass(frozen=True)
class Seen:
    """What there is in a reference image: features (B, d, g, g), see `Eyes`; the person's points (B, 88, 3)."""

    features: Tensor
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
    perceptron that looks at all points at once changes the steps from point to point along the limbs, so that a
    shoulder takes its arm along; it is told nothing but points, so that it learns from points without pictures, too
    (see `training.practice`); each patch is told which points are near; and what attention then finds at each point
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
        self.whole = nn.Sequential(
            nn.Linear(10 * COUNT + PLACE + 6, _WHOLE),
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

    def forward(self, seen: Seen, places: Tensor, tokens: MotionTokens) -> Placed:
        """places: see `place`."""
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        batch = tokens.body.shape[:2]
        own = self._cells(seen.points[:, None, :, :2])[:, None].expand(-1, batch[1], -1, -1)
        near = self.near(torch.cat([self._cells(places).unflatten(0, batch), own], -1))
        motion = torch.stack([layer(part) for layer, part in zip(self.project, parts, strict=True)], 2) + self.part
        patches = (seen.features.flatten(2).transpose(1, 2) + self.position)[:, None] + near
        mixed = self.blocks(torch.cat([motion, patches], 2).flatten(0, 1))[:, len(parts) :]
        features = mixed.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        side = (self.latent_side, self.latent_side)
        guidance = F.interpolate(self.to_guidance(features), size=side, mode="bilinear", antialias=True)
        points = self._corrected(features, places)
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

    @torch.no_grad()
    def place(self, seen: Seen, tokens: MotionTokens) -> Tensor:
        """Where the driver's points come to lie before features say more: (B, T, 88, 2) in [0, 1].

        Without gradients: the perceptron learns from points alone, of which there are a hundred times as many.
        """
        read = self.points(tokens)
        boxes = (part[..., :BOX] for part in (tokens.left_hand, tokens.right_hand, tokens.face))
        driver = in_person_box(torch.cat([read[..., :2], read[..., 2:].sigmoid()], -1), *boxes)
        return self.moved(driver, tokens.body[..., :PLACE], seen.points[:, None].expand_as(driver))

    def moved(self, driver: Tensor, place: Tensor, photo: Tensor) -> Tensor:
        """Where points come to lie on the person in a photo: (..., 88, 2) in [0, 1].

        driver (..., 88, 3): x and y in [-1, 1] of the person's box. place (..., 2): see `Driver.place`. photo (..., 88,
        3): x and y in [0, 1]. The third number of a point is how much it is seen.
        """
        own = torch.cat([photo[..., :2] * 2 - 1, photo[..., 2:]], -1)
        base = stand(driver, own, place)
        steps = _steps(driver, base.driver_head)
        points = (driver.flatten(-2), own.flatten(-2), steps.flatten(-2), _steps(own, base.head).flatten(-2))
        told = torch.cat([*points, place, base.head, base.driver_head, base.log_scale, base.size], -1)
        change = _REACH * self.whole(told).unflatten(-1, (COUNT, 2))
        moved: Tensor = base.head[..., None, :] + self.chains @ (base.log_scale.exp()[..., None] * steps + change)
        return (moved + 1) / 2


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

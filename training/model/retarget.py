"""D: places the motion tokens on the body of the person in the reference image."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.keypoints import COUNT
from training.config import ModelConfig
from training.model.encoders import BOX, PLACE, MotionTokens
from training.model.heads import HeatmapHead, PointHead
from training.model.points import bumps, centre, in_person_box, mass, stand

# Of the perceptron: channels that it is told of each patch, and its width.
_SQUEEZED, _WHOLE = 8, 512
_REACH = 0.6  # half pictures by which its points are off the head at first, where an output is one


@dataclass(frozen=True)
class Seen:
    """What there is in a reference image: features (B, d, g, g), see `Eyes`; heatmap logits (B, 88, M, M) of the
    person's own points; logits (B, 88) of whether they are seen."""

    features: Tensor
    heatmaps: Tensor
    shown: Tensor


@dataclass(frozen=True)
class Places:
    """read (B, T, 88, 3): the driver's points as each token tells them, see `PointHead`. points (B, T, 88, 2) in
    [0, 1]: where they come to lie on the reference person."""

    read: Tensor
    points: Tensor


@dataclass(frozen=True)
class Placed:
    """The motion on the reference person. guidance (B, T, C_g, h, w) on the latent grid; features (B, T, d, g, g);
    points: see `Places`."""

    guidance: Tensor
    features: Tensor
    points: Tensor


class RetargetDecoder(nn.Module):
    """First points, then a ViT over the four tokens of a frame and the patches of the reference image.

    Where a limb comes to lie follows from the whole pose and the whole body, which attention would have to gather over
    many layers. So the person is put where place and sizes say (see `stand`), a perceptron that looks at everything at
    once says where the points are about the head, and each patch is told which are near. g = H / patch.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, grid = config.retarget_width, config.size // config.patch
        self.grid, self.cells = grid, config.heatmap_size
        self.points = PointHead(config)
        self.own = HeatmapHead(config)
        # A point that is seen has a sharp map.
        self.sharp = nn.Parameter(torch.tensor([2.0, 6.0]).repeat(COUNT, 1))
        # Positions as strong as the content: with weaker ones the heatmaps stay flat for hundreds of steps.
        self.position = nn.Parameter(torch.randn(grid * grid, width) * 0.5)
        sizes = (config.body_token, config.hand_token, config.hand_token, config.face_token)
        self.project = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.part = nn.Parameter(torch.randn(len(sizes), width) * 0.5)
        self.squeeze = nn.Conv2d(width, _SQUEEZED, 1)
        self.whole = nn.Sequential(
            nn.Linear(sum(sizes) + _SQUEEZED * grid * grid + 6 * COUNT + 4, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, 2 * COUNT),
        )
        self.near = nn.Linear(COUNT * (config.heatmap_size // grid) ** 2, width)
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
        ratio = config.patch // config.codec_factor
        self.to_guidance = nn.Sequential(nn.Conv2d(width, config.guidance * ratio * ratio, 1), nn.PixelShuffle(ratio))

    def see(self, features: Tensor) -> Seen:
        """features: (B, d, g, g), of the reference image."""
        heatmaps: Tensor = self.own(features[:, None])[:, 0]
        slope, rest = self.sharp.unbind(-1)
        return Seen(features, heatmaps, slope * mass(heatmaps).amax((-1, -2)).log() + rest)

    def forward(self, seen: Seen, places: Places, tokens: MotionTokens) -> Placed:
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        batch = tokens.body.shape[:2]
        cells = F.pixel_unshuffle(bumps(places.points, self.cells).exp().flatten(0, 1), self.cells // self.grid)
        near = self.near(cells.flatten(2).transpose(1, 2)).unflatten(0, batch)
        motion = torch.stack([layer(part) for layer, part in zip(self.project, parts, strict=True)], 2) + self.part
        patches = (seen.features.flatten(2).transpose(1, 2) + self.position)[:, None] + near
        mixed = self.blocks(torch.cat([motion, patches], 2).flatten(0, 1))[:, len(parts) :]
        features = mixed.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return Placed(self.to_guidance(features).unflatten(0, batch), features.unflatten(0, batch), places.points)

    def place(self, seen: Seen, tokens: MotionTokens) -> Places:
        read = self.points(tokens)
        boxes = (part[..., :BOX] for part in (tokens.left_hand, tokens.right_hand, tokens.face))
        driver = in_person_box(torch.cat([read[..., :2], read[..., 2:].sigmoid()], -1), *boxes)
        own = torch.cat([centre(mass(seen.heatmaps)) * 2 - 1, seen.shown.sigmoid()[..., None]], -1)
        own = own[:, None].expand_as(driver)
        base = stand(driver, own, tokens.body[..., :PLACE])
        squeezed = self.squeeze(seen.features).flatten(1)[:, None].expand(-1, driver.shape[1], -1)
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        known = (squeezed, driver.flatten(2), own.flatten(2), base.head, base.log_scale, base.size)
        off = self.whole(torch.cat([*parts, *known], -1)).unflatten(-1, (COUNT, 2))
        return Places(read, (base.head[..., None, :] + _REACH * off + 1) / 2)

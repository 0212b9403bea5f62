"""The pixel side of the small presets: what can be copied from the reference, and a net that removes patch borders."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig


class Displacement(nn.Module):
    """Where in the reference image each place of a frame is to be copied from, told by D's features.

    features (B, T, d, g, g) -> offsets (B, T, 2, M, M), x and y in units of half the frame, M = heatmap_size.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        ratio = config.heatmap_size * config.patch // config.size
        self.head = nn.Conv2d(config.retarget_width, 2 * ratio * ratio, 1)
        self.ratio = ratio
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        offsets = F.pixel_shuffle(self.head(features.flatten(0, 1)), self.ratio)
        per_frame: Tensor = offsets.unflatten(0, features.shape[:2])
        return per_frame


def warp(image: Tensor, offsets: Tensor) -> Tensor:
    """Sample an image at displaced places: (B, 3, H, W) and (B, T, 2, M, M) -> (B, T, 3, H, W)."""
    batch, frames = offsets.shape[:2]
    height, width = image.shape[-2:]
    fine = F.interpolate(offsets.flatten(0, 1), size=(height, width), mode="bilinear", align_corners=False)
    x = (torch.arange(width, device=image.device) + 0.5) / width * 2 - 1
    y = (torch.arange(height, device=image.device) + 0.5) / height * 2 - 1
    place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    source = image[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1)
    # The backward pass of torch 2.13 on CPUs writes where NaN points to. A run that diverges must live to say so.
    there = (place + fine.permute(0, 2, 3, 1)).nan_to_num(0.0)
    moved = F.grid_sample(source, there, padding_mode="border", align_corners=False)
    out: Tensor = moved.unflatten(0, (batch, frames))
    return out


class CopyAndRefine(nn.Module):
    """Blends, pixel by pixel, what the DiT made, the displaced reference and the reference; then adds a correction."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.factor = config.codec_factor
        self.extra = 3 * self.factor**2
        width = config.refine
        self.layers = nn.Sequential(
            nn.Conv2d(12, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
        )
        self.correct = nn.Conv2d(width, 3, 3, padding=1)
        for parameter in self.correct.parameters():
            nn.init.zeros_(parameter)

    def forward(self, prediction: Tensor, moved: Tensor, reference: Tensor) -> Tensor:
        """prediction: (B, 6 f^2, T, h, w), image and three shares. moved: (B, T, 3, H, W). reference: (B, 3, H, W).

        Returns (B, 3 f^2, T, h, w).
        """
        batch, frames = moved.shape[:2]
        pixels = F.pixel_shuffle(prediction.transpose(1, 2).flatten(0, 1), self.factor)
        made, shares = pixels[:, :3], pixels[:, 3:].softmax(1)
        still = reference[:, None].expand_as(moved).flatten(0, 1)
        moved = moved.flatten(0, 1)
        image = shares[:, :1] * made + shares[:, 1:2] * moved + shares[:, 2:] * still
        image = image + self.correct(self.layers(torch.cat([image, moved, still, shares], 1)))
        cells: Tensor = F.pixel_unshuffle(image, self.factor).unflatten(0, (batch, frames))
        return cells.transpose(1, 2)

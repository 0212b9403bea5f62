"""The pixel side of the small presets: a gate that copies from the reference, and a net that removes patch borders."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CopyAndRefine(nn.Module):
    """Blends the DiT's image with the reference, pixel by pixel, and adds a convolutional correction.

    factor: pixels per side of a latent cell. width: channels of the correction net.
    """

    def __init__(self, factor: int, width: int) -> None:
        super().__init__()
        self.factor = factor
        self.extra = factor * factor
        self.layers = nn.Sequential(
            nn.Conv2d(7, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
        )
        self.correct = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.zeros_(self.correct.weight)

    def forward(self, prediction: Tensor, reference: Tensor) -> Tensor:
        """prediction: (B, 4 f^2, T, h, w), image and gate. reference: (B, 3, H, W). Returns (B, 3 f^2, T, h, w)."""
        batch, frames = prediction.shape[0], prediction.shape[2]
        pixels = F.pixel_shuffle(prediction.transpose(1, 2).flatten(0, 1), self.factor)
        image, gate = pixels[:, :3], pixels[:, 3:].sigmoid()
        source = reference[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1)
        image = gate * source + (1 - gate) * image
        image = image + self.correct(self.layers(torch.cat([image, source, gate], 1)))
        cells: Tensor = F.pixel_unshuffle(image, self.factor).unflatten(0, (batch, frames))
        return cells.transpose(1, 2)

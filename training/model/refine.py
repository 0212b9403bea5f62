"""The pixel side of the small presets: what can be copied from the reference, and a net that removes patch borders."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig

_FOLD = 2  # pixels per side that the refine net sees as one: a third of the time, and it sees twice as far
_SPREAD = 0.002  # of the fields' weights at first: copies are then half a pixel apart


class MovedReference(nn.Module):
    """The reference image, moved: a mix of copies, each displaced by a field of its own, as D's features say.

    features (B, T, d, g, g), reference (B, 3, H, W) -> (B, T, 3, H, W). Where one displacement is uncertain several
    make the mean picture, which is what a squared error asks for (Finn et al., 2016, arXiv 1605.07157, mix likewise).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, ratio = config.retarget_width, config.heatmap_size * config.patch // config.size
        self.copies = config.copies
        self.fields = nn.Conv2d(width, 2 * config.copies, 1)
        self.shares = nn.Sequential(nn.Conv2d(width, (config.copies + 1) * ratio * ratio, 1), nn.PixelShuffle(ratio))
        # All alike, the fields would stay so.
        for name, parameter in self.named_parameters():
            nn.init.normal_(parameter, std=_SPREAD if name == "fields.weight" else 0.0)

    def forward(self, features: Tensor, reference: Tensor) -> Tensor:
        frames, (height, width) = features.shape[1], reference.shape[-2:]
        fields, shares = (
            F.interpolate(layer(features.flatten(0, 1)), size=(height, width), mode="bilinear")
            for layer in (self.fields, self.shares)
        )
        offsets = fields.unflatten(0, (-1, frames)).unflatten(2, (self.copies, 2))
        shares = shares.softmax(1).unflatten(0, (-1, frames))
        moved, still = shares.split([self.copies, 1], 2)
        # A product and a sum: `einsum` is twice as slow here.
        copies = (displaced(reference, offsets) * moved[:, None]).sum(3)
        mixed: Tensor = copies.transpose(1, 2) + still * reference[:, None]
        return mixed


def displaced(image: Tensor, offsets: Tensor) -> Tensor:
    """Sample an image at displaced places: (B, 3, H, W) and (B, T, K, 2, H, W), x and y in half pictures -> (B, 3, T,
    K, H, W)."""
    frames, count, _, height, width = offsets.shape[1:]
    x = (torch.arange(width, device=image.device) + 0.5) / width * 2 - 1
    y = (torch.arange(height, device=image.device) + 0.5) / height * 2 - 1
    place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    # The backward pass of torch 2.13 on CPUs writes where NaN points to. A run that diverges must live to say so.
    there = (place + offsets.movedim(3, -1)).nan_to_num(0.0)
    # All fields as one tall grid: the image is read as it is, not copied for each.
    copies = F.grid_sample(image, there.flatten(1, 3), padding_mode="border", align_corners=False)
    out: Tensor = copies.unflatten(2, (frames, count, height))
    return out


class CopyAndRefine(nn.Module):
    """Blends, pixel by pixel, what the DiT made, the displaced reference and the reference; then adds a correction."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.factor = config.codec_factor
        self.extra = 3 * self.factor**2
        width = config.refine
        self.layers = nn.Sequential(
            nn.Conv2d(12 * _FOLD**2, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
        )
        self.correct = nn.Conv2d(width, 3 * _FOLD**2, 3, padding=1)
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
        known = F.pixel_unshuffle(torch.cat([image, moved, still, shares], 1), _FOLD)
        image = image + F.pixel_shuffle(self.correct(self.layers(known)), _FOLD)
        cells: Tensor = F.pixel_unshuffle(image, self.factor).unflatten(0, (batch, frames))
        return cells.transpose(1, 2)

"""F: which of the copies each pixel takes, how far the person reaches, and what to add; the last net of a picture."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig
from training.model.copies import COPY_CHANNELS, Copies, Evidence, stacked
from training.model.unet import UNet

_FOLD = 2
_SOURCES = 4  # own, twin, plain, made
_EDGE, _EDGE_CHANGE = 1.5, 3.0


@dataclass(frozen=True)
class Blend:
    """Of N frames at H x W places: shares (N, 4, H, W) of the part itself, its twin, its mean colour and what the DiT
    made; edge (N, 1, H, W), logits of whether the place is the person's; correction (N, 3, H, W)."""

    shares: Tensor
    edge: Tensor
    correction: Tensor

    def of(self, copies: Copies, made: Tensor) -> Tensor:
        """The picture (N, 3, H, W). made: what the DiT made, as large."""
        sources = torch.stack([copies.own, copies.twin, copies.plain, made], 1)
        person = (self.shares[:, :, None] * sources).sum(1)
        picture: Tensor = copies.behind.lerp(person, self.edge.sigmoid()) + self.correction
        return picture


class Blender(nn.Module):
    """F: copies and what the DiT made (N, 3, H, W) -> how to blend them. At first it trusts what the layout says."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.blend_width
        self.net = UNet((COPY_CHANNELS + 3) * _FOLD**2, [width, 2 * width, 3 * width, 4 * width])
        self.says = nn.Conv2d(width, _SOURCES + 1 + 3, 3, padding=1)
        for parameter in self.says.parameters():
            nn.init.zeros_(parameter)

    def forward(self, copies: Copies, evidence: Evidence, made: Tensor) -> Blend:
        known = F.pixel_unshuffle(torch.cat([stacked(copies, evidence), made], 1), _FOLD)
        features = self.net(known.contiguous(memory_format=torch.channels_last))
        # Enlarged, not shuffled: see `layout`.
        said = self.says(F.interpolate(features, scale_factor=_FOLD, mode="bilinear"))
        change, edge, correction = said.split([_SOURCES, 1, 3], 1)
        nothing = torch.zeros_like(copies.cover)
        trust = torch.cat(
            [3 * (evidence.sure + evidence.shown) - 2, 3 * evidence.twin_sure - 1, nothing, nothing - 1], 1
        )
        sure = copies.cover.clamp(0.01, 0.99).logit()
        return Blend((trust + change).softmax(1), _EDGE * sure + _EDGE_CHANGE * edge, correction)

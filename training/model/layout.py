"""R and L: which part of the person every place shows, in the photo and in each frame that is to be made.

Both learn from the renderer's labels, never from pictures: a layout that is uncertain puts a limb in the wrong place,
and does not blur it. Both see the picture at `config.layout` pixels per side and give P = half as many cells; both work
on a quarter. Places are as in `parts`.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.synthesis.scenes.scene import PART_LABELS
from training.config import ModelConfig
from training.model.parts import MAPS, PARTS, moved, moved_by, part_affines, part_maps, places_in, sampled
from training.model.unet import UNet

_FOLD = 4  # pixels of the picture per cell of the nets
_WIDEST = 3  # halvings inside the nets
_OFFSET = 0.1  # of the picture, where an output is one
_HEAD = PART_LABELS.index("head")
_LEAST_SHARE = 1e-6
_SMALL = 0.3  # of the first weights of what is said, so that nothing is sure at first


class PartReader(nn.Module):
    """R: the photo (B, 3, S, S) in [-1, 1], S = `config.layout`, and the person's points (B, 88, 3) in it -> logits (B,
    17, P, P) of `scene.PART_LABELS`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.layout_width
        self.net = UNet(3 * _FOLD**2 + MAPS, [width, 2 * width, 3 * width, 4 * width][: _WIDEST + 1])
        self.parts = _finer(width, PARTS + 1)

    def forward(self, photo: Tensor, points: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(photo, _FOLD)
        seen = torch.cat([folded, part_maps(points, folded.shape[-1])], 1)
        logits: Tensor = self.parts(self.net(seen.contiguous(memory_format=torch.channels_last)))
        return logits


@dataclass(frozen=True)
class Layout:
    """Of N frames. parts (N, 17, P, P): logits. affines (N, 16, 2, 3): how each part comes from the photo, see
    `part_affines`. offsets (N, 32, P / 2, P / 2): what is to be added to that, x and y of each part. visible (N, 1, P /
    2, P / 2): logits of whether the photo shows the place."""

    parts: Tensor
    affines: Tensor
    offsets: Tensor
    visible: Tensor

    def with_hair(self, shares: Tensor) -> "Layout":
        """The layout in which nobody's place next to a head is the head's, where the photo has more of it there.

        shares (N, 17, P, P): of the photo's parts. L has learned on rendered heads what a head's outline is, and cuts
        off most of what real people wear on theirs: hair that stands out, hats, pointed ears.
        """
        places = moved(self.affines, self.parts.shape[-1])[:, _HEAD - 1]
        there = sampled(shares[:, _HEAD : _HEAD + 1], places, "zeros")
        said = self.parts.softmax(1)
        taken = said[:, :1] * there
        said[:, _HEAD : _HEAD + 1] += taken
        said[:, :1] -= taken
        return replace(self, parts=said.clamp(min=_LEAST_SHARE).log())

    def sources(self, part: Tensor, at: Tensor) -> Tensor:
        """Where the photo has what a part (N, H, W) in [0, 16) shows at places (N, H, W, 2): (N, H, W, 2)."""
        offsets = self.offsets.unflatten(1, (PARTS, 2)).transpose(1, 2)
        return moved_by(self.affines, part, at) + picked(offsets, part, at).permute(0, 2, 3, 1)


class PartLayout(nn.Module):
    """L: the photo's parts (N, 17, P, P) as shares, the points in it and in the frame (N, 88, 3) -> the frame's layout.

    It is shown the parts as their affines alone would move them, a puppet, and says what else happens.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.layout_width
        self.net = UNet(PARTS + MAPS + 2, [width, 2 * width, 3 * width, 4 * width][: _WIDEST + 1])
        self.parts = _finer(width, PARTS + 1)
        self.rest = nn.Conv2d(width, 2 * PARTS + 1, 3, padding=1)
        with torch.no_grad():
            self.rest.weight.mul_(_SMALL)

    def forward(self, shares: Tensor, photo: Tensor, target: Tensor) -> Layout:
        size = shares.shape[-1] // 2
        affines = part_affines(target, photo)
        places = moved(affines, size)
        coarse = F.avg_pool2d(shares[:, 1:], 2)
        puppet = sampled(coarse.flatten(0, 1)[:, None], places.flatten(0, 1), "zeros").view_as(coarse)
        weight = puppet / puppet.sum(1, keepdim=True).clamp(min=1e-4)
        middle = (weight[..., None] * places).sum(1) - places_in(size, size, shares.device)
        told = torch.cat([puppet, part_maps(target, size), 3 * middle.permute(0, 3, 1, 2).clamp(-1, 1)], 1)
        features = self.net(told.contiguous(memory_format=torch.channels_last))
        rest = self.rest(features)
        return Layout(self.parts(features), affines, _OFFSET * rest[:, :-1], rest[:, -1:])


def outlined(shares: Tensor, person: Tensor) -> Tensor:
    """Shares (N, 17, P, P) of a photo's parts in which the person reaches as far as an outline (N, 1, H, W) says.

    R has learned where rendered people end; a network that has seen real ones knows their clothes and hair. Which part
    it is that a place shows stays what R says.
    """
    inside = F.interpolate(person, size=shares.shape[-2:], mode="area")
    parts = shares[:, 1:].clamp(min=_LEAST_SHARE)
    return torch.cat([1 - inside, inside * parts / parts.sum(1, keepdim=True)], 1)


def _finer(width: int, channels: int) -> nn.Module:
    """Logits of cells half as large. Enlarged first: a shuffle of channels would leave a chequered pattern."""
    last = nn.Conv2d(width, channels, 3, padding=1)
    with torch.no_grad():
        last.weight.mul_(_SMALL)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), last)


def picked(volume: Tensor, part: Tensor, at: Tensor) -> Tensor:
    """Of maps of all parts (N, C, 16, h, w) the own one of a part (N, H, W) at places (N, H, W, 2): (N, C, H, W)."""
    # All maps below each other are one picture: sampling a volume takes five times as long. Half a cell from their
    # edges they end, so that none reaches into the next.
    margin = 0.5 / volume.shape[-2]
    down = (part + at[..., 1].nan_to_num(0.0).clamp(margin, 1 - margin)) / PARTS
    return sampled(volume.flatten(2, 3), torch.stack([at[..., 0], down], -1))

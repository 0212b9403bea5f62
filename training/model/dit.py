"""VideoDiT: Wan's transformer from diffusers in any size, told of the motion by channels and by cross-attention."""

import torch
from torch import Tensor, nn

from training.config import ModelConfig

_MILLI = 1000  # Wan's transformer takes flow time in thousandths.
_NOISE_SHARE = 0.2


class VideoDiT(nn.Module):
    """Predicts clean latents or velocity.

    channels: of the latents. still: of all that is known of the reference. stride: frames per latent frame.
    """

    def __init__(self, config: ModelConfig, channels: int, still: int, stride: int) -> None:
        super().__init__()
        from diffusers import WanTransformer3DModel

        self.slots = config.face_tokens
        self.to_context = nn.Linear(config.face_token, config.face_tokens * config.face_token)
        self.slot = nn.Parameter(torch.randn(config.face_tokens, config.face_token) * 0.02)
        self.transformer = WanTransformer3DModel(
            patch_size=(1, config.dit_patch, config.dit_patch),
            num_attention_heads=config.dit_heads,
            attention_head_dim=config.dit_width // config.dit_heads,
            in_channels=channels + still + stride * config.guidance + 1,
            out_channels=channels,
            text_dim=config.face_token,
            freq_dim=64,
            ffn_dim=config.dit_ffn,
            num_layers=config.dit_layers,
        )
        for parameter in self.transformer.proj_out.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            # At first the noise must not drown what is known.
            self.transformer.patch_embedding.weight[:, :channels] *= _NOISE_SHARE

    def forward(
        self, latents: Tensor, time: Tensor, known: Tensor, guidance: Tensor, conditions: Tensor, face: Tensor
    ) -> Tensor:
        """latents: (B, C, t, h, w), noised where not known. time: (B,) in [0, 1]. known: (B, t), 1 for a clean frame.

        guidance: (B, stride C_g, t, h, w). conditions: (B, still, t, h, w), of the reference. face: (B, T, d_f).
        Returns (B, C, t, h, w).
        """
        clean = known[:, None, :, None, None].expand(-1, -1, -1, *latents.shape[-2:]).to(latents.dtype)
        context = self.to_context(face).unflatten(-1, self.slot.shape) + self.slot
        context = context + _waves(face.shape[1], self.slot.shape[1], face.device)[:, None]
        out: Tensor = self.transformer(
            torch.cat([latents, conditions, guidance, clean], 1),
            time * _MILLI,
            context.flatten(1, 2),
            return_dict=False,
        )[0]
        return out


def _waves(frames: int, width: int, device: torch.device) -> Tensor:
    """Sine and cosine positions of frames: (frames, width)."""
    rate = torch.exp(torch.arange(0, width, 2, device=device) / width * -torch.log(torch.tensor(1e3)))
    angle = torch.arange(frames, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)

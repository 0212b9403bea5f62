"""A pretrained Wan transformer that is told of the motion: beside its own inputs, so that at first it is what it was.

Guidance, reference and history enter by a second patch embedding that starts at zero, which is the same as widening
the pretrained one by zero channels. z_f enters by cross-attention adapters beside the text's, with gates that start at
zero (as the face adapters of Wan-Animate, arXiv 2509.14055). The text is always the empty prompt.

Every token of a sample has the same flow time, history too, which a channel marks as known. Wan 2.2 5B does the same
for text to video (a time per token, all equal, is the same arithmetic as one per sample), but was taught that the clean
tokens of a first frame have time 0. With the time of the others they are new to it and must be learned, as they must
for Wan 2.1, which never saw any.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.errors import WorkError
from training.config import ModelConfig
from training.model.pretrained import TEXT_LENGTH, empty_prompt, load_part

_MILLI = 1000  # Wan's transformer takes flow time in thousandths.
_ADAPT_EVERY = 5  # blocks per face adapter
_LORA_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]


class FaceAdapter(nn.Module):
    """Cross-attention from the tokens of a latent frame to the face of its own frames.

    hidden (B, t h w, d), face (B, t, n, d_f) -> what to add to hidden.
    """

    def __init__(self, width: int, face: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(face, 2 * width)
        self.out = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor, face: Tensor) -> Tensor:
        frames = face.shape[1]
        local = self.norm(hidden).unflatten(1, (frames, -1)).flatten(0, 1)
        query = self.query(local).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.key_value(face.flatten(0, 1)).chunk(2, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        added: Tensor = self.gate * self.out(mixed).unflatten(0, (-1, frames)).flatten(1, 2)
        return added


def _transformer(config: ModelConfig, channels: int, weights: bool) -> Any:
    """The pretrained transformer, or one of its shape with random weights."""
    from diffusers import WanTransformer3DModel

    if not weights:
        return WanTransformer3DModel(
            patch_size=(1, config.dit_patch, config.dit_patch),
            num_attention_heads=config.dit_heads,
            attention_head_dim=config.dit_width // config.dit_heads,
            in_channels=channels,
            out_channels=channels,
            ffn_dim=config.dit_ffn,
            num_layers=config.dit_layers,
        )
    found = load_part(WanTransformer3DModel, config.pretrained, "transformer")
    about = found.config
    if (about.in_channels, about.out_channels) != (channels, channels):
        raise WorkError(
            f"{config.pretrained}: its transformer takes {about.in_channels} channels, the VAE has {channels}; "
            "give a text-to-video Wan, not an image-to-video one"
        )
    heads = about.num_attention_heads
    shape = (heads * about.attention_head_dim, about.num_layers, heads, about.ffn_dim, about.patch_size[-1])
    wanted = (config.dit_width, config.dit_layers, config.dit_heads, config.dit_ffn, config.dit_patch)
    if shape != wanted:
        raise WorkError(
            f"{config.pretrained}: has width, layers, heads, feed-forward width and patch {shape}, not {wanted}; "
            "choose the preset of this model"
        )
    return found


class MotionWan(nn.Module):
    """The same inputs and outputs as `VideoDiT`.

    Raises: WorkError where the pretrained transformer does not fit the codec.
    """

    def __init__(self, config: ModelConfig, channels: int, still: int, stride: int, weights: bool = True) -> None:
        super().__init__()
        transformer = _transformer(config, channels, weights)
        about, width = transformer.config, config.dit_width
        if config.lora:
            from peft import LoraConfig, inject_adapter_in_model

            transformer.requires_grad_(False)
            lora = LoraConfig(r=config.lora, lora_alpha=config.lora, target_modules=_LORA_TARGETS)
            transformer = inject_adapter_in_model(lora, transformer)
        self.transformer = transformer
        patch = tuple(about.patch_size)
        self.told = nn.Conv3d(still + stride * config.guidance + 1, width, patch, stride=patch, bias=False)
        nn.init.zeros_(self.told.weight)
        self.to_context = nn.Linear(config.face_token, config.face_tokens * config.face_token)
        self.slot = nn.Parameter(torch.randn(config.face_tokens, config.face_token) * 0.02)
        self.stride = stride
        self.adapters = nn.ModuleDict(
            {
                str(block): FaceAdapter(width, config.face_token, about.num_attention_heads)
                for block in range(0, about.num_layers, _ADAPT_EVERY)
            }
        )
        self.prompt: Tensor
        prompt = (
            empty_prompt(config.pretrained, about.text_dim) if weights else torch.zeros(TEXT_LENGTH, about.text_dim)
        )
        self.register_buffer("prompt", prompt, persistent=False)

    def forward(
        self, latents: Tensor, time: Tensor, known: Tensor, guidance: Tensor, conditions: Tensor, face: Tensor
    ) -> Tensor:
        """See `VideoDiT.forward`."""
        wan = self.transformer
        clean = known[:, None, :, None, None].expand(-1, -1, -1, *latents.shape[-2:]).to(latents.dtype)
        told = self.told(torch.cat([conditions, guidance, clean], 1))
        hidden = (wan.patch_embedding(latents) + told).flatten(2).transpose(1, 2).contiguous()
        text = self.prompt.expand(len(latents), -1, -1).to(latents.dtype)
        embedded, shifts, text, _ = wan.condition_embedder(time * _MILLI, text, None)
        shifts, place = shifts.unflatten(1, (6, -1)), wan.rope(latents)
        context = self._context(face)
        for number, block in enumerate(wan.blocks):
            if torch.is_grad_enabled() and wan.gradient_checkpointing:
                hidden = wan._gradient_checkpointing_func(block, hidden, text, shifts, place)
            else:
                hidden = block(hidden, text, shifts, place)
            if str(number) in self.adapters:
                hidden = hidden + self.adapters[str(number)](hidden, context)
        shift, scale = (wan.scale_shift_table + embedded.unsqueeze(1)).chunk(2, 1)
        hidden = (wan.norm_out(hidden.float()) * (1 + scale) + shift).type_as(hidden)
        return self._frames(wan.proj_out(hidden), latents)

    def _context(self, face: Tensor) -> Tensor:
        """Sub-tokens of the frames behind each latent frame: (B, T, d_f) -> (B, t, stride n, d_f)."""
        tokens: Tensor = self.to_context(face).unflatten(-1, self.slot.shape) + self.slot
        # The codec keeps the first frame alone, so it stands for a whole group.
        padded = torch.cat([tokens[:, :1].expand(-1, self.stride - 1, -1, -1), tokens], 1)
        grouped: Tensor = padded.unflatten(1, (-1, self.stride)).flatten(2, 3)
        return grouped

    def _frames(self, hidden: Tensor, latents: Tensor) -> Tensor:
        """(B, t h w, c p p) -> (B, c, t, H, W)."""
        across, down = self.transformer.config.patch_size[2], self.transformer.config.patch_size[1]
        frames, height, width = latents.shape[2], latents.shape[3] // down, latents.shape[4] // across
        cells: Tensor = hidden.unflatten(1, (frames, height, width)).unflatten(-1, (down, across, -1))
        return cells.permute(0, 6, 1, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)

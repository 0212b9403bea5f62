"""Wan pipelines of Wan's own architectures with random weights, small enough for tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.config import LossConfig, ModelConfig, Preset
from training.model.pretrained import write_empty_prompt
from training.presets import PRESETS

# The autoencoders of Wan 2.1 and Wan 2.2 5B, by how much they shrink.
VAES: dict[int, dict[str, Any]] = {
    8: {"base_dim": 8, "z_dim": 4},
    16: {"base_dim": 8, "decoder_base_dim": 12, "z_dim": 6, "is_residual": True, "patch_size": 2, "in_channels": 12,
         "out_channels": 12, "scale_factor_spatial": 16},
}  # fmt: skip


def save_tiny_vae(folder: Path, factor: int) -> None:
    from diffusers import AutoencoderKLWan

    channels = VAES[factor]["z_dim"]
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**VAES[factor], latents_mean=[0.1] * channels, latents_std=[2.0] * channels)
    vae.save_pretrained(folder / "vae")


def save_tiny_wan(folder: Path, factor: int = 8) -> Path:
    """`transformer`, `vae`, `text_encoder`, `tokenizer` and the embedding of the empty prompt."""
    from diffusers import WanTransformer3DModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    save_tiny_vae(folder, factor)
    channels = VAES[factor]["z_dim"]
    WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=channels, out_channels=channels, text_dim=16,
        freq_dim=16, ffn_dim=32, num_layers=6,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    tokenizer = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2}, unk_token="<unk>"))
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder / "tokenizer")
    text = UMT5Config(vocab_size=3, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    UMT5EncoderModel(text).save_pretrained(folder / "text_encoder")
    write_empty_prompt(str(folder))
    return folder


def wan_model(folder: Path, factor: int = 8, lora: int = 0) -> ModelConfig:
    """Of 4 x 4 latent cells."""
    side = 4 * factor
    pretrained = replace(
        PRESETS["tiny"].model,
        size=side,
        sight=side,
        sketch=side,
        body_size=side,
        patch=factor,
        codec_factor=factor,
        pretrained=str(folder),
        lora=lora,
        blend_width=0,
        prediction="velocity",
    )
    pretrained = replace(pretrained, dit_patch=2, dit_width=24, dit_heads=2, dit_layers=6, dit_ffn=32)
    return replace(pretrained, steps=2, window=5, history=1, shift=3.0)


def wan_preset(folder: Path, factor: int = 8, lora: int = 0) -> Preset:
    tiny = PRESETS["tiny"]
    phases = tuple(replace(phase, frames=5 if phase.frames > 1 else 1, steps=2) for phase in tiny.phases)
    return replace(tiny, model=wan_model(folder, factor, lora), phases=phases, loss=LossConfig(pure_noise=0.0))

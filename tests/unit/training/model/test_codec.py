from pathlib import Path

import pytest
import torch

from pipelines.errors import WorkError
from training.config import ModelConfig
from training.model.codec import SpaceToDepth, WanCodec, group_frames, latent_frames, make_codec


def test_space_to_depth_is_lossless() -> None:
    frames = torch.rand(2, 3, 3, 32, 32)
    codec = SpaceToDepth(8)
    latents = codec.encode(frames)
    assert latents.shape == (2, 192, 3, 4, 4)
    assert torch.equal(codec.decode(latents), frames)


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AutoencoderKLWan of Wan's own architecture, very narrow, with random weights."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vae")
    vae = AutoencoderKLWan(base_dim=8, z_dim=4, latents_mean=[0.1] * 4, latents_std=[2.0] * 4)
    vae.save_pretrained(folder / "vae")
    return folder


def test_the_wan_codec_groups_frames_as_the_autoencoder_does(vae: Path) -> None:
    codec = make_codec(ModelConfig(pretrained=str(vae), refine=0, prediction="velocity"))
    assert isinstance(codec, WanCodec)
    frames = torch.rand(1, 5, 3, 32, 32) * 2 - 1
    latents = codec.encode(frames)
    assert latents.shape == (1, 4, latent_frames(codec, 5), 4, 4)
    assert codec.decode(latents).shape == frames.shape
    assert not any(p.requires_grad for p in codec.parameters())
    # It is causal: the first latent is the first frame alone. History frames rely on that.
    assert torch.allclose(codec.encode(frames[:, :1]), latents[:, :, :1], atol=1e-4)
    with pytest.raises(ValueError, match="1 \\+ a multiple of 4"):
        latent_frames(codec, 4)
    with pytest.raises(WorkError, match="codec_factor"):
        WanCodec(str(vae), 16)


def test_guidance_is_grouped_like_latent_frames() -> None:
    guidance = torch.arange(5.0).view(1, 5, 1, 1, 1)
    grouped = group_frames(guidance, 4)
    assert grouped[0, :, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]
    assert torch.equal(group_frames(guidance, 1), guidance.transpose(1, 2))

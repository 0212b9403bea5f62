from pathlib import Path

import pytest
import torch
from tiny_wan import VAES, save_tiny_vae

from pipelines.errors import WorkError
from training.config import ModelConfig
from training.model.codec import SpaceToDepth, WanCodec, group_frames, latent_frames, make_codec


def test_space_to_depth_is_lossless() -> None:
    frames = torch.rand(2, 3, 3, 32, 32)
    codec = SpaceToDepth(8)
    latents = codec.encode(frames)
    assert latents.shape == (2, 192, 3, 4, 4)
    assert torch.equal(codec.decode(latents), frames)


def test_what_the_mask_covers_is_told_of_each_latent(tmp_path: Path) -> None:
    mask = torch.zeros(1, 5, 32, 32)
    mask[:, 2, :16, :4] = 1
    codec = SpaceToDepth(8)
    cover = codec.decode(codec.cover(mask))
    assert torch.equal(cover, mask[:, :, None].expand(-1, -1, 3, -1, -1))
    save_tiny_vae(tmp_path, 8)
    wan = make_codec(
        ModelConfig(
            pretrained=str(tmp_path), blend_width=0, sketch=256, prediction="velocity", codec_factor=8, patch=16
        )
    )
    shares = wan.cover(mask)
    assert shares.shape == (1, 1, 2, 4, 4)
    # The first frame stands alone; frames 1 to 4 share a latent. The mask covers half of the first column of cells.
    assert not shares[:, :, 0].any()
    assert torch.equal(shares[0, 0, 1], torch.tensor([[0.5, 0, 0, 0]] * 2 + [[0.0] * 4] * 2))


@pytest.mark.parametrize("factor", VAES)
def test_the_wan_codec_groups_frames_as_the_autoencoder_does(factor: int, tmp_path: Path) -> None:
    save_tiny_vae(tmp_path, factor)
    config = ModelConfig(
        pretrained=str(tmp_path), blend_width=0, sketch=256, prediction="velocity", codec_factor=factor, patch=16
    )
    codec = make_codec(config)
    assert isinstance(codec, WanCodec)
    side = 2 * factor
    frames = torch.rand(1, 5, 3, side, side) * 2 - 1
    latents = codec.encode(frames)
    assert latents.shape == (1, VAES[factor]["z_dim"], latent_frames(codec, 5), 2, 2)
    assert codec.stride == config.stride
    assert codec.decode(latents).shape == frames.shape
    assert not any(p.requires_grad for p in codec.parameters())
    # It is causal: the first latent is the first frame alone. History frames rely on that.
    assert torch.allclose(codec.encode(frames[:, :1]), latents[:, :, :1], atol=1e-4)
    with pytest.raises(ValueError, match="1 \\+ a multiple of 4"):
        latent_frames(codec, 4)
    with pytest.raises(WorkError, match="codec_factor"):
        WanCodec(str(tmp_path), 24 - factor)


@pytest.mark.parametrize(("factor", "channels"), [(8, 16), (16, 48)])
def test_without_weights_the_shape_is_that_of_the_public_model(factor: int, channels: int) -> None:
    config = ModelConfig(
        pretrained="none", blend_width=0, sketch=256, prediction="velocity", codec_factor=factor, patch=16
    )
    with torch.device("meta"):
        codec = make_codec(config, weights=False)
        assert codec.channels == channels
        assert codec.encode(torch.empty(1, 5, 3, 64, 64)).shape == (1, channels, 2, 64 // factor, 64 // factor)
        assert codec.decode(torch.empty(1, channels, 2, 4, 4)).shape == (1, 5, 3, 4 * factor, 4 * factor)


def test_guidance_is_grouped_like_latent_frames() -> None:
    guidance = torch.arange(5.0).view(1, 5, 1, 1, 1)
    grouped = group_frames(guidance, 4)
    assert grouped[0, :, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]
    assert torch.equal(group_frames(guidance, 1), guidance.transpose(1, 2))

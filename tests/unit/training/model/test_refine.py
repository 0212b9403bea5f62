import torch

from training.config import ModelConfig
from training.model.refine import CopyAndRefine, Displacement, warp
from training.objective import displacement_loss


def test_no_offset_leaves_the_image_and_an_offset_moves_it() -> None:
    image = torch.rand(2, 3, 16, 16)
    offsets = torch.zeros(2, 1, 2, 8, 8)
    assert torch.allclose(warp(image, offsets)[:, 0], image, atol=1e-5)
    # Copied from 4 pixels (half a unit of half the frame) further right.
    offsets[:, :, 0] = 0.5
    assert torch.allclose(warp(image, offsets)[:, 0, :, :, :12], image[:, :, :, 4:], atol=1e-5)


def test_at_first_nothing_is_displaced_and_the_blend_is_even() -> None:
    config = ModelConfig(size=32, retarget_width=16, refine=8)
    assert not Displacement(config)(torch.randn(1, 2, 16, 4, 4)).any()
    refine, still = CopyAndRefine(config), torch.rand(1, 3, 32, 32)
    out = refine(torch.zeros(1, 6 * 64, 1, 4, 4), still[:, None], still)
    back = torch.nn.functional.pixel_shuffle(out[:, :, 0], 8)
    assert torch.allclose(back, still * 2 / 3, atol=1e-5)


def test_offsets_are_taught_where_points_are_seen_in_both_images() -> None:
    keypoints = torch.rand(1, 1, 88, 3) * 0.6 + 0.2
    keypoints[..., 2] = 1
    reference = keypoints[:, 0].clone()
    reference[..., 0] += 0.1
    offsets = torch.zeros(1, 1, 2, 8, 8)
    offsets[:, :, 0] = 0.2
    assert displacement_loss(offsets, keypoints, reference) < 1e-9
    assert displacement_loss(torch.zeros_like(offsets), keypoints, reference) > 0.05
    hidden = reference.clone()
    hidden[..., 2] = 0
    assert displacement_loss(torch.zeros_like(offsets), keypoints, hidden) == 0

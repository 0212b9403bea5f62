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


def test_offsets_are_taught_on_the_person_where_both_images_show_the_bone() -> None:
    keypoints = torch.rand(1, 1, 88, 3) * 0.6 + 0.2
    keypoints[..., 2] = 1
    reference = keypoints[:, 0].clone()
    reference[..., 0] += 0.1
    offsets, mask = torch.zeros(1, 1, 2, 8, 8), torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    offsets[:, :, 0] = 0.2
    assert displacement_loss(offsets, keypoints, reference, mask) < 1e-9
    wrong = torch.zeros_like(offsets)
    assert displacement_loss(wrong, keypoints, reference, mask) > 0.05
    # An outline that is known decides what is the person.
    mask[..., :16, :] = 255
    offsets[..., 4:, :] = 3.0
    assert displacement_loss(offsets, keypoints, reference, mask) < 1e-9
    hidden = reference.clone()
    hidden[..., 2] = 0
    assert displacement_loss(wrong, keypoints, hidden, mask) == 0


def test_displacements_that_are_no_numbers_do_not_end_the_process() -> None:
    offsets = torch.full((2, 1, 2, 4, 4), torch.nan, requires_grad=True)
    warp(torch.rand(2, 3, 32, 32), offsets).sum().backward()
    assert offsets.grad is not None

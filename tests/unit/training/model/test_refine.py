import torch

from training.config import ModelConfig
from training.model.refine import CopyAndRefine, MovedReference, displaced

CONFIG = ModelConfig(size=32, retarget_width=16, refine=8, copies=3)


def test_no_offset_leaves_the_image_and_an_offset_moves_it() -> None:
    image = torch.rand(2, 3, 16, 16)
    offsets = torch.zeros(2, 2, 3, 2, 16, 16)
    # From 4 pixels (half of half the frame) further right, for the second field of the first frame alone.
    offsets[:, 0, 1, 0] = 0.5
    moved = displaced(image, offsets)
    assert moved.shape == (2, 3, 2, 3, 16, 16)
    assert torch.allclose(moved[:, :, 0, 1, :, :12], image[:, :, :, 4:], atol=1e-5)
    for frame, field in ((0, 0), (0, 2), (1, 0), (1, 1), (1, 2)):
        assert torch.allclose(moved[:, :, frame, field], image, atol=1e-5)


def test_a_moved_reference_is_a_mix_of_its_copies() -> None:
    module, reference = MovedReference(CONFIG), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        module.fields.weight.zero_()
        module.fields.bias[2] = 0.5
        shares = module.shares[0].bias.unflatten(0, (4, 16))
        shares[:] = torch.tensor([0.0, 0.6, 0.0, 0.4]).log().clamp(min=-99)[:, None]
    moved = module(torch.randn(2, 2, 16, 4, 4), reference)
    expected = 0.6 * reference[..., 8:] + 0.4 * reference[..., :24]
    assert torch.allclose(moved[..., :24], expected[:, None].expand(-1, 2, -1, -1, -1), atol=1e-5)


def test_at_first_nothing_is_displaced_far_and_the_blend_is_even() -> None:
    # One pixel of a ramp from -1 to 1 over 32 pixels is a sixteenth.
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    assert (MovedReference(CONFIG)(torch.randn(1, 2, 16, 4, 4), ramp) - ramp[:, None]).abs().max() < 1 / 16
    refine, still = CopyAndRefine(CONFIG), torch.rand(1, 3, 32, 32)
    out = refine(torch.zeros(1, 6 * 64, 1, 4, 4), still[:, None], still)
    back = torch.nn.functional.pixel_shuffle(out[:, :, 0], 8)
    assert torch.allclose(back, still * 2 / 3, atol=1e-5)


def test_copies_learn_to_go_apart() -> None:
    """Where a picture is as likely here as there, the best is the mean of both; one copy could only be at one."""
    torch.manual_seed(0)
    module, reference = MovedReference(CONFIG), torch.zeros(1, 3, 32, 32)
    reference[..., 12:20, 12:20] = 1
    target = (reference.roll(4, -1) + reference.roll(-4, -1)) / 2
    optimizer, features = torch.optim.Adam(module.parameters(), 0.02), torch.randn(1, 1, 16, 4, 4)
    for _ in range(150):
        loss = (module(features, reference)[:, 0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3 * (reference - target).square().mean()


def test_displacements_that_are_no_numbers_do_not_end_the_process() -> None:
    offsets = torch.full((2, 1, 3, 2, 32, 32), torch.nan, requires_grad=True)
    displaced(torch.rand(2, 3, 32, 32), offsets).sum().backward()
    assert offsets.grad is not None

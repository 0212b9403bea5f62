"""The promises of the whole network: four tokens, gradients everywhere, windows, guidance."""

from dataclasses import replace

import pytest
import torch
from tiny_training import awake

from pipelines.keypoints import COUNT
from training.batch import Batch
from training.config import ModelConfig, Preset
from training.data import Stream
from training.fields import concatenated
from training.inputs import to_float
from training.model.animator import Animator, Photo
from training.model.copies import Still
from training.model.encoders import MotionTokens
from training.objective import Objective


@pytest.fixture
def batch(stream: Stream) -> Batch:
    return stream.batch(7)


def make(config: ModelConfig) -> Animator:
    torch.manual_seed(0)
    return awake(Animator(config))


def someone(animator: Animator, size: int = 32) -> Photo:
    """A photo of noise, and points all over it."""
    points = torch.rand(1, COUNT, 3, generator=torch.Generator().manual_seed(0))
    return animator.look_at(torch.rand(1, 3, size, size) * 2 - 1, points)


def tokens_of(config: ModelConfig, frames: int, seed: int = 0) -> MotionTokens:
    generator = torch.Generator().manual_seed(seed)
    widths = (config.body_token, config.hand_token, config.hand_token, config.face_token)
    return MotionTokens(*(torch.randn(1, frames, width, generator=generator) for width in widths))


def test_a_driving_frame_is_exactly_four_tokens(tiny: Preset, batch: Batch) -> None:
    tokens = make(tiny.model).encode(batch.driver.plain())
    shapes = [tuple(part.shape) for part in (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)]
    assert shapes == [(2, 3, 64), (2, 3, 8), (2, 3, 8), (2, 3, 8)]


def test_nothing_but_the_tokens_reaches_the_output(
    tiny: Preset, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two driving videos with equal tokens give the same loss and gradient, in training's own forward pass."""
    animator = make(tiny.model)
    objective = Objective(animator, tiny, 0)
    phase, batch = tiny.phases[2], stream.batch(4)
    others = {name: getattr(batch, name) for name in ("driver", "others")}
    different = {
        name: replace(getattr(stream.batch(5), name), hand_visible=same.hand_visible, face_visible=same.face_visible)
        for name, same in others.items()
    }
    other = replace(batch, **different)
    assert not torch.equal(batch.driver.body, other.driver.body)
    assert objective(batch, phase).total != objective(other, phase).total
    fixed = animator.motion.look(concatenated([batch.driver, batch.others], 1).plain())
    monkeypatch.setattr(animator.motion, "look", lambda _: fixed)
    assert objective(batch, phase).total == objective(other, phase).total


def test_each_token_changes_the_output(tiny: Preset) -> None:
    animator = make(tiny.model)
    photo = someone(animator)
    tokens, other = tokens_of(tiny.model, 1), tokens_of(tiny.model, 1, seed=1)

    def run(tokens: MotionTokens) -> torch.Tensor:
        return animator.generate(photo, tokens, 1, generator=torch.Generator().manual_seed(0))

    plain = run(tokens)
    for part in ("body", "left_hand", "right_hand", "face"):
        assert not torch.equal(plain, run(replace(tokens, **{part: getattr(other, part)}))), part


def test_gradient_reaches_every_weight(tiny: Preset, stream: Stream) -> None:
    """Over a few batches, since one may have no hidden hand or face."""
    animator = make(tiny.model)
    objective = Objective(animator, tiny, 0)
    for step in (3, 4, 6, 7):
        batch = stream.batch(step)
        if isinstance(batch, Batch):
            batch.driver.hand_visible[0, 0, 0] = False
            batch.driver.face_visible[0, 0] = False
        objective(batch, tiny.phase_at(step)[0]).total.backward()
    dead = [name for name, p in animator.named_parameters() if p.grad is None or not p.grad.any()]
    # The key's bias adds the same to every score of a query, so softmax takes its gradient away.
    assert [name for name in dead if not name.endswith("to_k.bias")] == []


def test_a_phase_teaches_what_it_says(tiny: Preset, stream: Stream) -> None:
    for phase, retarget in ((tiny.phases[0], False), (tiny.phases[1], True)):
        animator = make(tiny.model)
        Objective(animator, tiny, 0)(stream.batch(0), phase).total.backward()
        assert all(p.grad is None for p in animator.dit.parameters())
        motion = animator.motion
        for part in (motion.encoder.eyes, motion.encoder.body):
            assert all(p.grad is not None for p in part.parameters())
        assert all((p.grad is not None) == retarget for p in motion.retarget.blocks.parameters())


@pytest.mark.parametrize(("window", "history", "frames"), [(1, 0, 3), (3, 1, 3), (3, 1, 6), (3, 2, 5)])
def test_videos_of_any_length_are_made_in_windows(tiny: Preset, window: int, history: int, frames: int) -> None:
    config = replace(tiny.model, window=window, history=history)
    animator = make(config)
    photo = someone(animator)
    tokens = tokens_of(config, frames)
    made = animator.generate(photo, tokens, 2, generator=torch.Generator().manual_seed(0))
    assert made.shape == (1, frames, 3, 32, 32)
    again = animator.generate(photo, tokens, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(made, again)
    # What comes later does not change what was made before.
    if frames > window:
        part = animator.generate(photo, tokens.at(torch.arange(window)), 2, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(made[:, :window], part, atol=1e-5)


def test_guidance_goes_from_the_references_own_motion_to_the_tokens(tiny: Preset) -> None:
    animator = make(tiny.model)
    photo = someone(animator)
    tokens, own = tokens_of(tiny.model, 2), tokens_of(tiny.model, 1, seed=1)

    def run(tokens: MotionTokens, scale: float) -> torch.Tensor:
        return animator.generate(photo, tokens, 1, scale, torch.Generator().manual_seed(0), own)

    plain = run(tokens, 1.0)
    assert not torch.allclose(run(tokens, 3.0), plain, atol=1e-4)
    # Guidance acts on what the DiT makes; where the limbs are is the driver's alone.
    assert torch.allclose(run(own.at(torch.tensor([0, 0])), 3.0), run(own.at(torch.tensor([0, 0])), 1.0), atol=1e-4)
    with pytest.raises(ValueError, match="negative"):
        animator.generate(photo, tokens, 1, 2.0)


def test_velocity_and_clean_prediction_agree(tiny: Preset, batch: Batch) -> None:
    """With the velocity as output, the clean latents are noised - time * velocity."""
    animator = make(replace(tiny.model, prediction="velocity"))
    photo = animator.look_at(to_float(batch.reference), batch.reference_keypoints)
    guidance = animator.guide(photo, animator.encode(batch.driver.plain()))
    target = to_float(batch.target)
    rough = torch.zeros_like(animator.shrunk(target))
    clean = animator.latents_of(target, rough)
    latents, time = torch.randn_like(clean), torch.tensor([0.25, 1.0])
    conditions = animator.conditions(photo, rough)
    velocity, found = animator.predict_clean(latents, time, batch.known, guidance, conditions)
    assert torch.allclose(found, latents - time.view(2, 1, 1, 1, 1) * velocity)
    frames = animator.generate(photo, animator.encode(batch.driver.plain()), 2)
    assert frames.isfinite().all()


def test_a_picture_is_painted_at_any_size(tiny: Preset) -> None:
    """Twice as large is the same picture, and where nothing is added it has the photo's own detail."""
    animator = make(tiny.model)
    photo = someone(animator)
    (draft,) = animator.drafts(photo, tokens_of(tiny.model, 1), generator=torch.Generator().manual_seed(0))
    small = animator.paint(photo.still, draft)
    large = torch.nn.functional.interpolate(photo.still.image, scale_factor=2, mode="nearest")
    painted = animator.paint(Still.of(large, photo.still.shares, photo.still.points), draft)
    assert painted.shape == (1, 3, 64, 64)
    assert (torch.nn.functional.avg_pool2d(painted, 2) - small).abs().mean() < 0.2
    wide = animator.paint(Still.of(large[..., :48], photo.still.shares, photo.still.points), draft)
    assert wide.shape == (1, 3, 64, 48)

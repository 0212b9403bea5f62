"""Every term counts only where its label is, and a batch may be cut into shares."""

from dataclasses import replace

import pytest
import torch
from random_alexnet import alexnet
from tiny_training import make_stream, only

from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import LossConfig, Phase, Preset
from training.data import Stream
from training.fields import each
from training.losses import LookLoss, layout_losses
from training.model.animator import Animator
from training.model.layout import Layout
from training.model.parts import PARTS, part_affines
from training.objective import Objective, _squares, flow_noise, square_side


@pytest.fixture
def objective(tiny: Preset) -> Objective:
    torch.manual_seed(0)
    return Objective(Animator(tiny.model), only(tiny, augment=0.0), 0)


def test_no_hand_no_hand_loss(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch = stream.batch(1)
    assert objective(batch, tiny.phases[1]).terms["normals"] > 0
    none = replace(batch, driver=replace(batch.driver, hand_visible=torch.zeros_like(batch.driver.hand_visible)))
    assert objective(none, tiny.phases[1]).terms["normals"] == 0
    unknown = replace(batch, normals=torch.zeros_like(batch.normals))
    assert objective(unknown, tiny.phases[1]).terms["normals"] == 0


def test_shares_of_a_batch_average_to_the_whole(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch, phase = stream.batch(4), tiny.phases[2]
    whole = objective(batch, phase)
    halves = [objective(half, phase) for half in batch.split(2)]
    for name, term in whole.terms.items():
        assert torch.isclose(term, torch.stack([half.terms[name] for half in halves]).mean(), rtol=1e-4), name


def test_history_frames_are_given_and_not_judged(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch, phase = stream.batch(7), tiny.phases[-1]
    known = torch.zeros_like(batch.known)
    known[:, 0] = 1
    given = replace(batch, known=known)
    flow = objective(given, phase).terms["flow"]
    changed = replace(given, mask=given.mask.clone())
    changed.mask[:, 0] = 255 - changed.mask[:, 0]
    assert objective(changed, phase).terms["flow"] == flow
    assert objective(replace(given, known=torch.zeros_like(known)), phase).terms["flow"] != flow


def test_nothing_is_taught_beyond_the_frame(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch, phase = stream.batch(4), tiny.phases[2]
    half = replace(batch, shown=torch.tensor([0, 0, 0.5, 1.0]).expand(len(batch.shown), 4))
    filled = replace(half, target=half.target.clone())
    filled.target[..., filled.target.shape[-1] // 2 :] = 255
    terms, others = objective(half, phase).terms, objective(filled, phase).terms
    assert torch.isclose(terms["picture"], others["picture"])
    whole = objective(replace(filled, shown=batch.shown), phase).terms["picture"]
    assert not torch.isclose(terms["picture"], whole)


def test_noise_is_each_samples_own() -> None:
    noise, time = flow_noise(torch.Size([2, 3]), 0, torch.tensor([4, 5]), 0.8)
    alone, when = flow_noise(torch.Size([2, 3]), 0, torch.tensor([5]), 0.8)
    assert torch.equal(noise[1:], alone)
    assert time[1] == when[0]
    _, times = flow_noise(torch.Size([1]), 0, torch.arange(600), 0.8)
    assert 0.75 < (times == 1).float().mean() < 0.85
    assert ((times > 0) & (times <= 1)).all()


def test_what_fills_up_a_sample_that_is_too_short_teaches_nothing(shards: Workspace, tiny: Preset) -> None:
    # Pairs of the toy shards move for 5 frames.
    long = replace(only(tiny, pairs=1.0, augment=0.0), phases=(Phase("clips", 2, batch=2, frames=7),))
    torch.manual_seed(0)
    objective, batch = Objective(Animator(long.model), long, 0), make_stream(shards, long).batch(0)
    assert batch.real.tolist() == [[1, 1, 1, 1, 1, 0, 0]] * 2
    before = objective(batch, long.phases[0])
    assert all(term > 0 for term in before.terms.values())
    for name in ("target", "mask", "normals"):
        getattr(batch, name)[:, 5:] = 77
    batch.keypoints[:, 5:, :, :2] += 0.2
    batch.points[:, 5:, :, :2] += 0.2
    batch.normals[:, 5:, :, 3] = 0
    after = objective(batch, long.phases[0])
    for name, term in after.terms.items():
        assert torch.isclose(term, before.terms[name], rtol=0, atol=1e-7), name


def test_a_layout_is_best_where_the_labels_say(stream: Stream, tiny: Preset) -> None:
    batch = make_batch_of_pairs(stream)
    count = batch.parts.shape[1]
    logits = torch.nn.functional.one_hot(batch.parts.flatten(0, 1).long(), 17).permute(0, 3, 1, 2) * 30.0
    own = batch.reference_keypoints.repeat_interleave(count, 0)
    affines = part_affines(batch.keypoints.flatten(0, 1), own)
    half = tiny.model.cells // 2
    layout = Layout(logits, affines, torch.zeros(len(own), 2 * PARTS, half, half), torch.zeros(len(own), 1, half, half))
    terms = layout_losses(layout, batch)
    assert terms["parts"] < 1e-3
    other = replace(batch, parts=batch.parts.roll(4, -1))
    assert layout_losses(layout, other)["parts"] > 1
    nobody = replace(batch, exact=torch.zeros_like(batch.exact))
    assert not any(layout_losses(layout, nobody).values())


def test_f_learns_from_a_square_about_the_person() -> None:
    pictures = torch.zeros(1, 2, 5, 64, 64)
    pictures[:, :, 3, 40:60, 4:20] = 1
    side = square_side(64, 0.5)
    assert side == 32
    for middle in (0.0, 0.5, 1.0):
        squares, at = _squares(pictures, 0.5, torch.tensor([[middle, middle]]))
        assert squares.shape == (1, 2, 5, 32, 32)
        assert squares[:, :, 3].sum() > 0
        assert at.shape == (1, 32, 32, 2)
        assert 0 < at.min() < at.max() < 1
    nobody, _ = _squares(torch.zeros(1, 1, 5, 64, 64), 0.5, torch.tensor([[0.5, 0.5]]))
    assert nobody.shape == (1, 1, 5, 32, 32)


def make_batch_of_pairs(stream: Stream) -> Batch:
    """A batch with renders in it, and those alone."""
    batch = next(batch for step in range(8) if (batch := stream.batch(step)).exact.any())
    return each(batch, lambda value: value[batch.exact > 0])


def test_a_phase_of_pictures_teaches_r_l_and_f_alone(objective: Objective, stream: Stream) -> None:
    losses = objective(stream.batch(4), Phase("pictures", 1, batch=4, learn="pictures"))
    assert set(losses.terms) == {"read", "parts", "offsets", "visible", "picture", "edge"}
    losses.total.backward()
    taught = {name.split(".")[1] for name, value in objective.named_parameters() if value.grad is not None}
    assert taught == {"reader", "layout", "blender"}


def test_how_pictures_look_teaches_f_alone(tiny: Preset, shards: Workspace) -> None:
    large = replace(tiny, model=replace(tiny.model, size=64), data=replace(tiny.data, crop=1.0))
    objective = Objective(Animator(large.model), large, 0, LookLoss(alexnet()))
    batch = make_stream(shards, large).batch(4)
    objective(batch, Phase("pictures", 1, batch=4, learn="pictures")).terms["look"].backward()
    taught = {name.split(".")[1] for name, value in objective.named_parameters() if value.grad is not None}
    assert taught == {"blender"}


def test_squares_too_small_to_be_looked_at_are_named(tiny: Preset) -> None:
    with pytest.raises(ValueError, match=r"F learns on 0\.625 of 32 px; set loss\.look to 0"):
        replace(tiny, loss=LossConfig())

"""Every term counts only where its label is, and a batch may be cut into shares."""

from dataclasses import replace

import pytest
import torch
from tiny_training import make_stream, only

from pipelines.keypoints import LEFT_HAND_SLICE
from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import Phase, Preset
from training.data import Stream
from training.fields import each
from training.model.animator import Animator
from training.model.layout import Layout
from training.model.parts import PARTS, part_affines
from training.objective import (
    Objective,
    _squares,
    alike_loss,
    balanced,
    flow_noise,
    heatmap_loss,
    joint_loss,
    layout_losses,
    normal_loss,
    placed_loss,
    point_loss,
    square_side,
)


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


def test_points_without_confidence_do_not_count() -> None:
    points = torch.rand(2, 1, 88, 3)
    predicted = torch.rand(2, 1, 88, 2)
    points[:, :, LEFT_HAND_SLICE, 2] = 0
    logits = torch.randn(2, 1, 88, 8, 8)
    nowhere = torch.zeros(2, 1)
    before = point_loss(predicted, points, nowhere), heatmap_loss(logits, points)
    points[:, :, LEFT_HAND_SLICE, :2] += 0.3
    assert (point_loss(predicted, points, nowhere), heatmap_loss(logits, points)) == before
    assert point_loss(predicted, points, torch.ones(2, 1)) != before[0]
    nothing = torch.cat([points[..., :2], torch.zeros(2, 1, 88, 1)], -1)
    assert point_loss(predicted, nothing, nowhere) == 0
    assert heatmap_loss(logits, nothing) == 0


def test_points_off_the_frame_have_no_heatmap() -> None:
    points = torch.ones(1, 1, 88, 3) * 1.2
    assert heatmap_loss(torch.randn(1, 1, 88, 8, 8), points) == 0


def test_a_heatmap_is_best_at_the_true_place() -> None:
    points = torch.tensor([0.3, 0.8, 1.0]).expand(1, 1, 88, 3)
    logits = torch.zeros(1, 1, 88, 16, 16, requires_grad=True)
    for _ in range(200):
        (gradient,) = torch.autograd.grad(heatmap_loss(logits, points), logits)
        logits = (logits - 50 * gradient).detach().requires_grad_()
    row, column = divmod(int(logits[0, 0, 0].argmax()), 16)
    assert (row, column) == (12, 4)


def test_equal_normals_cost_nothing() -> None:
    normals = torch.nn.functional.normalize(torch.randn(1, 1, 2, 3, 4, 4), dim=3)
    known = torch.ones(1, 1, 2, 4, 4, dtype=torch.bool)
    assert normal_loss(normals, normals, known).abs() < 1e-6
    assert torch.isclose(normal_loss(-normals, normals, known), torch.tensor(2.0))


def test_shares_of_a_batch_average_to_the_whole(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch, phase = stream.batch(4), tiny.phases[2]
    whole = objective(batch, phase)
    halves = [objective(half, phase) for half in batch.split(2)]
    for name, term in whole.terms.items():
        assert torch.isclose(term, torch.stack([half.terms[name] for half in halves]).mean(), rtol=1e-4), name


def test_history_frames_are_given_and_not_judged(objective: Objective, stream: Stream, tiny: Preset) -> None:
    batch, phase = stream.batch(6), tiny.phases[3]
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


def test_joints_are_measured_in_shares_of_the_frame_where_they_are_seen_in_it() -> None:
    keypoints = torch.full((1, 1, 88, 3), 0.5)
    keypoints[..., 2] = 1
    places = keypoints[..., :2] + torch.tensor([0.03, 0.04])
    assert joint_loss(places, keypoints) == pytest.approx(0.05, abs=1e-3)
    # A point off the frame, and one of no confidence.
    keypoints[0, 0, 0, 0], keypoints[0, 0, 1, 2] = 1.5, 0
    assert joint_loss(places, keypoints) == pytest.approx(0.05, abs=1e-3)
    assert joint_loss(places[:, :, :21], keypoints[:, :, :21]) == pytest.approx(0.05, abs=1e-3)
    exact = keypoints[..., :2].clone().requires_grad_()
    joint_loss(exact, keypoints).backward()
    assert exact.grad is not None
    assert exact.grad.isfinite().all()


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


def test_a_small_person_counts_as_much_as_a_large_one() -> None:
    person, counts = torch.zeros(3, 4, 4), torch.ones(3, 4, 4)
    person[0, 0, 0] = person[1, :, :3] = 1
    counts[1, 0] = 0
    weights = balanced(person, counts, 0.4)
    assert torch.allclose((weights * person).sum((1, 2)), torch.tensor([0.4, 0.4, 0.0]))
    assert torch.allclose((weights * (1 - person)).sum((1, 2)), torch.tensor([0.6, 0.6, 0.6]))
    assert not weights[1, 0].any()
    assert weights[2].unique().numel() == 1


def test_hidden_points_of_renders_are_taught_and_those_of_clips_are_not() -> None:
    keypoints = torch.full((1, 1, 88, 3), 0.5)
    keypoints[..., 2] = 1
    keypoints[:, :, :10, 2] = 0
    places = keypoints[..., :2].clone()
    places[:, :, :10] += 0.2
    rendered, filmed = torch.ones(1, 1), torch.zeros(1, 1)
    assert placed_loss(places, keypoints, filmed) < 0.01 < placed_loss(places, keypoints, rendered)
    # What is far off the picture counts as at most a picture away, and hardly.
    far = keypoints.clone()
    far[:, :, :10, :2] = 17.0
    assert placed_loss(keypoints[..., :2], far, rendered) < placed_loss(places, keypoints, rendered) * 5


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


def test_tokens_are_to_be_like_those_of_the_same_motion_and_not_of_the_same_person() -> None:
    motion, other, person = (value * 3 for value in torch.eye(3)[:, None, None])
    own, seen, exact = motion + 2 * person, torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 1)
    clean = alike_loss(torch.cat([motion, motion, other], 1), seen, exact)
    leaking = alike_loss(torch.cat([own, motion, other + 5 * person], 1), seen, exact)
    assert clean < 1e-3
    assert leaking > 1
    hidden = seen.clone()
    hidden[:, 1] = False
    for visible, known in ((hidden, exact), (seen, torch.zeros(1, 1))):
        assert not alike_loss(torch.cat([own, motion, other + 5 * person], 1), visible, known)

"""Every term counts only where its label is, and a batch may be cut into shares."""

from dataclasses import replace

import pytest
import torch
from tiny_training import make_stream, only

from pipelines.keypoints import LEFT_HAND_SLICE
from pipelines.workspace import Workspace
from training.config import Phase, Preset
from training.data import Stream
from training.model.animator import Animator
from training.objective import Objective, balanced, flow_noise, heatmap_loss, joint_loss, normal_loss, point_loss


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
    before = point_loss(predicted, points), heatmap_loss(logits, points)
    points[:, :, LEFT_HAND_SLICE, :2] += 0.3
    assert (point_loss(predicted, points), heatmap_loss(logits, points)) == before
    nothing = torch.cat([points[..., :2], torch.zeros(2, 1, 88, 1)], -1)
    assert point_loss(predicted, nothing) == 0
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
    assert torch.isclose(terms["moved"], others["moved"])
    whole = objective(replace(filled, shown=batch.shown), phase).terms["moved"]
    assert not torch.isclose(terms["moved"], whole)


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

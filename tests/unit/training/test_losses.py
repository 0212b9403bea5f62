"""Every term counts only where its label is."""

import pytest
import torch
from random_alexnet import alexnet

from pipelines.keypoints import LEFT_HAND_SLICE
from training.losses import (
    LookLoss,
    alike_loss,
    balanced,
    heatmap_loss,
    joint_loss,
    normal_loss,
    placed_loss,
    point_loss,
)


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


def test_pictures_that_look_alike_cost_nothing_and_elsewhere_nothing_counts() -> None:
    look, truth = LookLoss(alexnet()), torch.rand(2, 1, 3, 64, 64) * 2 - 1
    everywhere = torch.ones(2, 1, 1, 64, 64)
    assert look(truth, truth, everywhere) == 0
    spoiled = truth.clone()
    spoiled[..., :32] = -1
    assert look(spoiled, truth, everywhere) > 0.01
    right = everywhere.clone()
    right[..., :62] = 0  # what the network sees there reaches no further than half the picture
    assert look(spoiled, truth, right) < 0.5 * look(spoiled, truth, everywhere)


def test_a_black_picture_has_a_gradient() -> None:
    black = torch.full((1, 1, 3, 64, 64), -1.0, requires_grad=True)
    LookLoss(alexnet())(black, torch.zeros_like(black), torch.ones(1, 1, 1, 64, 64)).backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()
    assert black.grad.abs().sum() > 0

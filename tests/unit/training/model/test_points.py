"""Maps and points say the same; a moved person stands where sizes and places say."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.keypoints import BODY, FACE_SLICE, HEAD_SLICE, LEFT_HAND_SLICE, RIGHT_HAND_SLICE, part_box
from training.config import ModelConfig, Preset
from training.data import Stream
from training.inputs import local_points, person_box, relative_box, to_float
from training.model.animator import Animator
from training.model.heads import PlacedHeatmapHead
from training.model.points import PARENTS, bumps, chains, completed, expected_places, in_person_box, stand


def test_expected_places_find_the_peak() -> None:
    logits = torch.zeros(1, 2, 8, 8)
    logits[0, 0, 2, 5] = 50
    logits[0, 1, 7, 0] = 50
    assert torch.allclose(expected_places(logits)[0], torch.tensor([[5.5, 2.5], [0.5, 7.5]]) / 8, atol=1e-5)


@given(x=st.floats(0.3, 0.7), y=st.floats(0.3, 0.7))
def test_a_bump_has_its_middle_at_its_point(x: float, y: float) -> None:
    point = torch.tensor([[x, y]])
    assert torch.allclose(expected_places(bumps(point, 16)), point, atol=1e-3)


@given(ratio=st.floats(0.3, 3), shift=st.floats(-0.4, 0.4), across=st.floats(-0.3, 0.3), down=st.floats(-0.3, 0.3))
def test_who_is_larger_moves_farther(ratio: float, shift: float, across: float, down: float) -> None:
    driver = torch.rand(1, 1, 88, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    driver[..., 2] = 1
    own = torch.cat([driver[..., :2] * ratio + shift, driver[..., 2:]], -1)
    place = torch.tensor([[[across, down]]])
    found = stand(driver, own, place)
    head = torch.cat([own[..., HEAD_SLICE, :2], own[..., FACE_SLICE, :2]], -2).mean(-2)
    assert torch.allclose(found.log_scale.exp(), torch.tensor(ratio), rtol=0.01)
    assert torch.allclose(found.head, head + place * ratio, atol=0.01)


def test_who_bends_the_arms_is_no_smaller() -> None:
    driver = torch.rand(1, 1, 88, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    driver[..., 2] = 1
    bent = driver.clone()
    for side, hand in (("left", LEFT_HAND_SLICE), ("right", RIGHT_HAND_SLICE)):
        elbow = driver[..., BODY.index(f"{side}_elbow"), :2]
        for moved in (slice(BODY.index(f"{side}_wrist"), BODY.index(f"{side}_wrist") + 1), hand):
            x, y = (driver[..., moved, :2] - elbow[..., None, :]).unbind(-1)
            bent[..., moved, :2] = elbow[..., None, :] + torch.stack([-y, x], -1)
    assert torch.allclose(stand(bent, driver, torch.zeros(1, 1, 2)).log_scale, torch.zeros(1), atol=1e-4)


def test_what_either_picture_hides_says_nothing() -> None:
    driver = torch.rand(1, 1, 88, 3)
    own = torch.rand(1, 1, 88, 3)
    driver[..., 2], own[..., 2] = 1, 1
    driver[..., 2, 2], own[..., 12, 2] = 0, 0
    plain = stand(driver, own, torch.zeros(1, 1, 2))
    driver[..., 2, :2] += 0.5
    own[..., 12, :2] -= 0.5
    other = stand(driver, own, torch.zeros(1, 1, 2))
    assert torch.allclose(plain.head, other.head, atol=2e-3)
    assert torch.allclose(plain.log_scale, other.log_scale, atol=2e-2)


def test_points_of_crops_are_where_they_are_in_the_persons_box() -> None:
    keypoints = np.random.default_rng(0).uniform(0.2, 0.8, (88, 3)).astype(np.float32)
    keypoints[:, 2] = 1
    person = person_box(keypoints[None])
    boxes = [relative_box(part_box(keypoints, part), person) for part in ("left_hand", "right_hand", "face")]
    local = torch.from_numpy(local_points(keypoints, person, 1.0))
    found = in_person_box(local, *map(torch.from_numpy, boxes)).numpy()
    assert np.allclose(found[:, :2], (keypoints[:, :2] - person[:2]) / (person[2:] - person[:2]) * 2 - 1, atol=1e-4)


def test_nobody_in_sight_stays_finite() -> None:
    nothing = torch.zeros(1, 1, 88, 3, requires_grad=True)
    found = stand(nothing, nothing, torch.full((1, 1, 2), 3.0))
    total = found.head.sum() + found.log_scale.sum() + found.size.sum()
    (gradient,) = torch.autograd.grad(total, nothing)
    assert torch.isfinite(total)
    assert torch.isfinite(gradient).all()


def test_heatmaps_begin_where_d_puts_the_points() -> None:
    config = ModelConfig()
    head = PlacedHeatmapHead(config)
    for parameter in head.change.parameters():
        torch.nn.init.zeros_(parameter)
    points = torch.rand(1, 2, 88, 2) * 0.6 + 0.2
    logits = head(torch.randn(1, 2, config.retarget_width, 16, 16), points)
    assert torch.allclose(expected_places(logits), points, atol=0.01)


def test_the_place_moves_the_points_as_it_is(tiny: Preset, stream: Stream) -> None:
    """What z_b says of the place needs no learning: all points move with it, about the reference's head."""
    torch.manual_seed(0)
    animator = Animator(tiny.model).eval()
    batch = stream.batch(7)
    photo = animator.look_at(to_float(batch.reference), batch.reference_keypoints)
    tokens = animator.encode(batch.driver.plain())
    assert torch.equal(tokens.body[..., :2], batch.driver.place)
    before = animator.guide(photo, tokens).points[..., :2]
    moved = torch.cat([tokens.body[..., :2] + 0.1, tokens.body[..., 2:]], -1)
    tokens = type(tokens)(moved, tokens.left_hand, tokens.right_hand, tokens.face)
    after = animator.guide(photo, tokens).points[..., :2]
    off = after - before
    assert (off > 0).all()
    assert torch.allclose(off, off[..., :1, :1].expand_as(off), atol=0.02)


def test_points_hang_on_one_another_up_to_the_nose() -> None:
    table = chains()
    wrist, elbow, shoulder, nose = (BODY.index(name) for name in ("left_wrist", "left_elbow", "left_shoulder", "nose"))
    thumb = LEFT_HAND_SLICE.start + 4
    assert table[thumb, [nose, wrist, elbow, shoulder, LEFT_HAND_SLICE.start + 3]].all()
    assert table[thumb].sum() == 9
    assert table[nose].nonzero().tolist() == [[nose]]
    points = torch.rand(88, 2)
    steps = points - points[list(PARENTS)]
    steps[nose] = points[nose]
    assert torch.allclose(table @ steps, points, atol=1e-5)


def test_what_nobody_saw_is_at_rest_about_what_was_seen() -> None:
    points = torch.zeros(1, 88, 3)
    for name, place in {"nose": (0.5, 0.2), "left_eye": (0.52, 0.18), "right_eye": (0.48, 0.18)}.items():
        points[0, BODY.index(name)] = torch.tensor([*place, 1.0])
    found = completed(points)
    assert torch.equal(found[..., 2], points[..., 2])
    known = points[..., 2] > 0
    assert torch.equal(found[known], points[known])
    at = {name: found[0, BODY.index(name)] for name in BODY}
    assert at["left_shoulder"][0] > 0.5 > at["right_shoulder"][0]
    heights = [at[f"left_{joint}"][1] for joint in ("shoulder", "elbow", "wrist")]
    assert heights == sorted(heights)
    assert at["left_hip"][1] < at["left_knee"][1] < at["left_ankle"][1] < at["left_toe"][1]
    hand = found[0, LEFT_HAND_SLICE, :2]
    assert (hand - at["left_wrist"][:2]).norm(dim=-1).max() < 0.1
    assert completed(torch.zeros(1, 88, 3))[..., :2].min() > 0

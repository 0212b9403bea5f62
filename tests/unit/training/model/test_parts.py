"""Parts follow their points: where they are, and how they came from the photo."""

import math

import pytest
import torch

from pipelines.keypoints import BODY, COUNT, LEFT_HAND_SLICE
from pipelines.synthesis.scenes.scene import PART_LABELS
from training.model.parts import (
    HAS_TWIN,
    PARTS,
    TWINS,
    body_scale,
    mirrored_points,
    moved,
    moved_by,
    part_affines,
    part_maps,
    places_in,
    sampled,
)


def someone(seed: int = 0) -> torch.Tensor:
    points = torch.rand(2, COUNT, 3, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2
    points[..., 2] = 1
    return points


@pytest.mark.parametrize("part", [name for name in PART_LABELS if name.endswith(("arm", "thigh", "shin"))])
def test_a_map_is_brightest_on_its_bone(part: str) -> None:
    ends = {"upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee")}
    side, _, limb = part.partition("_")
    first, second = (BODY.index(f"{side}_{joint}") for joint in ends.get(limb, ("knee", "ankle")))
    points = someone()
    middle = points[:, [first, second], :2].mean(1)
    maps = part_maps(points, 32)[:, PART_LABELS.index(part) - 1]
    for value, (x, y) in zip(maps, middle, strict=True):
        assert value[int(y * 32), int(x * 32)] > 0.8 * value.max()


def test_what_is_seen_of_a_part_dims_its_second_map() -> None:
    points = someone()
    points[:, LEFT_HAND_SLICE, 2] = 0
    maps = part_maps(points, 16)
    hand = PART_LABELS.index("left_hand") - 1
    assert maps[:, hand].max() > 0.5
    assert maps[:, PARTS + hand].max() == 0


def test_a_turn_of_all_points_is_that_of_every_part() -> None:
    photo = someone()
    angle, shift = 0.4, torch.tensor([0.1, -0.05])
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    target = photo.clone()
    # From the target to the photo: photo = turn @ target + shift.
    target[..., :2] = (photo[..., :2] - shift) @ torch.linalg.inv(turn).T
    places = moved(part_affines(target, photo), 8)
    at = places_in(8, 8)
    wanted = at @ turn.T + shift
    assert (places - wanted).abs().max() < 1e-3
    # What a scale of its own does lies across a bone only as far as its points say so.
    target[..., :2] *= 1.5
    hand = PART_LABELS.index("left_hand") - 1
    matrix = part_affines(target, photo)[:, hand, :, :2]
    assert (torch.linalg.det(matrix).sqrt() - 1 / 1.5).abs().max() < 0.1


def test_one_part_per_place_is_that_of_all_parts() -> None:
    affines, part = part_affines(someone(1), someone()), torch.randint(0, PARTS, (2, 8, 8))
    at = places_in(8, 8).expand(2, -1, -1, -1)
    everywhere = moved(affines, 8)
    chosen = everywhere.gather(1, part[:, None, :, :, None].expand(-1, -1, -1, -1, 2))[:, 0]
    assert torch.allclose(moved_by(affines, part, at), chosen, atol=1e-5)


def test_points_that_coincide_stay_finite() -> None:
    points = torch.zeros(1, COUNT, 3)
    assert part_affines(points, points).isfinite().all()
    assert part_maps(points, 8).isfinite().all()
    assert body_scale(points) > 0


def test_twins_are_the_other_side() -> None:
    for number, name in enumerate(PART_LABELS[1:]):
        twin = PART_LABELS[1:][TWINS[number]]
        assert HAS_TWIN[number] == (twin != name)
        assert {name.split("_")[0], twin.split("_")[0]} <= {"left", "right"} or twin == name
    points = someone()
    left, right = BODY.index("left_wrist"), BODY.index("right_wrist")
    assert torch.equal(mirrored_points(points)[:, left], points[:, right])
    assert torch.equal(mirrored_points(mirrored_points(points)), points)


def test_sampling_at_the_middles_of_pixels_gives_the_picture() -> None:
    image = torch.rand(2, 3, 6, 10)
    at = places_in(6, 10).expand(2, -1, -1, -1)
    assert torch.allclose(sampled(image, at), image, atol=1e-5)
    assert not sampled(image, at + 2, "zeros").any()

import torch

from pipelines.keypoints import BODY, BODY_BONES, BODY_SLICE, COUNT, FACE_SLICE, LEFT_HAND_SLICE, RIGHT_HAND_SLICE
from training.model.skeleton import MAPS, draw_skeleton

ARM = BODY_BONES.index((BODY.index("left_shoulder"), BODY.index("left_elbow")))


def points(**at: tuple[float, float, float]) -> torch.Tensor:
    keypoints = torch.zeros(1, COUNT, 3)
    for name, place in at.items():
        keypoints[0, BODY.index(name)] = torch.tensor(place)
    return keypoints


def test_a_bone_is_drawn_between_its_points_in_a_map_of_its_own() -> None:
    maps = draw_skeleton(points(left_shoulder=(0.25, 0.5, 1), left_elbow=(0.75, 0.5, 1)), 64)
    assert maps.shape == (1, MAPS, 64, 64)
    assert [number for number in range(MAPS) if maps[0, number].any()] == [ARM]
    rows, columns = maps[0, ARM].nonzero().T
    assert rows.min() >= 30
    assert rows.max() <= 33
    assert (columns.min(), columns.max()) == (15, 48)
    assert maps[0, ARM, 31:33, 17:47].min() > 0.6


def test_a_bone_is_as_bright_as_its_less_certain_end() -> None:
    certain, half, unknown = (
        draw_skeleton(points(left_shoulder=(0.2, 0.2, 1), left_elbow=(0.7, 0.8, confidence)), 32)
        for confidence in (1.0, 0.5, 0.0)
    )
    assert torch.allclose(half, certain / 2)
    assert not unknown.any()


def test_strokes_move_with_their_points_by_less_than_a_pixel() -> None:
    here, there = (
        draw_skeleton(points(left_shoulder=(0.25 + x, 0.2, 1), left_elbow=(0.25 + x, 0.8, 1)), 64) for x in (0, 0.004)
    )
    assert not torch.allclose(here, there)
    centres = [(maps[0, ARM, 32] * torch.arange(64)).sum() / maps[0, ARM, 32].sum() for maps in (here, there)]
    assert torch.isclose(centres[1] - centres[0], torch.tensor(0.004 * 64), atol=0.1)


def test_every_part_has_its_maps() -> None:
    torch.manual_seed(0)
    found = {}
    for name, where in (
        ("body", BODY_SLICE),
        ("left", LEFT_HAND_SLICE),
        ("right", RIGHT_HAND_SLICE),
        ("face", FACE_SLICE),
    ):
        keypoints = torch.zeros(1, COUNT, 3)
        keypoints[:, where, :2] = torch.rand(1, where.stop - where.start, 2)
        keypoints[:, where, 2] = 1
        found[name] = draw_skeleton(keypoints, 64)[0].flatten(1).any(1).nonzero().flatten().tolist()
    assert found == {"body": [*range(20)], "left": [*range(20, 25)], "right": [*range(25, 30)], "face": [30]}


def test_what_is_off_the_frame_does_no_harm() -> None:
    assert draw_skeleton(torch.randn(3, COUNT, 3) * 50, 16).isfinite().all()

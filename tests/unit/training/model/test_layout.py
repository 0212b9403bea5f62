"""R and L give what their labels ask for, and a layout without offsets is a puppet."""

import torch

from pipelines.keypoints import COUNT
from pipelines.synthesis.scenes.scene import PART_LABELS
from training.config import ModelConfig
from training.model.layout import Layout, PartLayout, PartReader, outlined, picked
from training.model.parts import PARTS, moved_by, part_affines, places_in

CONFIG = ModelConfig(layout=32, layout_width=8)


def someone(count: int) -> torch.Tensor:
    points = torch.rand(count, COUNT, 3, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    points[..., 2] = 1
    return points


def test_both_give_a_share_of_every_part_in_half_as_many_cells() -> None:
    torch.manual_seed(0)
    points = someone(2)
    logits = PartReader(CONFIG)(torch.rand(2, 3, 32, 32) * 2 - 1, points)
    assert logits.shape == (2, PARTS + 1, CONFIG.cells, CONFIG.cells)
    layout = PartLayout(CONFIG)(logits.softmax(1), points, points)
    assert layout.parts.shape == logits.shape
    assert layout.offsets.shape == (2, 2 * PARTS, CONFIG.cells // 2, CONFIG.cells // 2)
    assert layout.visible.shape == (2, 1, CONFIG.cells // 2, CONFIG.cells // 2)


def test_without_offsets_a_place_comes_from_where_its_parts_affine_says() -> None:
    torch.manual_seed(0)
    target, photo = someone(2), someone(2).roll(1, 0)
    net = PartLayout(CONFIG)
    for parameter in net.rest.parameters():
        torch.nn.init.zeros_(parameter)
    layout = net(torch.full((2, PARTS + 1, 16, 16), 1 / (PARTS + 1)), photo, target)
    at, part = places_in(8, 8).expand(2, -1, -1, -1), torch.randint(0, PARTS, (2, 8, 8))
    wanted = moved_by(part_affines(target, photo), part, at)
    assert torch.allclose(layout.sources(part, at), wanted, atol=1e-5)


def test_of_maps_of_all_parts_a_place_has_that_of_its_own() -> None:
    volume = torch.rand(2, 3, PARTS, 8, 8)
    part, at = torch.randint(0, PARTS, (2, 8, 8)), places_in(8, 8).expand(2, -1, -1, -1)
    wanted = volume.gather(2, part[:, None, None].expand(-1, 3, -1, -1, -1))[:, :, 0]
    assert torch.allclose(picked(volume, part, at), wanted, atol=1e-4)


def test_hair_that_the_layout_cuts_off_is_put_back_and_takes_nothing_from_other_parts() -> None:
    head, torso = PART_LABELS.index("head"), PART_LABELS.index("torso")
    said = torch.full((1, PARTS + 1, 16, 16), -9.0)
    said[:, 0] = 9  # nobody,
    said[:, :, 8:] = -9
    said[:, torso, 8:] = 9  # and below a torso
    stays = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(1, PARTS, -1, -1)
    layout = Layout(said, stays, torch.zeros(1, 2 * PARTS, 8, 8), torch.zeros(1, 1, 8, 8))
    photo = torch.zeros(1, PARTS + 1, 16, 16)
    photo[:, 0] = 1
    photo[:, :, 4:12, 4:12] = 0
    photo[:, head, 4:12, 4:12] = 1
    found = layout.with_hair(photo).parts.softmax(1)
    assert torch.allclose(found.sum(1), torch.ones(1, 16, 16), atol=1e-4)
    assert (found[:, head, 5:8, 5:11] > 0.99).all()
    assert (found[:, torso, 8:] > 0.99).all()
    assert (found[:, 0, :3] > 0.99).all()


def test_an_outline_says_how_far_the_person_reaches_and_not_what_is_where() -> None:
    shares = torch.full((1, PARTS + 1, 8, 8), 0.01)
    shares[:, 0] = 0.8
    shares[:, 3] = 0.05
    person = torch.zeros(1, 1, 16, 16)
    person[..., :8] = 1
    found = outlined(shares, person)
    assert torch.allclose(found.sum(1), torch.ones(1, 8, 8), atol=1e-5)
    assert torch.equal(1 - found[:, 0], person[:, 0, ::2, ::2])
    assert (found[:, 1:, :, :4].argmax(1) == 2).all()

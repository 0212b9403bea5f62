"""Copies come from where the layout says, and what is behind a person from around them."""

from dataclasses import replace

import torch

from pipelines.keypoints import COUNT
from pipelines.synthesis.scenes.scene import PART_LABELS
from training.config import ModelConfig
from training.model.blend import Blender
from training.model.copies import COPY_CHANNELS, Copier, Still, part_colours, plate_behind, stacked
from training.model.layout import Layout
from training.model.parts import PARTS, part_affines, places_in

SIZE, CELLS = 32, 16


def points() -> torch.Tensor:
    found = torch.rand(1, COUNT, 3, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    found[..., 2] = 1
    return found


def shares_of(part: str, where: tuple[slice, slice]) -> torch.Tensor:
    """The part in some cells, the background elsewhere."""
    shares = torch.zeros(1, PARTS + 1, CELLS, CELLS)
    shares[:, 0] = 1
    shares[0, 0][where] = 0
    shares[0, PART_LABELS.index(part)][where] = 1
    return shares


def test_a_still_person_is_copied_as_they_are() -> None:
    image, own = torch.rand(1, 3, SIZE, SIZE) * 2 - 1, points()
    shares = shares_of("torso", (slice(4, 12), slice(4, 12)))
    still = Still.of(image, shares, own)
    half = CELLS // 2
    layout = Layout(
        (shares * 20 - 10), part_affines(own, own), torch.zeros(1, 2 * PARTS, half, half), torch.zeros(1, 1, half, half)
    )
    at = places_in(SIZE, SIZE)[None]
    copies = Copier(still, layout, own, at).copies()
    inside = (..., slice(10, 22), slice(10, 22))
    assert torch.allclose(copies.own[inside], image[inside], atol=1e-3)
    assert copies.cover[inside].min() > 0.99
    assert copies.cover[..., :6, :].max() < 0.01
    assert torch.allclose(copies.rough[..., :4, :], image[..., :4, :], atol=0.05)
    # An offset of a quarter of the picture takes what is there.
    shifted = replace(layout, offsets=torch.full_like(layout.offsets, 0.25))
    there = Copier(still, shifted, own, at).copies().own[..., 10:14, 10:14]
    assert torch.allclose(there, image[..., 18:22, 18:22], atol=1e-3)


def test_a_twin_comes_from_the_other_limb() -> None:
    own, image = points(), torch.full((1, 3, SIZE, SIZE), -1.0)
    left, right = PART_LABELS.index("left_hand"), PART_LABELS.index("right_hand")
    shares = torch.zeros(1, PARTS + 1, CELLS, CELLS)
    shares[:, right] = 1
    image[:, 0] = 1
    still = Still.of(image, shares, own)
    asked = torch.full((1, PARTS + 1, CELLS, CELLS), -10.0)
    asked[:, left] = 10
    layout = Layout(asked, part_affines(own, own), torch.zeros(1, 2 * PARTS, 8, 8), torch.zeros(1, 1, 8, 8))
    evidence = Copier(still, layout, own, places_in(SIZE, SIZE)[None]).evidence()
    assert evidence.sure.max() < 0.01
    assert evidence.twin_sure.min() > 0.99
    assert torch.allclose(evidence.hand, torch.ones_like(evidence.hand), atol=1e-3)
    torso = asked.roll(PART_LABELS.index("torso") - left, 1)
    without = Copier(still, replace(layout, parts=torso), own, places_in(SIZE, SIZE)[None]).evidence()
    assert not without.twin_sure.any()


def test_whole_frames_are_as_at_each_of_their_places() -> None:
    generator = torch.Generator().manual_seed(1)
    image, own = torch.rand(1, 3, SIZE, SIZE, generator=generator) * 2 - 1, points()
    shares = torch.rand(1, PARTS + 1, CELLS, CELLS, generator=generator).softmax(1)
    still, half = Still.of(image, shares, own), CELLS // 2
    layout = Layout(
        torch.randn(1, PARTS + 1, CELLS, CELLS, generator=generator),
        part_affines(own, own),
        torch.randn(1, 2 * PARTS, half, half, generator=generator) * 0.1,
        torch.randn(1, 1, half, half, generator=generator),
    )
    whole, placed = Copier(still, layout, own), Copier(still, layout, own, places_in(SIZE, SIZE)[None])
    everywhere = stacked(whole.copies(), whole.evidence())
    torch.testing.assert_close(everywhere, stacked(placed.copies(), placed.evidence()), atol=1e-3, rtol=0)


def test_a_part_that_was_never_seen_has_the_colour_of_its_relatives() -> None:
    shares = shares_of("right_foot", (slice(0, 8), slice(0, 16)))
    image = torch.zeros(1, 3, SIZE, SIZE)
    image[:, :, :16] = torch.tensor([0.5, -0.5, 0.25])[:, None, None]
    colours = part_colours(image, shares)
    for part in ("right_foot", "left_foot"):
        found = colours[0, PART_LABELS.index(part) - 1]
        assert torch.allclose(found, torch.tensor([0.5, -0.5, 0.25]), atol=0.02), part


def test_the_plate_has_the_place_and_nothing_of_the_person() -> None:
    image = torch.linspace(-1, 1, SIZE).expand(1, 3, SIZE, SIZE).clone()
    truth = image.clone()
    image[..., 8:24, 8:24] = 5.0
    plate = plate_behind(image, shares_of("torso", (slice(4, 12), slice(4, 12))))
    assert torch.allclose(plate[..., :2, :], truth[..., :2, :], atol=1e-4)
    assert (plate - truth).abs().max() < 0.5
    assert plate.max() <= 1
    whole = plate_behind(image, shares_of("torso", (slice(0, 16), slice(0, 16))))
    assert whole.isfinite().all()


def test_f_first_trusts_what_the_layout_says() -> None:
    torch.manual_seed(0)
    config = ModelConfig(blend_width=8)
    own = points()
    image, shares = torch.rand(1, 3, SIZE, SIZE) * 2 - 1, shares_of("torso", (slice(4, 12), slice(4, 12)))
    layout = Layout(shares * 20 - 10, part_affines(own, own), torch.zeros(1, 32, 8, 8), torch.full((1, 1, 8, 8), 9.0))
    copier = Copier(Still.of(image, shares, own), layout, own, places_in(SIZE, SIZE)[None])
    copies, evidence = copier.copies(), copier.evidence()
    assert stacked(copies, evidence).shape == (1, COPY_CHANNELS, SIZE, SIZE)
    made = torch.zeros(1, 3, SIZE, SIZE)
    blend = Blender(config)(copies, evidence, made)
    assert torch.allclose(blend.shares.sum(1), torch.ones(1, SIZE, SIZE))
    picture = blend.of(copies, made)
    assert (picture - image)[..., 10:22, 10:22].abs().mean() < 0.1

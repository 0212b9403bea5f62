"""What the picture networks are told wrongly: the same for all pictures of a sample, and only where it may be so."""

import pytest
import torch

from pipelines.keypoints import BODY, COUNT, LEFT_HAND_SLICE
from training.augment_pictures import doubted_frame, doubted_photo, draw_for_pictures, recoloured

POSITIONS = torch.arange(40)


def points() -> torch.Tensor:
    found = torch.rand(len(POSITIONS), COUNT, 3, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    found[..., 2] = 1
    return found


def test_draws_are_each_samples_own_whatever_the_batch() -> None:
    whole, one = draw_for_pictures(7, POSITIONS, 1.0), draw_for_pictures(7, POSITIONS[5:6], 1.0)
    for name in ("gamma", "gain", "offset", "order", "places", "hands", "doubt", "middle"):
        assert torch.equal(getattr(whole, name)[5:6], getattr(one, name)), name
    assert not torch.equal(whole.places[0], whole.places[1])


def test_photo_and_frames_of_a_sample_have_the_same_other_colours() -> None:
    draws = draw_for_pictures(0, POSITIONS, 1.0)
    images = torch.rand(len(POSITIONS), 3, 4, 4) * 2 - 1
    frames = images[:, None].expand(-1, 2, -1, -1, -1)
    changed = recoloured(images, draws)
    # The power is computed in other lanes of the processor: equal but for rounding.
    assert torch.allclose(recoloured(frames, draws), changed[:, None].expand_as(frames), atol=1e-5)
    assert changed.abs().max() <= 1
    assert not torch.allclose(changed, images, atol=0.05)
    still = recoloured(images, draw_for_pictures(0, POSITIONS, 0.0))
    assert torch.allclose(still, images, atol=1e-3)


def test_what_is_seen_in_a_frame_is_where_it_is() -> None:
    draws, true = draw_for_pictures(0, POSITIONS, 1.0), points()
    true[:, LEFT_HAND_SLICE, 2] = 0
    told = doubted_frame(true[:, None], draws)[:, 0]
    seen = true[..., 2] > 0
    assert torch.equal(told[seen], true[seen])
    moved = (told - true)[:, LEFT_HAND_SLICE, :2].norm(dim=-1).amax(1)
    assert (moved > 0).any()
    assert (moved == 0).any()


def test_the_photos_points_are_a_little_off_and_some_hidden_ones_at_rest() -> None:
    draws, true = draw_for_pictures(0, POSITIONS, 1.0), points()
    off = (doubted_photo(true, draws) - true)[..., :2].norm(dim=-1)
    assert 0 < off.mean() < 0.01
    wrist = BODY.index("left_wrist")
    true[:, wrist] = torch.tensor([0.9, 0.1, 0.0])
    near = (doubted_photo(true, draws)[:, wrist, :2] - true[:, wrist, :2]).norm(dim=-1) < 0.05
    assert near.any()
    assert not near.all()


@pytest.mark.parametrize("far", [-9.0, 17.0])
def test_points_far_off_the_picture_are_told_as_a_picture_away(far: float) -> None:
    draws, true = draw_for_pictures(0, POSITIONS, 1.0), points()
    true[:, 0, :2] = far
    for told in (doubted_photo(true, draws), doubted_frame(true[:, None], draws)[:, 0]):
        assert told[..., :2].min() >= -1
        assert told[..., :2].max() <= 2

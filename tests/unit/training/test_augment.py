from dataclasses import replace

import torch

from pipelines.keypoints import BODY_SLICE
from training.augment import augment, draw
from training.data import Stream
from training.inputs import Driver


def crops(batch: int, frames: int, value: int = 100, alpha: int = 255) -> Driver:
    def images(*shape: int) -> torch.Tensor:
        made = torch.full((batch, frames, *shape), value, dtype=torch.uint8)
        made.select(-3, 3)[:] = alpha
        return made

    visible = torch.ones(batch, frames, dtype=torch.bool)
    boxes, points = torch.zeros(batch, frames, 3), torch.zeros(batch, frames, 88, 3)
    body, hands, face = images(4, 32, 32), images(2, 4, 16, 16), images(4, 16, 16)
    place = torch.zeros(batch, frames, 2)
    return Driver(
        body,
        place,
        hands,
        face,
        visible[..., None],
        visible,
        boxes[:, :, None].expand(-1, -1, 2, -1),
        boxes,
        points[..., BODY_SLICE, :],
        points,
    )


def test_draws_depend_on_seed_and_position_alone() -> None:
    both, alone = draw(3, torch.tensor([7, 9])), draw(3, torch.tensor([9]))
    assert torch.equal(both.colour[1:], alone.colour)
    assert torch.equal(both.pieces[1:], alone.pieces)
    assert not torch.equal(both.warps[0], both.warps[1])
    assert not torch.equal(draw(4, torch.tensor([9])).warps, alone.warps)


def test_frames_of_a_sample_are_augmented_alike(stream: Stream) -> None:
    driver = stream.batch(7).driver
    same = replace(driver, body=driver.body[:, :1].expand(-1, 3, -1, -1, -1))
    out = augment(same, draw(0, torch.tensor([1, 2])), 1.0).body
    assert torch.equal(out[:, 0], out[:, 2])
    assert not torch.equal(out, same.plain().body)
    assert (out.abs() <= 1).all()


def test_strength_zero_changes_nothing(stream: Stream) -> None:
    driver = stream.batch(0).driver
    assert torch.equal(augment(driver, draw(0, torch.arange(4)), 0).face, driver.plain().face)


def test_the_background_is_replaced_only_where_the_person_is_known_not_to_be() -> None:
    positions = torch.arange(64)
    draws = draw(0, positions)
    known, unknown = (augment(crops(64, 1, alpha=alpha), draws, 1.0).body for alpha in (0, 255))
    changed = (known - unknown).abs().flatten(1).amax(1) > 1e-4
    assert torch.equal(changed, draws.replace.bool() & changed)
    assert 0.5 < changed.float().mean() < 0.9
    # A colour jitter alone leaves a flat picture flat.
    assert unknown.flatten(-2).std(-1).max() < 1e-4

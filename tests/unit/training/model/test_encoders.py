from dataclasses import replace

import pytest
import torch

from training.config import Preset
from training.data import Stream
from training.inputs import Driver
from training.model.encoders import BODY_PLACES, PLACE, MotionEncoder


def encoder_and_driver(preset: Preset, stream: Stream) -> tuple[MotionEncoder, Driver]:
    torch.manual_seed(0)
    return MotionEncoder(preset.model), stream.batch(3).driver.plain()


def test_a_hidden_hand_or_face_gives_the_null_token_whatever_its_crop(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    visible = driver.hand_visible.clone()
    visible[:, :, 1] = False
    hidden = replace(driver, hand_visible=visible, face_visible=torch.zeros_like(driver.face_visible))
    tokens, _ = encoder(hidden)
    assert torch.equal(tokens.right_hand, encoder.hand.null.expand_as(tokens.right_hand))
    assert torch.equal(tokens.face, encoder.face.null.expand_as(tokens.face))
    assert torch.equal(tokens.left_hand, encoder(driver)[0].left_hand)
    noisy = replace(hidden, hands=hidden.hands.clone())
    noisy.hands[:, :, 1] += 1
    assert torch.equal(encoder(noisy)[0].right_hand, tokens.right_hand)


def test_both_hands_share_one_encoder(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    swapped = replace(
        driver,
        hands=driver.hands.flip(2),
        hand_box=driver.hand_box.flip(2),
        hand_visible=driver.hand_visible.flip(2),
    )
    assert torch.allclose(encoder(driver)[0].left_hand, encoder(swapped)[0].right_hand, atol=1e-6)


def test_where_the_face_is_reaches_its_token(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    moved = replace(driver, face_box=driver.face_box + 0.5)
    assert not torch.allclose(encoder(driver)[0].face, encoder(moved)[0].face)


def test_places_reach_the_token(tiny: Preset) -> None:
    torch.manual_seed(0)
    encoder, crops = MotionEncoder(tiny.model), torch.rand(2, 3, tiny.model.body_size, tiny.model.body_size)
    grid = 2 * tiny.model.body_size // tiny.model.patch
    seen = encoder.eyes(crops)
    place, unknown = torch.zeros(2, 2), torch.zeros(2, 21, 3)
    token, heatmaps = encoder.body(seen, place, unknown)
    assert token.shape == (2, tiny.model.body_token)
    assert heatmaps.shape == (2, 21, grid, grid)
    with torch.no_grad():
        encoder.body.maps[-2].bias += torch.randn_like(encoder.body.maps[-2].bias) * 10
    assert not torch.allclose(encoder.body(seen, place, unknown)[0], token)


def test_landmarks_that_are_sure_stand_in_the_token(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    told = driver.landmarks.clone()
    told[..., :2] = torch.linspace(-1, 1, told[..., :2].numel()).view(told[..., :2].shape)
    told[..., 2] = 0
    told[..., 3:6, 2] = 0.9
    read = encoder(replace(driver, landmarks=torch.zeros_like(told)))[0].body
    places, others = (
        token[..., PLACE : PLACE + BODY_PLACES].unflatten(-1, (-1, 2))
        for token in (encoder(replace(driver, landmarks=told))[0].body, read)
    )
    assert torch.allclose(places[..., 3:6, :], told[..., 3:6, :2])
    assert torch.equal(places[..., 6:, :], others[..., 6:, :])


def test_how_far_somebody_moved_reaches_the_body_token(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    here, there = encoder(driver)[0], encoder(replace(driver, place=driver.place + 0.5))[0]
    assert not torch.allclose(here.body, there.body)
    assert torch.equal(here.face, there.face)


@pytest.mark.parametrize("size", [24, 36, 16, 96])
def test_crops_must_fit_the_eyes(tiny: Preset, size: int) -> None:
    with pytest.raises(ValueError, match="body_size"):
        replace(tiny.model, body_size=size)

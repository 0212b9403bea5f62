from dataclasses import replace

import torch

from training.config import Preset
from training.data import Stream
from training.inputs import Driver
from training.model.encoders import MotionEncoder


def encoder_and_driver(preset: Preset, stream: Stream) -> tuple[MotionEncoder, Driver]:
    torch.manual_seed(0)
    return MotionEncoder(preset.model), stream.batch(3).driver.plain()


def test_a_hidden_hand_or_face_gives_the_null_token_whatever_its_crop(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    visible = driver.hand_visible.clone()
    visible[:, :, 1] = False
    hidden = replace(driver, hand_visible=visible, face_visible=torch.zeros_like(driver.face_visible))
    tokens = encoder(hidden)
    assert torch.equal(tokens.right_hand, encoder.hand.null.expand_as(tokens.right_hand))
    assert torch.equal(tokens.face, encoder.face.null.expand_as(tokens.face))
    assert torch.equal(tokens.left_hand, encoder(driver).left_hand)
    noisy = replace(hidden, hands=hidden.hands.clone())
    noisy.hands[:, :, 1] += 1
    assert torch.equal(encoder(noisy).right_hand, tokens.right_hand)


def test_both_hands_share_one_encoder(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    swapped = replace(driver, hands=driver.hands.flip(2), hand_visible=driver.hand_visible.flip(2))
    assert torch.allclose(encoder(driver).left_hand, encoder(swapped).right_hand, atol=1e-6)


def test_where_the_face_is_reaches_its_token(tiny: Preset, stream: Stream) -> None:
    encoder, driver = encoder_and_driver(tiny, stream)
    moved = replace(driver, face_box=driver.face_box + 0.5)
    assert not torch.allclose(encoder(driver).face, encoder(moved).face)

"""Pictures of what the driving encoders see, beside what was filmed."""

from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import augment, draw
from training.batch import Batch
from training.data import Stream
from training.fields import each
from training.inputs import Driver, to_pixels

_SAMPLES, _DRAWS, _SIDE = 4, 5, 96


def augmentations(stream: Stream, strength: float, seed: int) -> NDArray[np.uint8]:
    """(H, W, 3): a block per sample, two beside each other, with a row per part (body, left hand, right hand, face):
    the crop, then as it is seen at several draws. A part that is not visible is dark."""
    batch = stream.batch(0)
    assert isinstance(batch, Batch), "a preset that begins without pictures is refused"
    driver = batch.driver
    count = min(_SAMPLES, len(driver.body))
    blocks = []
    for sample in range(count):
        one = each(driver, itemgetter((slice(sample, sample + 1), slice(1))))
        seen = [augment(one, draw(seed, torch.tensor([number])), strength) for number in range(_DRAWS)]
        columns = [_parts(each) for each in (one.plain(), *seen)]
        blocks.append(np.concatenate([_row(list(pictures)) for pictures in zip(*columns, strict=True)]))
    blocks += [np.zeros_like(blocks[0])] * (count % 2)
    return np.concatenate([np.concatenate(pair, 1) for pair in zip(blocks[::2], blocks[1::2], strict=True)])


def _parts(driver: Driver) -> list[Tensor]:
    """Four pictures (3, S, S) in [-1, 1] of a driver with one sample of one frame."""
    hands = [torch.where(driver.hand_visible[0, 0, side], driver.hands[0, 0, side], -1.0) for side in (0, 1)]
    return [driver.body[0, 0], *hands, torch.where(driver.face_visible[0, 0], driver.face[0, 0], -1.0)]


def _row(pictures: list[Tensor]) -> NDArray[np.uint8]:
    scaled = torch.nn.functional.interpolate(torch.stack(pictures), size=(_SIDE, _SIDE), mode="nearest")
    return np.asarray(to_pixels(scaled).permute(2, 0, 3, 1).flatten(1, 2).numpy(), np.uint8)

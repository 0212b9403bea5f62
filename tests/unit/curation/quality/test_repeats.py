"""Repeated frames are counted, moving ones and quiet ones are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.curation.quality.repeats import cadence, repeated, repeats


def moving(count: int, noise: float = 1.0) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    frames = []
    for index in range(count):
        frame = np.full((64, 64, 3), 100.0)
        frame[20:40, index % 40 : index % 40 + 20] = 220
        frames.append(np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8))
    return frames


def test_new_frames_are_none() -> None:
    assert repeated(repeats(moving(32))) == 0


def test_a_pause_with_camera_noise_is_none() -> None:
    frames = moving(16)
    pause = [np.clip(frames[-1].astype(int) + n, 0, 255).astype(np.uint8) for n in (1, -1) * 8]
    assert repeated(repeats(frames + pause)) == 0


def test_every_frame_twice_is_half() -> None:
    flags = repeats([frame for frame in moving(24) for _ in range(2)])
    assert repeated(flags) == pytest.approx(0.5, abs=0.02)
    assert cadence(flags, 16) < 0.2


def test_a_freeze_changes_the_cadence() -> None:
    frames = moving(16)
    flags = repeats(frames + [frames[-1]] * 12 + moving(16))
    assert flags.sum() == 12
    assert cadence(flags, 16) == 1


def test_a_picture_that_never_changes_is_all_repeats() -> None:
    assert repeats([np.zeros((8, 8, 3), np.uint8)] * 5).all()
    assert repeats([np.zeros((8, 8, 3), np.uint8)]).tolist() == []

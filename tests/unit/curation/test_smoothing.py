"""What rests trembles less, what is fast stays where it was found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.curation.smoothing import smoothed
from pipelines.curation.whole_body import COUNT, FACE, LEFT_HAND, POSE

FPS = 16.0


def person(frames: int = 48) -> NDArray[np.float32]:
    """Somebody who rests: each part is spread over a tenth of the frame, all of it is found."""
    rng = np.random.default_rng(0)
    landmarks = np.ones((frames, COUNT, 3), np.float32)
    landmarks[..., :2] = 0.5 + rng.uniform(-0.05, 0.05, (COUNT, 2))
    return landmarks


def test_what_rests_trembles_less() -> None:
    still = person()
    shaken = still.copy()
    shaken[..., :2] += np.random.default_rng(1).normal(0, 2e-4, shaken[..., :2].shape)
    for part in (POSE, LEFT_HAND, FACE):
        before, after = (np.abs(x - still)[:, part, :2].mean() for x in (shaken, smoothed(shaken, FPS, 1.0, 0.06)))
        assert after < 0.7 * before


def test_fast_motion_is_kept_whole() -> None:
    moving = person()
    wave = 0.1 * np.sin(2 * np.pi * 3 * np.arange(len(moving)) / FPS)  # a hand that waves three times a second
    moving[:, LEFT_HAND, 0] += wave[:, None]
    kept = smoothed(moving, FPS, 1.0, 0.06)[:, LEFT_HAND, 0].mean(1)
    assert np.ptp(kept) > 0.97 * np.ptp(moving[:, LEFT_HAND, 0].mean(1))


def test_a_step_is_not_smeared() -> None:
    moving = person()
    moving[24:, LEFT_HAND, 0] += 0.3
    kept = smoothed(moving, FPS, 1.0, 0.06)
    assert np.abs(kept - moving).max() < 0.01


def test_what_is_not_found_stays_nothing_and_pulls_nothing() -> None:
    seen = person()
    seen[20:25, LEFT_HAND] = 0
    kept = smoothed(seen, FPS, 16 / 9, 0.06)
    assert (kept[20:25, LEFT_HAND] == 0).all()
    assert kept[..., 2] == pytest.approx(seen[..., 2])
    assert np.abs(kept - seen).max() < 1e-5


def test_zero_changes_nothing() -> None:
    seen = person(5)
    assert (smoothed(seen, FPS, 1.0, 0.0) == seen).all()

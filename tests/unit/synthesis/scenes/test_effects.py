"""Camera effects: within their ranges, off where clean, in the place where things move."""

import dataclasses

import numpy as np
import pytest

from pipelines.synthesis.scenes.effects import CODECS, Effects, apply, sample_effects

NONE = Effects(False, 0, 0, 0, 1, 0, (1, 1, 1), 1, 1, 0, 1, "none", 0)


def frames(count: int = 3, size: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    base = 128 + 60 * np.sin(column / 3) + 40 * np.cos(row / 4)
    return np.asarray(np.clip(base[None, ..., None] + rng.normal(0, 4, (count, 1, 1, 3)), 0, 255), np.uint8)


def run(effects: Effects, points: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    given = frames()
    masks = np.ones(given.shape[:3], np.bool_)
    places = np.zeros((3, 4, 2), np.float32) if points is None else points
    return apply(effects, given, masks, places, 10.0, np.random.default_rng(seed))


def test_clean_and_neutral_change_nothing() -> None:
    assert (run(dataclasses.replace(NONE, clean=True, noise=0.5)) == frames()).all()
    assert (run(NONE) == frames()).all()


@pytest.mark.parametrize(
    "change",
    [
        {"defocus": 0.02}, {"vignette": 0.4}, {"exposure": 0.8}, {"noise": 0.03}, {"tint": (1.1, 1.0, 0.9)},
        {"contrast": 0.8}, {"sharpen": 0.8}, {"resize": 0.4}, {"codec": "jpeg", "quality": 25},
        {"codec": "mpeg4", "quality": 12},
    ],
)  # fmt: skip
def test_each_effect_is_seen_and_repeats(change: dict[str, object]) -> None:
    effects = dataclasses.replace(NONE, **change)  # type: ignore[arg-type]
    made = run(effects)
    assert made.shape == frames().shape
    assert made.dtype == np.uint8
    difference = np.abs(made.astype(int) - frames()).mean()
    assert 0.4 < difference < 60
    assert (run(effects) == made).all()


def test_only_noise_depends_on_the_generator() -> None:
    noisy = dataclasses.replace(NONE, noise=0.02)
    assert (run(noisy, seed=1) != run(noisy, seed=2)).mean() > 0.3
    assert (run(dataclasses.replace(NONE, defocus=0.02), seed=1) == run(dataclasses.replace(NONE, defocus=0.02))).all()


def test_motion_blurs_along_the_way_and_only_where_the_person_moves() -> None:
    size = 64
    picture = np.zeros((3, size, size, 3), np.uint8)
    picture[:, :, ::8] = 255  # upright lines
    mask = np.zeros((3, size, size), np.bool_)
    mask[:, :32] = True
    shutter = dataclasses.replace(NONE, shutter=0.05)

    def blurred(step: tuple[float, float]) -> np.ndarray:
        places = np.array([[20.0, 16.0], [44.0, 16.0]]) + np.arange(3)[:, None, None] * np.array(step)
        made = apply(shutter, picture, mask, places.astype(np.float32), 10.0, np.random.default_rng(0))
        return np.asarray(made[1], int)

    across, along = blurred((12.0, 0.0)), blurred((0.0, 12.0))
    assert across[10:22, 20:44].std() < 0.8 * picture[1, 10:22, 20:44].std()
    assert np.abs(along[10:22, 20:44] - picture[1, 10:22, 20:44]).mean() < 2
    assert (across[50:] == picture[1, 50:]).all()


def test_draws_stay_in_their_ranges_and_some_are_clean() -> None:
    drawn = [sample_effects(np.random.default_rng(seed)) for seed in range(500)]
    assert 0.17 < np.mean([effects.clean for effects in drawn]) < 0.33
    assert {effects.codec for effects in drawn} == set(CODECS)
    for effects in drawn:
        assert 0 <= effects.defocus <= 0.006
        assert 0 <= effects.noise <= 0.028
        assert 0 <= effects.shutter <= 1 / 25
        assert 0.5 <= effects.resize <= 1
        assert 0.8 <= min(effects.tint) <= max(effects.tint) <= 1.2
    assert all(sample_effects(np.random.default_rng(seed), 1.0).clean for seed in range(20))

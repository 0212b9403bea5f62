import math

import numpy as np
import pytest

from pipelines.evaluation.baselines import copy_reference
from pipelines.evaluation.metrics import psnr, ssim


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def test_psnr_of_a_known_error() -> None:
    truth = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(truth + np.uint8(10), truth) == pytest.approx(10 * math.log10(255**2 / 100))
    # uint8 must not wrap around.
    assert psnr(truth - np.uint8(10), truth) == psnr(truth + np.uint8(10), truth)
    assert psnr(truth, truth) == 99.0


def test_foreground_psnr_sees_the_mask_only() -> None:
    truth = image()
    mask = np.zeros((24, 24), bool)
    mask[4:9, 3:7] = True
    other = np.where(mask[..., None], truth, 255 - truth)
    assert psnr(other, truth, mask) == 99.0
    assert psnr(other, truth, ~mask) < 10
    assert math.isnan(psnr(other, truth, np.zeros_like(mask)))


def test_ssim_equals_its_definition_on_one_window() -> None:
    """One 7 x 7 window, written out as in Wang et al. 2004 with sample statistics."""
    a, b = (image(seed)[:7, :7].astype(float) for seed in (0, 1))
    expected = []
    for c in range(3):
        x, y = a[..., c].ravel(), b[..., c].ravel()
        covariance = np.cov(x, y)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        top = (2 * x.mean() * y.mean() + c1) * (2 * covariance[0, 1] + c2)
        expected.append(top / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(expected))
    assert ssim(image(), image()) == pytest.approx(1)
    assert ssim(image(0), image(1)) < 0.2


def test_copy_reference_repeats_the_reference() -> None:
    assert np.array_equal(copy_reference(image(), 3)[2], image())

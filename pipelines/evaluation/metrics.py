"""Measures of a generated frame against its truth; plain numpy.

Images are float or uint8 (..., H, W, 3) in [0, 255]; masks are bool (..., H, W).
"""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8] | NDArray[np.float64]
_PEAK = 255.0
_WINDOW = 7
_BEST_PSNR = 99.0  # of equal images, so that means stay finite


def psnr(image: Image, truth: Image, mask: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, over the mask's pixels where one is given; NaN for an empty mask."""
    error = (np.asarray(image, np.float64) - np.asarray(truth, np.float64)) ** 2
    if mask is not None:
        if not mask.any():
            return float("nan")
        error = error[mask]
    mean = float(error.mean())
    return min(_BEST_PSNR, 10 * np.log10(_PEAK**2 / mean)) if mean > 0 else _BEST_PSNR


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity (Wang et al. 2004), mean over 7 x 7 uniform windows and the channels; one image each."""
    x, y = (np.asarray(a, np.float64) for a in (image, truth))
    mean_x, mean_y = _box(x), _box(y)
    # Sample covariance, as scikit-image has it.
    unbias = _WINDOW**2 / (_WINDOW**2 - 1)
    var_x = unbias * (_box(x * x) - mean_x**2)
    var_y = unbias * (_box(y * y) - mean_y**2)
    covariance = unbias * (_box(x * y) - mean_x * mean_y)
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def _box(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over all whole windows."""
    sums = values
    for axis in (0, 1):
        cumulated = np.cumsum(sums, axis)
        cumulated = np.concatenate([np.zeros_like(cumulated.take([0], axis)), cumulated], axis)
        count = cumulated.shape[axis]
        sums = cumulated.take(range(_WINDOW, count), axis) - cumulated.take(range(count - _WINDOW), axis)
    return sums / _WINDOW**2

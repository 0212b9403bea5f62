"""Take the trembling out of landmarks and keep fast motion.

Each point is blended with a Gaussian mean over the frames around it, in both directions and so without delay. The
blend is exp(-(v / v0)²), v being the highest speed of the mean nearby: what rests is smoothed in full, what moves by
more than about v0 stays as it was found, as in the One Euro filter (Casiez, Roussel & Vogel, 2012), which looks back
only. Speeds are in sizes of the part (body, hand, face) per second, since models tremble in proportion to what they
look at.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter1d

from pipelines.curation import tracking
from pipelines.curation.tracking import Points
from pipelines.curation.whole_body import PARTS

_LEAST_WEIGHT = 1e-3  # of a frame in the mean, that of the middle one being 1
_LEAST_FRAMES = 3  # that have a speed
_NEAR = 3.0  # frames so near matter for the speed, in standard deviations of the Gaussian
# Speeds v0 at which smoothing is down to 1/e, in sizes of the part per second.
FAST = {"body": 0.25, "left_hand": 1.0, "right_hand": 1.0, "face": 0.5}


def smoothed(landmarks: Points, fps: float, aspect: float, sigma_s: float) -> Points:
    """landmarks: (T, 543, 3). aspect: frame width / height. sigma_s: of the Gaussian, seconds; 0 changes nothing.

    Parts are smoothed over the frames in a row in which they are found; confidences stay.
    """
    result = landmarks.copy()
    if sigma_s <= 0:
        return result
    scale = np.array([aspect, 1.0], np.float32)
    for name, part in PARTS.items():
        found: NDArray[np.bool_] = np.any(landmarks[:, part, 2] > 0, axis=1)
        for first, after in tracking.runs(found):
            run = landmarks[first:after, part]
            result[first:after, part, :2] = steadied(run, scale, fps, sigma_s, FAST[name])
    return result


def steadied(run: Points, scale: NDArray[np.float32], fps: float, sigma_s: float, fast: float) -> Points:
    """run: (T, n, 3), points of one part in consecutive frames. scale (2,): of x and y. fast: of `FAST`. Returns the
    places (T, n, 2); of less than three frames as they are."""
    if len(run) < _LEAST_FRAMES:
        return run[..., :2]
    known = run[..., 2:] > 0
    places = run[..., :2] * scale
    low = np.where(known, places, np.inf).min(1)
    high = np.where(known, places, -np.inf).max(1)
    size = max(float(np.median((high - low).max(1))), 1e-6)
    mean = _gaussian(places, known, sigma_s * fps)
    speed = np.linalg.norm(np.gradient(mean, axis=0), axis=2, keepdims=True) * fps / size
    # What swings is slow where it turns; it counts as fast there, too.
    speed = maximum_filter1d(speed, 2 * int(np.ceil(_NEAR * sigma_s * fps)) + 1, axis=0)
    blend = np.exp(-((speed / fast) ** 2)) * known
    moved: Points = ((places + blend * (mean - places)) / scale).astype(np.float32)
    return np.where(known, moved, run[..., :2])


def _gaussian(values: NDArray[np.float32], known: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Weighted mean along the first axis over what is known: (T, n, 2) by (T, n, 1)."""
    reach = int(sigma * np.sqrt(-2 * np.log(_LEAST_WEIGHT)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    total, summed = (
        correlate1d(given.astype(np.float64), weights, axis=0, mode="constant") for given in (known, values * known)
    )
    mean: NDArray[np.float64] = summed / np.maximum(total, 1e-9)
    return mean

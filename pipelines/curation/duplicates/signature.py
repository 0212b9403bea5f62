"""What a clip looks like over time, in a form that re-encoding, cropping and recolouring hardly change.

The picture is looked at in a square that hangs on head and shoulders, so that it does not matter what a crop left of
the frame around them. Its brightness is described by the lowest frequencies of a discrete cosine transform, as in
perceptual hashes (Zauner, 2010), but kept as numbers: mirroring a picture then flips the signs of its odd columns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Points

Floats = NDArray[np.float32]

_RATE = 8.0  # samples per second
_STEADY_S = 0.5  # standard deviation of the Gaussian that steadies the square
_SIDE = 6.0  # of the square, in root mean square distances of the anchors from their centre
_GRID = 32  # of the square, in samples
_ORDER = 9  # frequencies u, v with u + v below this are kept
_ANCHORS = [
    kp.BODY.index(name)
    for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder")
]
_V, _U = (
    axis.ravel() for axis in np.meshgrid(np.arange(_ORDER), np.arange(_ORDER), indexing="ij")
)  # rows, then columns
_KEPT = (_U + _V > 0) & (_U + _V < _ORDER)
COEFFICIENTS = int(_KEPT.sum())
# Natural pictures have amplitudes of about 1 / frequency (Field, 1987): so weighted, all coefficients count alike.
_WEIGHTS = np.hypot(_U, _V)[_KEPT].astype(np.float32)
_FLIPPED = np.where(_U % 2, -1, 1)[_KEPT].astype(np.float32)


@dataclass(frozen=True)
class Signature:
    """pictures: (T, COEFFICIENTS), their mean of length 1. rate: samples per second."""

    pictures: Floats
    rate: float

    @property
    def appearance(self) -> Floats:
        """(COEFFICIENTS,) of length 1: what stays the same through the clip."""
        return unit(self.pictures.mean(0))

    def mirrored(self) -> "Signature":
        """That of the mirrored clip."""
        return Signature(self.pictures * _FLIPPED, self.rate)


def mirror(appearances: Floats) -> Floats:
    """(N, COEFFICIENTS) of the mirrored clips."""
    return appearances * _FLIPPED


def unit(vector: Floats) -> Floats:
    scaled: Floats = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return scaled


def signature_of(frames: Frame, keypoints: Points, fps: float) -> Signature:
    """frames: RGB (T, S, S, 3) of a clip. keypoints: (T, 88, 3) in shares of S."""
    centre, scale = _anchor(keypoints[:, _ANCHORS], fps)
    pictures = np.stack([_describe(*each) for each in zip(frames, centre, scale, strict=True)])
    pictures = _thinned(pictures, fps)
    return Signature(pictures / max(float(np.linalg.norm(pictures.mean(0))), 1e-9), _RATE)


def _thinned(values: Floats, fps: float) -> Floats:
    """Means of what is shown in each part of a second, so that half a sample more or less makes little difference.

    Clips of all rates are compared with each other: (T, n) values at `fps` come out at `_RATE`.
    """
    count = int(len(values) * _RATE / fps)
    ends = np.arange(count + 1) * fps / _RATE if count else np.array([0.0, len(values)])
    total = np.concatenate([np.zeros_like(values[:1], np.float64), np.cumsum(values, axis=0, dtype=np.float64)])
    whole = ends.astype(int).clip(max=len(values) - 1)
    at_ends = total[whole] + (ends - whole)[:, None] * values[whole]
    thinned: Floats = (np.diff(at_ends, axis=0) / np.diff(ends)[:, None]).astype(np.float32)
    return thinned


def _anchor(points: Points, fps: float) -> tuple[Floats, Floats]:
    """Centre (T, 2) and side (T,) of the square, in shares of the picture."""
    seen = np.flatnonzero((points[..., 2] > 0).all(1))
    if not len(seen):
        return np.full((len(points), 2), 0.5, np.float32), np.full(len(points), 0.5, np.float32)
    xy = points[seen, :, :2]
    centre = xy.mean(1)
    spread = np.sqrt(((xy - centre[:, None]) ** 2).sum(-1).mean(1))
    values = np.column_stack([centre, _SIDE * spread])
    filled = np.stack([np.interp(np.arange(len(points)), seen, column) for column in values.T], axis=1)
    from scipy.ndimage import gaussian_filter1d

    steady = gaussian_filter1d(filled, _STEADY_S * fps, axis=0, mode="nearest").astype(np.float32)
    return steady[:, :2], np.maximum(steady[:, 2], 1e-3)


def _describe(frame: Frame, centre: Floats, scale: np.float32) -> Floats:
    import cv2

    size, fine = len(frame), 3 * _GRID
    zoom = fine / (float(scale) * size)
    shift = fine / 2 - zoom * centre * size
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    square = cv2.warpAffine(grey, matrix, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(square, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    coefficients = (_BASIS @ small @ _BASIS.T).ravel()[_KEPT] * _WEIGHTS
    described: Floats = np.asarray(coefficients, np.float32)
    return described


def _basis() -> Floats:
    """(_ORDER, _GRID): the first rows of the orthonormal DCT-II."""
    at = (np.arange(_GRID) + 0.5) * np.pi / _GRID
    rows = np.cos(np.arange(_ORDER)[:, None] * at) * np.sqrt(2 / _GRID)
    rows[0] /= np.sqrt(2)
    cosines: Floats = rows.astype(np.float32)
    return cosines


_BASIS: Floats = _basis()

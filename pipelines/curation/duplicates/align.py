"""Whether two clips show the same stretch of one recording: their signatures are compared at every offset."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.duplicates.signature import Signature

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alignments:
    """One entry per offset. offset: samples by which the second clip begins after the first (negative: before it).
    looks: cosine of the mean pictures in the overlap. agreement: how well what changes in it agrees, as concordance
    2 cov(a, b) / (var(a) + var(b)) (Lin, 1989): 1 for equal changes, 0 for unrelated ones.
    """

    offset: NDArray[np.int64]
    looks: _Floats
    agreement: _Floats


def alignments(a: Signature, b: Signature, least: int) -> Alignments:
    """All offsets at which the clips overlap by at least `least` samples, which both must have."""
    first, second = len(a.pictures), len(b.pictures)
    offset = np.arange(least - second, first - least + 1)
    start, after = np.maximum(0, offset), np.minimum(first, offset + second)
    spans = np.stack([start, after]), np.stack([start - offset, after - offset])
    looks, agreement = _agreement(a.pictures, b.pictures, offset, spans)
    return Alignments(offset, looks, agreement)


def _agreement(
    one: NDArray[np.floating],
    other: NDArray[np.floating],
    offset: NDArray[np.int64],
    spans: Sequence[NDArray[np.int64]],
) -> tuple[_Floats, _Floats]:
    """Cosine of the means, and concordance of the rest. one (T, D), other (U, D). spans: of both, (2, offsets) each."""
    x, y = one.astype(np.float64), other.astype(np.float64)
    products = _diagonal_sums(x @ y.T)[offset + len(y) - 1]
    count = spans[0][1] - spans[0][0]
    sum_x, sum_y = (_span_sums(values, span) for values, span in zip((x, y), spans, strict=True))
    energy = sum(_span_sums((v**2).sum(1), span) for v, span in zip((x, y), spans, strict=True))
    both = (sum_x * sum_y).sum(1)
    norm_x, norm_y = (sum_x**2).sum(1), (sum_y**2).sum(1)
    variances = np.maximum(energy - (norm_x + norm_y) / count, 1e-9)
    return both / np.maximum(np.sqrt(norm_x * norm_y), 1e-9), 2 * (products - both / count) / variances


def _span_sums(values: _Floats, span: NDArray[np.int64]) -> _Floats:
    running = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    sums: _Floats = running[span[1]] - running[span[0]]
    return sums


def _diagonal_sums(matrix: _Floats) -> _Floats:
    """Sums of matrix[i, j] over i - j = k, for k from 1 - width to height - 1."""
    height, width = matrix.shape
    skewed = np.zeros((height, height + width))
    skewed[:, :width] = matrix[:, ::-1]
    sums: _Floats = skewed.ravel()[: height * (height + width - 1)].reshape(height, -1).sum(0)
    return sums


@dataclass(frozen=True)
class Thresholds:
    """looks: least cosine of what stays the same. agreement: least concordance of what changes, see `Alignments`.
    overlap: least share of the shorter clip that both show. overlap_s: least length of that, unless a clip is shorter.
    """

    looks: float = 0.6
    agreement: float = 0.75
    overlap: float = 0.5
    overlap_s: float = 1.0


@dataclass(frozen=True)
class Match:
    """offset_s: by which the second clip begins after the first. agreement: in [-1, 1]."""

    offset_s: float
    agreement: float


def compare(a: Signature, b: Signature, mirrored: bool, thresholds: Thresholds) -> Match | None:
    """How two clips of one rate match where they agree most, the first mirrored if so said; None where they do not."""
    a = a.mirrored() if mirrored else a
    shorter = min(len(a.pictures), len(b.pictures))
    least = min(shorter, max(math.ceil(thresholds.overlap * shorter), round(thresholds.overlap_s * a.rate)))
    found = alignments(a, b, least)
    best = int(found.agreement.argmax())
    if found.looks[best] < thresholds.looks or found.agreement[best] < thresholds.agreement:
        return None
    return Match(float(found.offset[best]) / a.rate, float(found.agreement[best]))

"""Differences between two methods on the same test samples, and how sure they are.

The pairs of a group share its motion and its people, so that they are no independent samples: the
bootstrap draws groups, all pairs of each together. Few groups make its plain percentiles too narrow;
they are taken further out, as far as Student's t is beyond the normal ("expanded percentiles":
Hesterberg, What Teachers Should Know About the Bootstrap, 2015).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALL_FRAMINGS = "all"
_RESAMPLES = 5000
_OUTSIDE = 0.05  # probability that the true difference is outside the interval


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of one method less that of another, over the samples where both were measured."""

    metric: str
    # Of the samples, or `ALL_FRAMINGS`.
    framing: str
    mean: float
    # The 95 % interval; None where there is one group.
    low: float | None
    high: float | None
    samples: int
    groups: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval is apart from zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def paired_differences(
    rows: Iterable[Mapping[str, Any]],
    others: Iterable[Mapping[str, Any]],
    metrics: Sequence[str],
    seed: int = 0,
) -> list[Difference]:
    """Each metric's difference, rows less others, over all samples and per framing.

    rows, others: of a method each, one per sample, with `sample`, `group`, `framing` and the
    metrics. A sample counts for a metric where both sides have it. What was measured nowhere is
    left out.
    """
    theirs = {row["sample"]: row for row in others}
    differences = []
    for metric in metrics:
        by_framing: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
        for row in rows:
            other = theirs.get(row["sample"])
            if other is None or row[metric] is None or other[metric] is None:
                continue
            pair = (row["group"], row["sample"], row[metric] - other[metric])
            by_framing[ALL_FRAMINGS].append(pair)
            by_framing[row["framing"]].append(pair)
        for framing, pairs in by_framing.items():
            differences.append(_difference(metric, framing, pairs, seed))
    return differences


def _difference(metric: str, framing: str, pairs: Sequence[tuple[str, str, float]], seed: int) -> Difference:
    """pairs: group, sample and difference of each; in whatever order, the result is the same."""
    by_group: dict[str, list[float]] = defaultdict(list)
    for group, _, value in sorted(pairs):
        by_group[group].append(value)
    values = list(by_group.values())
    low, high = clustered_interval(values, seed) if len(values) > 1 else (None, None)
    return Difference(
        metric=metric,
        framing=framing,
        mean=float(np.mean(np.concatenate(values))),
        low=low,
        high=high,
        samples=len(pairs),
        groups=len(values),
    )


def clustered_interval(groups: Sequence[Sequence[float]], seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean over all values of two groups or more."""
    from scipy import stats

    count = len(groups)
    sums: NDArray[np.float64] = np.array([np.sum(group) for group in groups])
    sizes: NDArray[np.float64] = np.array([len(group) for group in groups], np.float64)
    drawn = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    reach = np.sqrt(count / (count - 1)) * stats.t.ppf(1 - _OUTSIDE / 2, count - 1)
    tail = stats.norm.cdf(-reach)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)

"""The geometry of the report's charts; the template draws them as inline SVG in the page's own colours."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 8.0, 8.0, 22.0
_BARS_LEFT, _BARS_WIDTH = 8.0, WIDTH - 16.0
_MOST_POINTS = 240
_SMOOTHING = 0.05  # share of the points that the drawn line averages over


@dataclass(frozen=True)
class Tick:
    """at: pixels along the axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A line chart of WIDTH x HEIGHT pixels.

    faint, line: SVG path data of the values and of the strong line. end: pixel of the strong line's end.
    first, last: its values at both ends, for the words beside the chart.
    """

    title: str
    faint: str
    line: str
    end: tuple[float, float]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    first: float
    last: float
    logarithmic: bool


def number(value: float | int | None, digits: int = 3) -> str:
    """A number as people read it: thousands separated, or three significant digits without an exponent."""
    if value is None or not math.isfinite(value):
        return "–"
    if isinstance(value, int) or value == 0 or (float(value).is_integer() and abs(value) >= 10**digits):
        return f"{int(value):,}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(decimals, 6)}f}"
    return (text.rstrip("0").rstrip(".") if decimals > digits else text).replace("-", "−")


def duration(seconds: float | None) -> str:
    """Seconds as people read them: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * k for k in (1, 2, 5, 10) if (high - low) / (power * k) <= most)
    return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int = 4) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [k * 10.0**e for e in exponents for k in (1, 2, 5) if low <= k * 10.0**e <= high]
    coarse = [10.0**e for e in exponents if low <= 10.0**e <= high]
    chosen = fine if len(fine) <= most or len(coarse) < 2 else coarse
    return chosen[:: math.ceil(len(chosen) / most)] if chosen else [low, high]


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    half = round(len(values) * _SMOOTHING / 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def line_chart(title: str, steps: Sequence[float], values: Sequence[float], smooth: bool = True) -> Chart | None:
    """A chart of values over steps; None where no value is finite. A wide range of positive values gets a log axis.

    smooth: whether the strong line is the running mean, or else the values themselves.
    """
    x, y = np.asarray(steps, float), np.asarray(values, float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(y):
        return None
    mean = _running_mean(y) if smooth else y
    if len(y) > _MOST_POINTS:
        groups = np.array_split(np.arange(len(y)), _MOST_POINTS)
        x, y, mean = (np.array([a[group].mean() for group in groups]) for a in (x, y, mean))
    logarithmic = bool(y.min() > 0 and y.max() / y.min() > 20)
    scaled = np.log10 if logarithmic else np.asarray
    low, high = float(y.min()), float(y.max())
    if not logarithmic and low > 0 and low < 0.4 * high:
        low = 0.0
    if low == high:
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    bottom, top = float(scaled(low)), float(scaled(high))
    left, right = float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1

    def across(step: float) -> float:
        return round(_LEFT + (step - left) / (right - left) * (WIDTH - _LEFT - _RIGHT), 1)

    def down(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (float(scaled(value)) - bottom) / (top - bottom) * (HEIGHT - _TOP - _BOTTOM), 1)

    def path(levels: NDArray[np.float64]) -> str:
        return "M" + "L".join(f"{across(a)} {down(b)}" for a, b in zip(x, levels, strict=True))

    levels = _log_ticks(low, high) if logarithmic else ticks(low, high)
    return Chart(
        title,
        path(y),
        path(mean),
        (across(float(x[-1])), down(float(mean[-1]))),
        tuple(Tick(across(step), number(int(step))) for step in ticks(left, right) if float(step).is_integer()),
        tuple(Tick(down(level), number(level, 2)) for level in levels),
        float(mean[0]),
        float(mean[-1]),
        logarithmic,
    )


@dataclass(frozen=True)
class Bar:
    """x, y, width, height: pixels of the drawn bar. label: what it stands for; count: how many.
    missed: beyond the limit of the chart."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int
    missed: bool = False


@dataclass(frozen=True)
class Bars:
    """A chart of counts of WIDTH x HEIGHT pixels. summary: the counts in words, for those who do not see it.
    limit: pixel along the axis of what the values must keep; None where there is none."""

    title: str
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    summary: str
    total: int
    limit: Tick | None = None


def histogram(title: str, values: Sequence[float], bins: int = 16) -> Bars:
    """How many of the values fall into equal steps between the least and the greatest."""
    counts, edges = np.histogram(np.asarray(values, float), bins)
    low, high = float(edges[0]), float(edges[-1])
    names = [f"{number(float(a), 2)} to {number(float(b), 2)}" for a, b in itertools.pairwise(edges)]
    marks = [
        Tick(round(_BARS_LEFT + (at - low) / (high - low) * _BARS_WIDTH, 1), number(at, 2)) for at in ticks(low, high)
    ]
    middle = float(np.median(values))
    summary = f"from {number(low, 2)} to {number(high, 2)}, median {number(middle, 2)}"
    return Bars(title, _bars(names, counts.tolist(), 0.06), tuple(marks), summary, len(values))


def limited_histogram(
    title: str, unit: str, values: Sequence[float], limit: float | None, least: bool, bins: int = 24
) -> Bars:
    """A histogram with the limit that values must keep: at least (`least`), or at most. A bar never lies on both sides.

    The last bar also holds the greatest 2 % of the values, so that a few do not squeeze all others.
    """
    found = np.asarray(values, float)
    high = float(np.quantile(found, 0.98))
    low = float(found.min())
    if limit is not None:
        low, high = min(low, limit), max(high, limit)
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = (high - low) / bins
    if limit is not None:
        low, high = (low - step if limit == low else low), (high + step if limit == high else high)
    edges = np.unique([*np.linspace(low, high, bins + 1), *([] if limit is None else [limit])])
    # What equals the limit keeps it: for `at most` the limit belongs to the bar below it.
    places = np.searchsorted(edges, np.clip(found, low, high), side="right" if least else "left") - 1
    counts = np.bincount(places.clip(0, len(edges) - 2), minlength=len(edges) - 1)
    room = HEIGHT - _TOP - _BOTTOM

    def across(at: float) -> float:
        return round(_BARS_LEFT + (at - low) / (high - low) * _BARS_WIDTH, 1)

    bars = []
    for (start, end), count in zip(itertools.pairwise(edges), counts, strict=True):
        height = round(room * count / max(counts.max(), 1), 1)
        missed = limit is not None and (end <= limit if least else start >= limit)
        name = f"{number(float(start), 2)} to {number(float(end), 2)}" + (" and more" if end == edges[-1] else "")
        left, right = across(float(start)), across(float(end))
        width = round(max(right - left - 0.6, 0.6), 1)
        bars.append(Bar(left, round(HEIGHT - _BOTTOM - height, 1), width, height, name, int(count), missed))
    marks = tuple(Tick(across(at), number(at, 2)) for at in ticks(low, high))
    summary = f"median {number(float(np.median(found)), 2)} {unit}".rstrip()
    if limit is None:
        return Bars(title, tuple(bars), marks, f"{summary}, no limit", len(found))
    misses = int((found < limit).sum() if least else (found > limit).sum())
    words = f"{'at least' if least else 'at most'} {number(limit, 2)} {unit}".rstrip()
    summary = f"{summary}, {words}: {misses} of {len(found)} miss it"
    return Bars(title, tuple(bars), marks, summary, misses, Tick(across(limit), words))


def shares(title: str, values: Sequence[str]) -> Bars:
    """How often each value occurs, the most frequent first."""
    return amounts(title, dict(Counter(values).most_common()))


def amounts(title: str, found: Mapping[str, float]) -> Bars:
    """How much there is of each kind, in the order given."""
    bars = _bars(list(found), [round(value) for value in found.values()], 0.2)
    marks = tuple(Tick(round(bar.x + bar.width / 2, 1), bar.label) for bar in bars)
    total = sum(found.values())
    summary = ", ".join(f"{name} {value / max(total, 1e-9):.0%}" for name, value in found.items())
    return Bars(title, bars, marks, summary, round(total))


def _bars(names: Sequence[str], counts: Sequence[int], gap: float) -> tuple[Bar, ...]:
    """gap: between bars, as a share of the space of each."""
    step, most = _BARS_WIDTH / max(len(counts), 1), max([*counts, 1])
    room = HEIGHT - _TOP - _BOTTOM
    bars = []
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        height = round(room * count / most, 1)
        left = round(_BARS_LEFT + (place + gap / 2) * step, 1)
        bars.append(
            Bar(left, round(HEIGHT - _BOTTOM - height, 1), round(step * (1 - gap), 1), height, name, int(count))
        )
    return tuple(bars)

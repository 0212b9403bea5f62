import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.charts import HEIGHT, WIDTH, duration, limited_histogram, line_chart, number, ticks

finite = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (-3, "−3"),
        (0.0, "0"),
        (18.214, "18.2"),
        (0.0456, "0.0456"),
        (2400.0, "2,400"),
        (-0.5, "−0.500"),
        (1e-9, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (4.21, "4.2 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (0, "0.0 s")],
)
def test_durations_read_well(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@given(finite, finite)
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    if high > low:
        span = high - low
        assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in found)


@given(st.lists(finite, min_size=1, max_size=600))
def test_lines_stay_within_the_chart(values: list[float]) -> None:
    chart = line_chart("loss", range(len(values)), values)
    assert chart is not None
    for path in (chart.faint, chart.line):
        points = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float)
        assert 1 <= len(points) <= 240
        assert (points >= -0.1).all()
        assert (points[:, 0] <= WIDTH).all()
        assert (points[:, 1] <= HEIGHT).all()
        assert (np.diff(points[:, 0]) >= 0).all()
    assert all(0 <= tick.at <= HEIGHT for tick in chart.y_ticks)


def test_a_falling_loss_goes_down_on_the_page() -> None:
    chart = line_chart("loss", range(100), np.linspace(2, 1, 100).tolist())
    assert chart is not None
    heights = np.array(re.findall(r" ([\d.]+)", chart.line), float)
    assert (np.diff(heights) >= 0).all()  # pixels count from the top
    assert heights[-1] - heights[0] > HEIGHT / 2
    assert not chart.logarithmic
    assert (chart.first, chart.last) == pytest.approx((2, 1), abs=0.05)


def test_a_wide_range_gets_a_logarithmic_axis() -> None:
    chart = line_chart("loss", range(50), np.geomspace(100, 0.01, 50).tolist())
    assert chart is not None
    assert chart.logarithmic
    heights = np.array(re.findall(r" ([\d.]+)", chart.faint), float)
    assert np.diff(heights) == pytest.approx(np.diff(heights).mean(), abs=0.2)  # a straight line


def test_values_that_are_not_finite_are_left_out() -> None:
    assert line_chart("loss", [0, 1], [float("nan"), float("inf")]) is None
    chart = line_chart("loss", [0, 1, 2], [1.0, float("nan"), 1.0])
    assert chart is not None
    assert chart.faint.count(" ") == 2


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.one_of(st.none(), st.floats(-120, 120)), st.booleans()
)
def test_no_bar_lies_on_both_sides_of_a_limit(values: list[float], limit: float | None, least: bool) -> None:
    chart = limited_histogram("t", "", values, limit, least)
    assert sum(bar.count for bar in chart.bars) == len(values)
    misses = 0 if limit is None else sum(value < limit if least else value > limit for value in values)
    assert sum(bar.count for bar in chart.bars if bar.missed) == misses
    assert (chart.limit is None) == (limit is None)


def test_a_limit_is_told_in_words() -> None:
    chart = limited_histogram("sharpness", "", [10.0, 100.0, 200.0], 80.0, least=True)
    assert chart.summary == "median 100, at least 80: 1 of 3 miss it"
    assert limited_histogram("yaw", "°", [1.0, 3.0], None, least=False).summary == "median 2.0 °, no limit"

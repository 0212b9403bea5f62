"""The clip's window holds the person, stays in the frame where it can, and does not shake."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.window import clip_window, shown_part


def boxes_at(centres: np.ndarray, width: float, height: float) -> np.ndarray:
    half = np.array([width, height]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def test_a_person_on_the_spot_gets_a_still_window() -> None:
    shaking = np.array([400, 300]) + np.random.default_rng(0).normal(0, 6, (40, 2))
    corners, side = clip_window(boxes_at(shaking, 150, 300), 16, (800, 600), 0.1)
    assert np.ptp(corners, axis=0).tolist() == [0, 0]
    assert 330 < side < 450


def test_a_walker_is_followed_smoothly() -> None:
    x = np.linspace(500, 1400, 64) + np.random.default_rng(0).normal(0, 8, 64)
    corners, side = clip_window(boxes_at(np.stack([x, np.full(64, 500.0)], 1), 200, 500), 16, (1920, 1080), 0.1)
    steps = np.diff(corners[:, 0])
    assert side < 900
    assert 10 < steps.mean() < steps.max() < 25
    assert np.abs(np.diff(steps)).max() <= 3


def test_beyond_the_frame_only_where_the_person_is_larger() -> None:
    corners, side = clip_window(boxes_at(np.full((10, 2), (540.0, 900.0)), 500, 1400), 16, (1080, 1920), 0.1)
    assert side == 1400
    assert corners[0].tolist() == [-160, 200]
    assert shown_part(corners[0], side, (1080, 1920)) == pytest.approx([160 / 1400, 0, 1240 / 1400, 1], abs=1e-5)
    upper_body = boxes_at(np.full((10, 2), (320.0, 240.0)), 300, 470)
    corners, side = clip_window(upper_body, 16, (640, 480), 0.1)
    assert side == 480
    assert corners[0].tolist() == [80, 0]
    assert shown_part(corners[0], side, (640, 480)) == [0, 0, 1, 1]


@given(
    x=st.lists(st.floats(100, 900), min_size=2, max_size=40),
    width=st.floats(20, 200),
    height=st.floats(20, 900),
)
def test_every_box_is_held(x: list[float], width: float, height: float) -> None:
    boxes = boxes_at(np.stack([x, np.full(len(x), 500.0)], 1), width, height)
    boxes = np.clip(boxes, 0, 1000)
    corners, side = clip_window(boxes, 16, (1000, 1000), 0.1)
    assert (corners <= boxes[:, :2] + 1).all()
    assert (corners + side >= boxes[:, 2:] - 1).all()
    assert (corners >= 0).all()
    assert (corners + side <= 1000).all()

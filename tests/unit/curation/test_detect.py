"""Crops and their coordinates, the tiles, and the anchors of the person detector."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.detect import _anchors, _decode, cut, place, square, views


@pytest.mark.parametrize(("size", "count"), [((640, 480), 1), ((1280, 720), 4), ((1080, 1920), 4), ((600, 400), 3)])
def test_views_cover_the_frame(size: tuple[int, int], count: int) -> None:
    found = views(*size)
    assert len(found) == count
    assert found[0].tolist() == [0, 0, 1, 1]
    for tile in found[1:]:
        width, height = (tile[2] - tile[0]) * size[0], (tile[3] - tile[1]) * size[1]
        assert width == pytest.approx(height, rel=1e-4)
    starts = sorted(found[1:], key=lambda tile: float(tile[:2].sum()))
    for before, after in pairwise(starts):
        assert (after[:2] <= before[2:]).all()


@given(st.floats(-0.5, 1.2), st.floats(-0.5, 1.2), st.floats(0.02, 1.5))
def test_cut_shows_the_frame_and_black_beyond(x: float, y: float, side: float) -> None:
    frame = np.random.default_rng(0).integers(1, 255, (40, 60, 3), dtype=np.uint8)
    crop, real = cut(frame, square(np.array([x, y], np.float32), side, 1.5))
    x0, y0 = round(float(real[0]) * 60), round(float(real[1]) * 40)
    for row, column in ((0, 0), (crop.shape[0] - 1, crop.shape[1] - 1), (crop.shape[0] // 2, crop.shape[1] // 2)):
        r, c = y0 + row, x0 + column
        inside = 0 <= r < 40 and 0 <= c < 60
        assert crop[row, column].tolist() == (frame[r, c].tolist() if inside else [0, 0, 0])


def test_place_undoes_a_crop() -> None:
    box = np.array([0.2, 0.1, 0.6, 0.9], np.float32)
    np.testing.assert_allclose(place(np.array([[0, 0], [1, 1], [0.5, 0.5]]), box), [[0.2, 0.1], [0.6, 0.9], [0.4, 0.5]])


def test_anchors_of_ssdlite() -> None:
    anchors = _anchors()
    assert len(anchors) == 1917
    np.testing.assert_allclose(anchors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1])
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, 0.95**0.5, 0.95**0.5], rtol=0.03)
    centred = _decode(np.zeros((1, 4), np.float32), np.array([[0.5, 0.5, 0.2, 0.4]]))
    np.testing.assert_allclose(centred[0], [0.4, 0.3, 0.6, 0.7], rtol=1e-6)

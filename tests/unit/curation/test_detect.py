"""The tiles, and the anchors of the person detector."""

from itertools import pairwise

import numpy as np
import pytest

from pipelines.curation.detect import _anchors, _decode, place, views


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

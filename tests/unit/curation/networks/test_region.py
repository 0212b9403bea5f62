"""Rotated squares: points come back to where they were in the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.networks.region import Region, box_around, cut_region, moved_by, region_around

FRAME = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)


@given(x=st.floats(-40, 200), y=st.floats(-40, 130), side=st.floats(10, 300), angle=st.floats(-3, 3))
def test_points_come_back(x: float, y: float, side: float, angle: float) -> None:
    cut = cut_region(FRAME, Region(np.array([x, y], np.float32), side, angle), 64)
    points = np.array([(0, 0), (32, 32), (64, 10)], np.float32)
    np.testing.assert_allclose(cut.in_cut(cut.in_frame(points)), points, atol=0.01)
    assert cut.in_frame(points)[1] == pytest.approx([x, y], abs=0.01)


def test_beyond_the_frame_it_is_black_or_its_edge() -> None:
    region = Region(np.array([0, 45], np.float32), 40.0, 0.0)
    assert not cut_region(FRAME, region, 40).pixels[:, :19].any()
    repeated = cut_region(FRAME, region, 40, repeats_edge=True).pixels
    np.testing.assert_array_equal(repeated[:, 3], repeated[:, 15])


def test_a_box_and_its_region() -> None:
    box = np.array([0.25, 0.2, 0.5, 0.8], np.float32)
    region = region_around(box, FRAME, 1.0)
    assert region.side == pytest.approx(54)
    assert box_around(region, FRAME)[1:4:2] == pytest.approx([0.2, 0.8])
    assert moved_by(region, np.array([0.1, 0], np.float32), FRAME).centre == pytest.approx([76, 45])

"""Yaw is measured from the points alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints as kp
from pipelines.curation.quality import face


@given(st.floats(-80, 80), st.floats(-25, 25), st.floats(5, 300))
def test_a_turned_head_is_read_back(yaw: float, pitch: float, size: float) -> None:
    a, b = np.radians(yaw), np.radians(pitch)
    turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    points = np.zeros((1, len(kp.FACE), 3), np.float32)
    points[..., 2] = 1
    head = np.array(list(face._HEAD.values())) / 330 * size
    points[0, face._POINTS, :2] = (head @ (nod @ turn).T)[:, :2] + 200
    assert face.yaw_degrees(points)[0] == pytest.approx(yaw, abs=1.0)


def test_an_unseen_face_has_none() -> None:
    assert np.isnan(face.yaw_degrees(np.zeros((2, len(kp.FACE), 3), np.float32))).all()

"""Text over the picture counts where it stays, not where it is worn."""

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.quality.overlay import overlay
from pipelines.curation.quality.picture import body_mask

FRAME = (640, 480)


def mask(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    text = np.zeros((240, 320), np.bool_)
    text[y0:y1, x0:x1] = True
    return text


def test_text_that_stays_counts_by_its_share_of_the_window() -> None:
    looks = [mask(100, 200, 200, 220)] * 3 + [mask(0, 0, 0, 0)]
    corners = np.array([[80, 0]] * 4)
    assert overlay(looks, corners, 480, FRAME) == pytest.approx(100 * 20 / 240**2)
    assert overlay(looks, np.array([[400, 0]] * 4), 240, FRAME) == 0


def test_text_that_passes_does_not_count() -> None:
    looks = [mask(40 * i, 0, 40 * i + 30, 20) for i in range(4)]
    assert overlay(looks, np.zeros((4, 2), np.int64), 480, FRAME) == 0


def test_text_on_the_body_is_clothing() -> None:
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    keypoints[:4] = [(200, 100, 1), (300, 100, 1), (300, 300, 1), (200, 300, 1)]
    body = body_mask(keypoints, FRAME, (240, 320))
    assert body[mask(110, 60, 140, 80)].all()
    assert not body[mask(10, 60, 40, 80)].any()
    assert not body_mask(np.zeros((kp.COUNT, 3), np.float32), FRAME, (240, 320)).any()

"""Text over the picture counts where it stays, not where it is worn."""

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.quality.overlay import lines_of_text, overlay
from pipelines.curation.quality.picture import person_mask

FRAME = (640, 480)
_TRUNK = [kp.BODY.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]


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
    keypoints[_TRUNK] = [(300, 100, 1), (200, 100, 1), (300, 300, 1), (200, 300, 1)]
    body = person_mask(keypoints, FRAME, (240, 320))
    assert body[mask(110, 60, 140, 80)].all()
    assert not body[mask(10, 60, 40, 80)].any()
    assert not person_mask(np.zeros((kp.COUNT, 3), np.float32), FRAME, (240, 320)).any()


def test_a_face_is_no_text() -> None:
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    for name, place in (("left_eye", (340, 200)), ("right_eye", (300, 200)), ("nose", (320, 220))):
        keypoints[kp.BODY.index(name)] = (*place, 1)
    keypoints[[kp.BODY.index("left_ear"), kp.BODY.index("right_ear")]] = [(360, 205, 1), (280, 205, 1)]
    head = person_mask(keypoints, FRAME, (240, 320))
    assert head[mask(140, 75, 180, 125)].all()
    assert not head[mask(0, 0, 100, 240)].any()
    assert not head[mask(220, 0, 320, 240)].any()


def test_text_has_the_shape_of_a_line() -> None:
    line, slanted, blob, torn = mask(20, 200, 120, 214), mask(0, 0, 0, 0), mask(200, 40, 230, 60), mask(0, 0, 0, 0)
    for x in range(60):
        slanted[20 + x // 3 : 28 + x // 3, 20 + x] = True
    for x in range(80):
        torn[100 : 102 + 18 * (x % 8 == 0), 20 + x] = True
    np.testing.assert_array_equal(lines_of_text(line | slanted | blob | torn), line | slanted)
    assert not lines_of_text(mask(0, 100, 320, 180)).any()

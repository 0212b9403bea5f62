"""Scores mean what they say, and the first threshold that is missed names the reason."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.quality import Scores, Thresholds, judge, sharpness, track_scores

GOOD = Scores(2.0, 300.0, 0.9, 0.8, 1.0, 0.3, 900.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"seconds": 0.4}, "too_short: 0.4 of 1 s"),
        ({"person_px": 50.0}, "too_small: 50 of 96 px"),
        ({"body_visibility": 0.1}, "low_visibility: body 0.1 of 0.25"),
        ({"motion": 0.001}, "no_motion: 0.001 of 0.02 sizes/s"),
        ({"sharpness": 3.0}, "blurred: 3 of 40"),
        ({"sharpness": None}, None),
        ({"seconds": 0.4, "sharpness": 3.0}, "too_short: 0.4 of 1 s"),
    ],
)
def test_judge(change: dict[str, float], reason: str | None) -> None:
    assert judge(replace(GOOD, **change), Thresholds()) == reason


def test_hands_and_face_can_be_asked_for() -> None:
    strict = Thresholds(min_hand_visibility=0.9, min_face_visibility=0.9)
    assert judge(GOOD, strict) == "low_visibility: hands 0.8 of 0.9"
    assert judge(replace(GOOD, hand_visibility=1.0, face_visibility=0.5), strict) == "low_visibility: face 0.5 of 0.9"


def test_track_scores() -> None:
    times = np.arange(9) / 4
    keypoints = np.zeros((9, kp.COUNT, 3), np.float32)
    keypoints[:, kp.BODY_SLICE, 2] = 1.0
    keypoints[:, 0, 2] = 0.0
    keypoints[..., 0] += (times * 50)[:, None]  # 50 pixels per second, person of 200 pixels
    keypoints[:3, kp.LEFT_HAND_SLICE, 2] = 0.9
    keypoints[2:6, kp.RIGHT_HAND_SLICE, 2] = 0.9
    keypoints[4:, kp.FACE_SLICE] = (999, 999, 1)
    scores = track_scores(keypoints, times, np.full(9, 200.0), seconds=2.25)
    assert scores.motion == pytest.approx(0.25)
    assert scores.hand_visibility == pytest.approx(6 / 9)
    assert scores.face_visibility == pytest.approx(5 / 9)
    assert scores.body_visibility == pytest.approx(20 / 21)
    assert scores.person_px == 200
    assert scores.sharpness is None


def test_blur_lowers_sharpness() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (128, 128))
    blurred = [cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (0.5, 2, 8)]
    values = [sharpness([frame]) for frame in (picture, *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < Thresholds().min_sharpness < values[0]

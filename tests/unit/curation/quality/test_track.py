"""Scores of landmarks mean what they say."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.quality.scores import Scores
from pipelines.curation.quality.track import track_scores

SIZE = (640, 480)


def standing(frames: int = 9) -> NDArray[np.float32]:
    """Somebody whose 21 body points go down the middle of the frame, all seen; no hands, no face."""
    keypoints = np.zeros((frames, kp.COUNT, 3), np.float32)
    keypoints[:, kp.BODY_SLICE, 0] = 300
    keypoints[:, kp.BODY_SLICE, 1] = np.linspace(100, 400, 21)
    keypoints[:, kp.BODY_SLICE, 2] = 1.0
    return keypoints


def scores_of(keypoints: NDArray[np.float32]) -> Scores:
    boxes = np.tile([200.0, 90.0, 400.0, 410.0], (len(keypoints), 1))
    return track_scores(keypoints, boxes, len(keypoints) / 4, SIZE)


def test_what_is_seen_of_body_hands_and_face() -> None:
    keypoints = standing()
    keypoints[:, 0, 2] = 0.0
    keypoints[:3, kp.LEFT_HAND_SLICE, 2] = 0.9
    keypoints[2:6, kp.RIGHT_HAND_SLICE, 2] = 0.9
    keypoints[2:6, kp.RIGHT_HAND_SLICE, 0] = np.linspace(0, 30, 21)
    keypoints[4:, kp.FACE_SLICE, 2] = 1.0
    keypoints[4:, kp.FACE_SLICE, 1] = np.linspace(0, 50, 25)
    scores = scores_of(keypoints)
    assert scores.hand_visibility == pytest.approx(6 / 9)
    assert scores.face_visibility == pytest.approx(5 / 9)
    assert scores.body_visibility == pytest.approx(20 / 21)
    assert (scores.person_px, scores.hand_px, scores.face_px) == (320, 30, 50)
    assert scores.occupancy == pytest.approx(200 * 320 / (640 * 480))
    assert scores.sharpness is scores.motion is None


def test_points_in_the_frame_that_are_not_seen_are_occluded() -> None:
    keypoints = standing()
    keypoints[:, 15:21, 2] = 0.2  # knees, ankles, heels behind a table
    assert scores_of(keypoints).occlusion == pytest.approx(6 / 21)
    keypoints[:, 15:21, 1] = 600  # below the frame's edge
    assert scores_of(keypoints).occlusion == 0


@pytest.mark.parametrize(("lowest", "complete"), [("left_toe", 1.0), ("left_hip", 2 / 3), ("left_shoulder", 1 / 3)])
def test_completeness_is_how_far_down_the_body_is_in_view(lowest: str, complete: float) -> None:
    keypoints = standing()
    keypoints[:, kp.BODY.index(lowest) + 2 : kp.BODY_SLICE.stop, 1] = 700
    assert scores_of(keypoints).completeness == pytest.approx(complete)


def test_someone_never_seen_scores_nothing() -> None:
    scores = scores_of(np.zeros((5, kp.COUNT, 3), np.float32))
    assert (scores.face_px, scores.hand_px, scores.completeness, scores.occlusion) == (0, 0, 0, 0)
    assert scores.face_yaw is None

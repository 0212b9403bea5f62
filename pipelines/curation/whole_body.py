"""The schema of what is found in videos: 543 named points, MediaPipe Holistic's three models in one array.

An array of landmarks is `float32 (..., 543, 3)`: x and y in [0, 1] of the frame's width and height (outside where a
point is off the frame), and a confidence in [0, 1], 0 where the point is not known. "Left" is the person's own left.

| slice | points | confidence |
|---|---|---|
| `POSE`, 0 to 33 | MediaPipe Pose (BlazePose GHUM) | of each point: its visibility |
| `LEFT_HAND`, 33 to 54; `RIGHT_HAND`, 54 to 75 | MediaPipe Hands | of the hand: its presence |
| `FACE`, 75 to 543 | MediaPipe Face Mesh, 468 vertices | of the face: its presence |

Backends that know fewer points leave the others at 0. Training uses 88 of them: `keypoints_of`.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp

POSE_NAMES = (
    *("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer"),
    *("left_ear", "right_ear", "mouth_left", "mouth_right"),
    *(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{finger}" for finger in ("pinky", "index", "thumb") for side in ("left", "right")),
    *(f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "heel", "foot_index") for side in ("left", "right")),
)
_VERTICES = dict(zip(kp.MEDIAPIPE_FACE.tolist(), kp.FACE, strict=True))
FACE_NAMES = tuple(f"{vertex:03}" + (f"_{_VERTICES[vertex]}" if vertex in _VERTICES else "") for vertex in range(468))
NAMES = (
    *(f"pose.{name}" for name in POSE_NAMES),
    *(f"hand.{name}" for name in (*kp.LEFT_HAND, *kp.RIGHT_HAND)),
    *(f"face.{name}" for name in FACE_NAMES),
)
COUNT = len(NAMES)
POSE, LEFT_HAND, RIGHT_HAND, FACE = slice(0, 33), slice(33, 54), slice(54, 75), slice(75, 543)
PARTS = {"body": POSE, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND, "face": FACE}
_KEYPOINTS = np.concatenate([kp.MEDIAPIPE_POSE, np.arange(33, 75), FACE.start + kp.MEDIAPIPE_FACE])


def keypoints_of(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The project's 88 keypoints (..., 88, 3) among the landmarks (..., 543, 3)."""
    return landmarks[..., _KEYPOINTS, :]

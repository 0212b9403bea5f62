"""The one keypoint schema of the project: 88 named points of body, hands and face.

Real clips (MediaPipe) and rendered avatars (Anny bones and vertices) both give exactly these points, so that
every loss, probe and picture works on either. An array of keypoints is `float32 (..., 88, 3)`:
x and y in [0, 1] of the frame's width and height (outside when the point is off the frame), and a confidence in
[0, 1] (0: not known; for rendered avatars, whether the point is visible). "Left" is the person's own left.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# COCO-17 plus heel and toe; the second item is the index in MediaPipe's 33 pose landmarks.
_BODY = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
    "left_heel": 29,
    "right_heel": 30,
    "left_toe": 31,
    "right_toe": 32,
}

# MediaPipe hand order.
_FINGERS = ("thumb", "index", "middle", "ring", "little")
_HAND = ("wrist", *(f"{finger}_{joint}" for finger in _FINGERS for joint in range(1, 5)))

# The second item is the vertex of MediaPipe's 468-point face mesh.
_FACE = {
    "left_eye_outer": 263,
    "left_eye_inner": 362,
    "left_lid_upper": 386,
    "left_lid_lower": 374,
    "right_eye_outer": 33,
    "right_eye_inner": 133,
    "right_lid_upper": 159,
    "right_lid_lower": 145,
    "left_brow_outer": 276,
    "left_brow_middle": 282,
    "left_brow_inner": 285,
    "right_brow_outer": 46,
    "right_brow_middle": 52,
    "right_brow_inner": 55,
    "nose_bridge": 6,
    "nose_tip": 1,
    "left_mouth_corner": 291,
    "right_mouth_corner": 61,
    "upper_lip_outer": 0,
    "upper_lip_inner": 13,
    "lower_lip_inner": 14,
    "lower_lip_outer": 17,
    "chin": 152,
    "left_jaw": 361,
    "right_jaw": 132,
}

BODY = tuple(_BODY)
LEFT_HAND = tuple(f"left_{name}" for name in _HAND)
RIGHT_HAND = tuple(f"right_{name}" for name in _HAND)
FACE = tuple(_FACE)
NAMES = (
    *BODY,
    *(f"hand.{n}" for n in LEFT_HAND),
    *(f"hand.{n}" for n in RIGHT_HAND),
    *(f"face.{n}" for n in FACE),
)
COUNT = len(NAMES)

BODY_SLICE = slice(0, 21)
LEFT_HAND_SLICE = slice(21, 42)
RIGHT_HAND_SLICE = slice(42, 63)
FACE_SLICE = slice(63, 88)
PARTS = {
    "body": BODY_SLICE,
    "left_hand": LEFT_HAND_SLICE,
    "right_hand": RIGHT_HAND_SLICE,
    "face": FACE_SLICE,
}

HEAD_SLICE = slice(0, BODY.index("left_shoulder"))
TRUNK = tuple(BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip"))
# Which point each is in a mirror.
_SIDES = {"left_": "right_", "right_": "left_"}
MIRRORED = tuple(NAMES.index(re.sub("left_|right_", lambda side: _SIDES[side[0]], name)) for name in NAMES)

MEDIAPIPE_POSE = np.array(list(_BODY.values()))
MEDIAPIPE_FACE = np.array(list(_FACE.values()))

BODY_BONES = tuple(
    (BODY.index(a), BODY.index(b))
    for a, b in (
        ("left_shoulder", "right_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"),
        ("left_hip", "right_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("left_ankle", "left_heel"),
        ("left_heel", "left_toe"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
        ("right_ankle", "right_heel"),
        ("right_heel", "right_toe"),
        ("nose", "left_eye"),
        ("left_eye", "left_ear"),
        ("nose", "right_eye"),
        ("right_eye", "right_ear"),
    )
)
HAND_BONES = tuple((0 if joint == 0 else 4 * f + joint, 4 * f + joint + 1) for f in range(5) for joint in range(4))


@dataclass(frozen=True)
class BoxRule:
    """How the square crop of a part follows from its points: margin as a share of their extent, and the least
    confidence at which a point counts."""

    margin: float
    min_confidence: float = 0.3
    min_points: int = 5


BOX_RULES = {"left_hand": BoxRule(0.25), "right_hand": BoxRule(0.25), "face": BoxRule(0.25), "body": BoxRule(0.12)}


def part_box(keypoints: NDArray[np.float32], part: str, aspect: float = 1.0) -> NDArray[np.float32] | None:
    """Square box (in pixels) around a part.

    keypoints: (88, 3) of one frame. aspect: frame width / height.
    Returns (x0, y0, x1, y1) in frame shares, possibly beyond [0, 1], or None where the part is not visible.
    """
    rule = BOX_RULES[part]
    points = keypoints[PARTS[part]]
    points = points[points[:, 2] >= rule.min_confidence]
    if len(points) < rule.min_points:
        return None
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    centre = (low + high) / 2
    half = max((high[0] - low[0]) * aspect, high[1] - low[1]) / 2 * (1 + 2 * rule.margin)
    half_xy = np.array([half / aspect, half])
    return np.concatenate([centre - half_xy, centre + half_xy]).astype(np.float32)

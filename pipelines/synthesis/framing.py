"""Where the camera stands: how much of the person is in the picture."""

import numpy as np

from pipelines import keypoints
from pipelines.synthesis.scene import Camera, Floats, look_at

# full: the whole body; upper: head, trunk and hands; hand: head and the hand nearest to it; face: the head.
FRAMINGS = ("full", "upper", "hand", "face")


def sample_camera(rng: np.random.Generator, points: Floats, framing: str, size: int) -> Camera:
    """A camera in front of a person that holds what the framing asks for in all frames. points (T, 88, 3): world.

    Distance, focal length, height and a small turn are drawn at random.
    """
    wanted = _wanted(points, framing)
    low, high = wanted.reshape(-1, 3).min(0), wanted.reshape(-1, 3).max(0)
    width, depth, height = high - low
    focal = rng.uniform(1.1, 2.4)
    extent = max(width, height) * rng.uniform(1.04, 1.3)
    distance = max(extent * focal + depth / 2, 0.6)
    yaw, rise = np.radians(rng.normal(0, 9)), rng.normal(0.05, 0.1) * distance
    target = (low + high) / 2 + rng.uniform(-0.04, 0.04, 3) * extent
    eye = target + np.array([np.sin(yaw) * distance, -np.cos(yaw) * distance, rise])
    eye[2] = max(eye[2], 0.3)
    return look_at(eye.astype(np.float32), target.astype(np.float32), float(focal), size)


def _wanted(points: Floats, framing: str) -> Floats:
    """The points (T, N, 3) that must be in the picture."""
    head = points[:, : keypoints.BODY.index("left_shoulder")]
    # The crown is above every named point.
    crown = head.mean(1, keepdims=True) + np.array([0, 0, 0.145], np.float32)
    hands = [points[:, keypoints.LEFT_HAND_SLICE], points[:, keypoints.RIGHT_HAND_SLICE]]
    if framing == "full":
        return np.concatenate([points, crown], 1)
    if framing == "upper":
        trunk = points[:, keypoints.BODY.index("left_shoulder") : keypoints.BODY.index("right_hip") + 1]
        return np.concatenate([head, crown, trunk], 1)
    face = np.concatenate([points[:, keypoints.FACE_SLICE], head, crown], 1)
    if framing == "hand":
        nearest = min(hands, key=lambda hand: float(np.linalg.norm(hand - head.mean(1, keepdims=True), axis=-1).sum()))
        return np.concatenate([face, nearest], 1)
    return face

"""Which way a face looks."""

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.tracking import Points

# A generic head, in any unit: x to the person's left, y down, z away from the camera, the tip of the nose at 0.
_HEAD = {
    "nose_tip": (0.0, 0.0, 0.0),
    "chin": (0.0, 330.0, 65.0),
    "left_eye_outer": (225.0, -170.0, 135.0),
    "right_eye_outer": (-225.0, -170.0, 135.0),
    "left_mouth_corner": (150.0, 150.0, 125.0),
    "right_mouth_corner": (-150.0, 150.0, 125.0),
}
_POINTS = [kp.FACE.index(name) for name in _HEAD]
_SHAPE = np.array(list(_HEAD.values()))
_SOLVE = np.linalg.pinv(_SHAPE - _SHAPE.mean(0))


def yaw_degrees(faces: Points) -> NDArray[np.float64]:
    """(T,) angle about the vertical axis of the head, 0 looking into the camera, positive to the person's left; nan
    where the face is not seen.

    faces: (T, 25, 3) of the schema's face points, in pixels. A scaled orthographic camera is fitted to a rigid head by
    least squares (DeMenthon & Davis, 1995, first step): its rows give the direction of the head's forward axis.
    """
    points = faces[:, _POINTS]
    flat = points[..., :2] - points[..., :2].mean(1, keepdims=True)
    rows = np.einsum("kp,tpa->tak", _SOLVE, flat)  # (T, 2, 3): image x and y as functions of the head's axes
    scale = np.sqrt(np.linalg.norm(rows[:, 0], axis=1) * np.linalg.norm(rows[:, 1], axis=1))
    first, second = rows[:, 0] / np.maximum(scale, 1e-9)[:, None], rows[:, 1] / np.maximum(scale, 1e-9)[:, None]
    towards = np.cross(first, second)  # the camera's viewing axis in the head's axes
    yaw = np.degrees(np.arctan2(towards[:, 0], towards[:, 2]))
    return np.where((points[..., 2] > 0).all(1) & (scale > 1e-6), yaw, np.nan)

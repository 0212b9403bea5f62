"""Scores that need no picture.

person_px        median of the longer side of the person's box, pixels of the source
face_px, hand_px median of the longer side of the box of the face, of the larger hand, where they are seen; 0 if never
body_visibility  mean share of the 21 body points with a confidence of at least .5
hand_visibility  share of the frames with at least one hand
face_visibility  share of the frames with the face
occlusion        share of the body points inside the frame whose confidence is below .5: hidden by things or the body
completeness     how far down the body is in view, median over frames: 1 to the ankles (full), .67 to the hips (upper),
                 .33 to the shoulders (head), 0 less than that
occupancy        median share of the frame that the person's box covers
face_gap         median distance between where the pose and the face mesh see the eyes and the nose, in widths of the
                 face: landmarks that are garbage do not agree
speed            median speed of the nose, the shoulders and the hips, in sizes of the person per second: garbage jumps
                 from frame to frame, and no dancer does
face_yaw         median angle by which the face is turned away from the camera, degrees; see `quality.face`
"""

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.quality.face import yaw_degrees
from pipelines.curation.quality.scores import Scores
from pipelines.curation.tracking import Points

SEEN = 0.5  # confidence from which a point counts as seen
# Point of the pose -> the points of the face mesh in whose middle it lies.
_ON_MESH = {
    kp.BODY.index("nose"): [kp.FACE.index("nose_tip")],
    kp.BODY.index("left_eye"): [kp.FACE.index("left_eye_outer"), kp.FACE.index("left_eye_inner")],
    kp.BODY.index("right_eye"): [kp.FACE.index("right_eye_outer"), kp.FACE.index("right_eye_inner")],
}
_TRUNK = [kp.BODY.index("nose"), *kp.TRUNK]
# From above: what must be in view for a body to be complete so far down.
_LEVELS = tuple(
    [kp.BODY.index(f"{side}_{joint}") for side in ("left", "right")] for joint in ("shoulder", "hip", "ankle")
)


def track_scores(keypoints: Points, boxes: NDArray[np.float64], seconds: float, frame_size: tuple[int, int]) -> Scores:
    """keypoints: (T, 88, 3). boxes: (T, 4). Both in pixels of the source. frame_size: (width, height), pixels."""
    seen = keypoints[..., 2] >= SEEN
    sides = boxes[:, 2:] - boxes[:, :2]
    inside = np.minimum(boxes[:, 2:], frame_size) - np.maximum(boxes[:, :2], 0)
    hands = [_sizes(keypoints[:, part]) for part in (kp.LEFT_HAND_SLICE, kp.RIGHT_HAND_SLICE)]
    faces = _sizes(keypoints[:, kp.FACE_SLICE])
    body = keypoints[:, kp.BODY_SLICE]
    in_frame = ((body[..., :2] >= 0) & (body[..., :2] < frame_size)).all(2)
    within: NDArray[np.bool_] = in_frame & (body[..., 2] > 0)
    yaws = yaw_degrees(keypoints[:, kp.FACE_SLICE])
    return Scores(
        seconds=seconds,
        person_px=float(np.median(sides.max(1))),
        face_px=_median(faces),
        hand_px=_median(np.maximum(*hands)),
        body_visibility=float(seen[:, kp.BODY_SLICE].mean()),
        hand_visibility=float((seen[:, kp.LEFT_HAND_SLICE].any(1) | seen[:, kp.RIGHT_HAND_SLICE].any(1)).mean()),
        face_visibility=float(seen[:, kp.FACE_SLICE].any(1).mean()),
        occlusion=float((within & ~seen[:, kp.BODY_SLICE]).sum() / max(within.sum(), 1)),
        completeness=float(np.median(_completeness(body, within))),
        occupancy=float(np.median(inside.clip(0).prod(1) / np.prod(frame_size))),
        face_gap=_face_gap(keypoints),
        speed=_speed(body, sides.max(1), len(keypoints) / max(seconds, 1e-6)),
        face_yaw=float(np.nanmedian(np.abs(yaws))) if not np.isnan(yaws).all() else None,
    )


def _face_gap(keypoints: Points) -> float | None:
    """See above; None where pose and mesh never see the face together."""
    body, face = keypoints[:, kp.BODY_SLICE], keypoints[:, kp.FACE_SLICE]
    meshed = np.stack([face[:, points].mean(1) for points in _ON_MESH.values()], axis=1)
    posed = body[:, list(_ON_MESH)]
    both = (posed[..., 2] >= SEEN).all(1) & (meshed[..., 2] >= SEEN).all(1)
    if not both.any():
        return None
    apart = np.linalg.norm(posed[both, :, :2] - meshed[both, :, :2], axis=2).mean(1)
    return float(np.median(apart / np.maximum(_sizes(face[both]), 1.0)))


def _speed(body: Points, sizes: NDArray[np.float64], fps: float) -> float | None:
    """See above. body: (T, 21, 3). sizes: (T,) of the person, in the same unit. None where the trunk is not seen."""
    trunk = body[:, _TRUNK]
    both = (trunk[1:, :, 2] >= SEEN) & (trunk[:-1, :, 2] >= SEEN)
    if not both.any():
        return None
    steps = np.linalg.norm(trunk[1:, :, :2] - trunk[:-1, :, :2], axis=2) / np.maximum(sizes[1:, None], 1.0)
    return float(np.median(steps[both])) * fps


def _sizes(points: Points) -> NDArray[np.float64]:
    """(T,) longer side of the box of the seen points of (T, n, 3); 0 where none is seen."""
    seen = (points[..., 2] >= SEEN)[..., None]
    low = np.where(seen, points[..., :2], np.inf).min(1)
    high = np.where(seen, points[..., :2], -np.inf).max(1)
    sizes: NDArray[np.float64] = (high - low).max(1)
    return np.where(np.isfinite(sizes), sizes, 0.0)


def _median(sizes: NDArray[np.float64]) -> float:
    return float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0


def _completeness(body: Points, within: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T,) share of the levels shoulders, hips, ankles, counted from above, of which a side is in view."""
    # A point that the body hides is in view; the pose model gives points below the frame's edge a low confidence.
    there = within & (body[..., 2] >= SEEN / 2)
    levels = np.stack([there[:, level].any(1) for level in _LEVELS], axis=1)
    complete: NDArray[np.float64] = np.cumprod(levels, axis=1).mean(1)
    return complete

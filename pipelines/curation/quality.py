"""How good a span of a track is: plain measures with units, and the first threshold that it misses."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Points

_SEEN = 0.5  # confidence from which a point counts as seen


@dataclass(frozen=True)
class Scores:
    """seconds: length. person_px: median of the longer side of the person's box in source pixels.
    body_visibility: mean share of the body points that are seen. hand_visibility, face_visibility: share of the frames
    with at least one hand, with the face. motion: mean speed of the seen body and hand points, in sizes of the person
    per second. sharpness: see `sharpness`; None where no picture was looked at.
    """

    seconds: float
    person_px: float
    body_visibility: float
    hand_visibility: float
    face_visibility: float
    motion: float
    sharpness: float | None = None

    def row(self) -> dict[str, float | None]:
        return {name: None if value is None else round(float(value), 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Thresholds:
    """The least value of each score; 0 switches a threshold off.

    min_body_visibility lets close-ups of a face pass: head and shoulders are 7 of the 21 body points.
    """

    min_seconds: float = 1.0
    min_person_px: float = 96.0
    min_body_visibility: float = 0.25
    min_hand_visibility: float = 0.0
    min_face_visibility: float = 0.0
    min_motion: float = 0.02
    min_sharpness: float = 40.0


def judge(scores: Scores, thresholds: Thresholds) -> str | None:
    """The reason why a span is rejected, None where it is good."""
    limits = (
        ("too_short", scores.seconds, thresholds.min_seconds, "s"),
        ("too_small", scores.person_px, thresholds.min_person_px, "px"),
        ("low_visibility: body", scores.body_visibility, thresholds.min_body_visibility, ""),
        ("low_visibility: hands", scores.hand_visibility, thresholds.min_hand_visibility, ""),
        ("low_visibility: face", scores.face_visibility, thresholds.min_face_visibility, ""),
        ("no_motion", scores.motion, thresholds.min_motion, "sizes/s"),
        ("blurred", scores.sharpness, thresholds.min_sharpness, ""),
    )
    for code, value, least, unit in limits:
        if value is not None and value < least:
            return f"{code}{'' if ':' in code else ':'} {value:.3g} of {least:g} {unit}".rstrip()
    return None


def track_scores(keypoints: Points, times: NDArray[np.float64], sizes: NDArray[np.float64], seconds: float) -> Scores:
    """Scores that need no picture.

    keypoints: (T, 88, 3) in pixels of the source. times: (T,) s. sizes: (T,) longer side of the box, pixels.
    """
    seen = keypoints[..., 2] >= _SEEN
    hands = seen[:, kp.LEFT_HAND_SLICE].any(1) | seen[:, kp.RIGHT_HAND_SLICE].any(1)
    return Scores(
        seconds=seconds,
        person_px=float(np.median(sizes)),
        body_visibility=float(seen[:, kp.BODY_SLICE].mean()),
        hand_visibility=float(hands.mean()),
        face_visibility=float(seen[:, kp.FACE_SLICE].any(1).mean()),
        motion=_motion(keypoints[:, : kp.FACE_SLICE.start], seen[:, : kp.FACE_SLICE.start], times, sizes),
    )


def _motion(points: Points, seen: NDArray[np.bool_], times: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    if len(times) < 2:
        return 0.0
    both = seen[1:] & seen[:-1]
    moved = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=2)
    speed = moved / np.maximum(sizes[1:] * np.diff(times), 1e-6)[:, None]
    return float(speed[both].mean()) if both.any() else 0.0


def sharpness(frames: list[Frame]) -> float:
    """Median over frames of the variance of the Laplacian of the grey picture (Pech-Pacheco et al., 2000).

    frames: RGB crops of the person at the clip's size, so that only blur which is visible there counts.
    """
    import cv2

    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    return float(np.median([cv2.Laplacian(picture, cv2.CV_64F).var() for picture in grey]))

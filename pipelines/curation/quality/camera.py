"""How the camera moves, so that a moving camera is told from a moving person.

camera_motion   median over the steps of a clip of how far the corners of the frame move from one picture to the next,
                in frame heights per second: translation, zoom and roll together; 0 for a tripod, None where less than
                half of the steps are known
motion          mean speed of the seen body and hand points in sizes of the person per second, after what the camera
                did to them is taken out; a point counts in the steps at both ends of which it is seen. Where the
                camera's step is not known, what all points have in common (their median shift) is taken out in its
                place: then only what moves within the person counts

The step from one picture to the next is a similarity (shift, scale, roll) fitted by RANSAC to corners that are followed
with Lucas-Kanade in the background (Shi & Tomasi, 1994; Bouguet, 2001), in pictures `_WIDTH` pixels wide. It is not
known where the background shows nothing to follow, and between pictures that were not seen one after the other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame
from pipelines.curation.quality.track import SEEN
from pipelines.curation.tracking import Points

Step = NDArray[np.float64]  # (2, 3): where a point of the picture before lies now, in pixels of the source
_WIDTH = 320
_FAR_S = 0.3  # pictures farther apart belong to different clips
_CORNERS = 150
_TEXTURE = 2e-4  # least eigenvalue of OpenCV's structure tensor; the noise of a plain wall stays below it
_FEWEST = 8  # matches below which nothing is known of the camera
_MARGIN = 0.1  # around the people, whose corners do not count, in sizes of their boxes
_PARALLAX = 1.5  # pixels of the small picture within which a match agrees with the camera's step


class Camera:
    """Follows the camera through pictures that come in the order of their times."""

    def __init__(self) -> None:
        self._before: tuple[float, NDArray[np.uint8], NDArray[np.uint8]] | None = None
        self._steps: dict[float, tuple[float, Step | None]] = {}

    def see(self, time: float, frame: Frame, people: Sequence[NDArray[np.float64]]) -> None:
        """frame: RGB (H, W, 3). people: boxes (4,) in its pixels."""
        import cv2

        scale = min(1.0, _WIDTH / frame.shape[1])
        size = round(frame.shape[1] * scale), max(1, round(frame.shape[0] * scale))
        grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        background = np.full_like(grey, 255)
        for box in people:
            margin = _MARGIN * float((box[2:] - box[:2]).max())
            x0, y0, x1, y1 = np.round(np.clip([*(box[:2] - margin), *(box[2:] + margin)], 0, None) * scale).astype(int)
            background[y0:y1, x0:x1] = 0
        if self._before is not None and time - self._before[0] <= _FAR_S:
            since, before, there = self._before
            step = _step(before, grey, there)
            if step is not None:
                step[:, 2] /= scale
            self._steps[time] = since, step
        self._before = time, grey, background

    def step(self, before: float, time: float) -> Step | None:
        """From the picture at one time to one at a later time; None where it is not known."""
        chain = np.eye(3)
        while time > before and time in self._steps:
            since, step = self._steps[time]
            if step is None:
                return None
            chain = chain @ np.vstack([step, [0, 0, 1]])
            time = since
        return chain[:2] if time == before else None


def _step(before: NDArray[np.uint8], now: NDArray[np.uint8], background: NDArray[np.uint8]) -> Step | None:
    import cv2

    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 6, mask=background)
    if corners is None:
        return None
    texture = cv2.cornerMinEigenVal(before, 3)
    x, y = corners[:, 0].astype(int).T
    corners = corners[texture[y, x] >= _TEXTURE]
    if len(corners) < _FEWEST:
        return None
    found, there, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, None, winSize=(15, 15), maxLevel=3)
    there = there[:, 0] == 1
    if there.sum() < _FEWEST:
        return None
    cv2.setRNGSeed(0)  # RANSAC draws from a generator of the whole process
    matrix, agree = cv2.estimateAffinePartial2D(corners[there], found[there], ransacReprojThreshold=_PARALLAX)
    # Fewer agree by chance, or on something that moves.
    step: Step | None = matrix if agree is not None and agree.sum() >= max(_FEWEST, len(agree) / 2) else None
    return step


def camera_motion(
    steps: Sequence[Step | None], times: NDArray[np.float64], frame_size: tuple[int, int]
) -> float | None:
    """steps: (T - 1) between frames at `times` (T,) s. frame_size: (width, height), pixels."""
    width, height = frame_size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = [
        np.linalg.norm(corners @ step.T - corners[:, :2], axis=1).mean() / height / max(seconds, 1e-6)
        for step, seconds in zip(steps, np.diff(times), strict=True)
        if step is not None
    ]
    return float(np.median(moved)) if moved and 2 * len(moved) >= len(steps) else None


def motion(
    points: Points, sizes: NDArray[np.float64], times: NDArray[np.float64], steps: Sequence[Step | None]
) -> float:
    """points: (T, n, 3) in pixels of the source. sizes: (T,) of the person, pixels. times: (T,) s. steps: (T - 1)."""
    if not steps:
        return 0.0
    seen = points[..., 2] >= SEEN
    both = seen[1:] & seen[:-1]
    pairs = zip(points[:-1, :, :2], points[1:, :, :2], both, steps, strict=True)
    moved = np.stack(
        [np.linalg.norm(now - _carried(before, now, kept, step), axis=1) for before, now, kept, step in pairs]
    )
    speed = moved / np.maximum(sizes[1:] * np.diff(times), 1e-6)[:, None]
    return float(speed[both].mean()) if both.any() else 0.0


def _carried(before: Points, now: Points, both: NDArray[np.bool_], step: Step | None) -> NDArray[np.float64] | Points:
    """Where points (n, 2) would be now if only the camera moved. both: (n,) those that are seen before and now."""
    if step is not None:
        return before @ step[:, :2].T + step[:, 2]
    return before + np.median((now - before)[both], axis=0) if both.any() else before

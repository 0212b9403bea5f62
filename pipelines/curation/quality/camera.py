"""How the camera moves, so that a moving camera is told from a moving person.

camera_motion   median over the steps of a clip of how far the corners of the frame move from one picture to the next,
                in frame heights per second: translation, zoom and roll together; 0 for a tripod
motion          mean speed of the seen body and hand points in sizes of the person per second, after what the camera
                did to them is taken out; a point counts in the steps at both ends of which it is seen

The step from one picture to the next is a similarity (shift, scale, roll) fitted by RANSAC to corners that are followed
with Lucas-Kanade in the background (Shi & Tomasi, 1994; Bouguet, 2001), in pictures `_WIDTH` pixels wide.
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
_FEWEST = 8  # matches below which nothing is known of the camera
_MARGIN = 0.1  # around the people, whose corners do not count, in sizes of their boxes
_PARALLAX = 1.5  # pixels of the small picture within which a match agrees with the camera's step
STILL: Step = np.eye(2, 3)


class Camera:
    """Follows the camera through pictures that come in the order of their times."""

    def __init__(self) -> None:
        self._before: tuple[float, NDArray[np.uint8], NDArray[np.uint8]] | None = None
        self._steps: dict[float, tuple[float, Step]] = {}

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
            small = _step(before, grey, there)
            step = small.copy()
            step[:, 2] /= scale
            self._steps[time] = since, step
        self._before = time, grey, background

    def step(self, before: float, time: float) -> Step:
        """From the picture at one time to one at a later time; `STILL` where they were not seen one after the other."""
        chain = np.eye(3)
        while time > before and time in self._steps:
            since, step = self._steps[time]
            chain = chain @ np.vstack([step, [0, 0, 1]])
            time = since
        return chain[:2] if time == before else STILL


def _step(before: NDArray[np.uint8], now: NDArray[np.uint8], background: NDArray[np.uint8]) -> Step:
    import cv2

    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 6, mask=background)
    if corners is None or len(corners) < _FEWEST:
        return STILL
    found, there, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, None, winSize=(15, 15), maxLevel=3)
    there = there[:, 0] == 1
    if there.sum() < _FEWEST:
        return STILL
    cv2.setRNGSeed(0)  # RANSAC draws from a generator of the whole process
    matrix, _ = cv2.estimateAffinePartial2D(corners[there], found[there], ransacReprojThreshold=_PARALLAX)
    return STILL if matrix is None else matrix


def camera_motion(steps: Sequence[Step], times: NDArray[np.float64], frame_size: tuple[int, int]) -> float:
    """steps: (T - 1) between frames at `times` (T,) s. frame_size: (width, height), pixels."""
    if not steps:
        return 0.0
    width, height = frame_size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = [np.linalg.norm(corners @ step.T - corners[:, :2], axis=1).mean() for step in steps]
    return float(np.median(np.array(moved) / height / np.maximum(np.diff(times), 1e-6)))


def motion(points: Points, sizes: NDArray[np.float64], times: NDArray[np.float64], steps: Sequence[Step]) -> float:
    """points: (T, n, 3) in pixels of the source. sizes: (T,) of the person, pixels. times: (T,) s. steps: (T - 1)."""
    if not steps:
        return 0.0
    seen = points[..., 2] >= SEEN
    both = seen[1:] & seen[:-1]
    matrices = np.stack(steps)
    carried = np.einsum("tab,tnb->tna", matrices[:, :, :2], points[:-1, :, :2]) + matrices[:, None, :, 2]
    moved = np.linalg.norm(points[1:, :, :2] - carried, axis=2)
    speed = moved / np.maximum(sizes[1:] * np.diff(times), 1e-6)[:, None]
    return float(speed[both].mean()) if both.any() else 0.0

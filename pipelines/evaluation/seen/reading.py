"""What MediaPipe's networks read in a picture: where its person's points are, and which pixels are theirs.

They look at the whole picture and know nothing of what should be in it. A part of the body is judged
where they find it in the true picture: what cannot be read there says nothing of any output, and
which parts are judged depends on no output.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.landmarks import LandmarkConfig, Landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.networks.pose import BlazePose
from pipelines.curation.tracking import FULL_FRAME, Points
from pipelines.curation.whole_body import keypoints_of
from pipelines.workspace import Workspace

# Which parts a figure is of.
PARTS = {"body": ("body",), "hands": ("left_hand", "right_hand"), "face": ("face",)}
_LEAST_POINTS = 3  # of a part that are truly visible, for it to be judged
_SURE = 0.5  # confidence from which a true point is visible
# What is not found, or is farther away than this, counts as so far away, in shares of the picture:
# nobody gains by not being found.
FARTHEST = 0.25


@dataclass(frozen=True)
class Reading:
    """keypoints: (88, 3) in shares of the picture, of parts that were not found 0. mask: (H, W), the person's pixels.

    mask is None where nobody was found.
    """

    keypoints: Points
    mask: NDArray[np.bool_] | None

    def found(self, part: str) -> bool:
        return bool(self.keypoints[kp.PARTS[part], 2].any())


NOBODY = Reading(np.zeros((kp.COUNT, 3), np.float32), None)


class Reader:
    """Reads pictures one by one; no picture's reading depends on another's."""

    def __init__(self, pose: BlazePose, landmarker: Landmarker) -> None:
        self._pose, self._landmarker = pose, landmarker

    @classmethod
    def open(cls, workspace: Workspace) -> "Reader":
        """Raises: WorkError where the networks' packages cannot be had or are not the pinned ones."""
        paths, config = ensure_models(workspace), LandmarkConfig()
        pose = BlazePose(paths.pose, config.min_pose)
        return cls(pose, Landmarker(pose, paths, config))

    def read(self, picture: Frame) -> Reading:
        """picture: RGB (H, W, 3). The person whom the network is surest of."""
        people = list(self._pose.outlined_poses(picture, FULL_FRAME))
        if not people:
            return NOBODY
        pose, outline = max(people, key=lambda person: person[0].presence)
        landmarks = self._landmarker.landmarks(picture, pose.points)
        return Reading(keypoints_of(landmarks), outline.mask(picture))


def point_figures(
    readings: Sequence[Reading],
    of_truth: Sequence[Reading],
    keypoints: NDArray[np.float32],
    side: int,
) -> dict[str, float | None]:
    """How far the points of a video's pictures are from the true ones, and how often they are found.

    keypoints: (T, 88, 3), the true ones, in shares of the picture. side: of the picture, pixels.
    Returns, of body, hands and face: `_px`, the mean over pictures of the mean over points;
    `_median_px`, over all points; `_found`, the share of what is judged that was found. None where
    nothing is judged.
    """
    figures: dict[str, float | None] = {}
    for figure, parts in PARTS.items():
        means, distances, found = [], [], []
        for reading, truth_reading, truth in zip(readings, of_truth, keypoints, strict=True):
            for part in parts:
                points = kp.PARTS[part]
                visible = visible_points(truth[points])
                if not truth_reading.found(part) or visible.sum() < _LEAST_POINTS:
                    continue
                found.append(reading.found(part))
                away = np.full(int(visible.sum()), FARTHEST)
                if found[-1]:
                    apart = reading.keypoints[points, :2] - truth[points, :2]
                    away = np.minimum(away, np.linalg.norm(apart[visible], axis=1))
                means.append(away.mean() * side)
                distances.append(away * side)
        figures[f"{figure}_px"] = float(np.mean(means)) if means else None
        figures[f"{figure}_median_px"] = float(np.median(np.concatenate(distances))) if means else None
        figures[f"{figure}_found"] = float(np.mean(found)) if found else None
    return figures


def visible_points(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of true points (N, 3) are in the picture, and not hidden."""
    inside = ((points[:, :2] >= 0) & (points[:, :2] < 1)).all(1)
    visible: NDArray[np.bool_] = inside & (points[:, 2] > _SURE)
    return visible


def silhouette_iou(readings: Sequence[Reading], of_truth: Sequence[Reading], masks: NDArray[np.bool_]) -> float | None:
    """Mean intersection over union of the person's pixels in the pictures with the true masks (T, H, W).

    0 where nobody is found. None where nobody is found in any true picture.
    """
    shares = []
    for reading, truth_reading, mask in zip(readings, of_truth, masks, strict=True):
        if truth_reading.mask is None or not mask.any():
            continue
        if reading.mask is None:
            shares.append(0.0)
        else:
            shares.append(float((reading.mask & mask).sum() / (reading.mask | mask).sum()))
    return float(np.mean(shares)) if shares else None

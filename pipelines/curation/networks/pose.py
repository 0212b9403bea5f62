"""BlazePose (Bazarevsky et al., 2020) as MediaPipe runs it: a detector finds people, a second network their 33 points.

The detector looks at a whole picture and says, per person, where the middle of the hips is and how far the body
reaches from there. That is a rotated square, which the landmark network reads; its points in turn say where the square
lies in the next picture, so that somebody who is followed needs no detector. Both are MediaPipe's graphs
(`mediapipe/modules/pose_detection`, `pose_landmark`) step by step, without its runtime; what comes out is the same to a
thousandth of the picture (`tests/integration/test_networks_agree.py`).

The landmark network also draws the person's silhouette, which knows hair, hats and fingers.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pipelines.curation.decode import Frame
from pipelines.curation.networks.region import Cut, Region, cut_region, region_around
from pipelines.curation.networks.tflite import TfliteNetwork
from pipelines.curation.tracking import Box, Points, overlap
from pipelines.errors import UsageError

Floats = NDArray[np.float32]

# Of the detector: pose_detection_cpu.pbtxt.
_DETECTOR_PX = 224
_STRIDES = (8, 16, 32, 32, 32)  # two anchors at each cell of each
_LIKELY = 0.5
_SAME = 0.3  # overlap from which two boxes are averaged
# Of the landmark network: pose_landmark_by_roi_cpu.pbtxt.
_LANDMARK_PX = 256
_POINTS, _VALUES = 39, 5  # x, y, z, visibility, presence of 33 points and of some that say where the body lies
_MIDDLE, _REACH = 33, 34  # points: the middle of the hips, and one as far from it as the body reaches
_ROOM = 1.25  # of a region around what the points say
_REFINED = 7  # cells of a heatmap around a point that move it
_MIN_REFINED = 0.5
_NOBODY = -10.0  # a silhouette's logit outside what the network saw
_JOINTS = (0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # nose, shoulders to wrists, hips to ankles


@dataclass(frozen=True)
class Pose:
    """A person found in a picture.

    points: (33, 3) in shares of the frame, with visibilities. presence: how sure the network is that somebody is there.
    next_region: where to look for them in the next picture, in pixels; None where the network does not say.
    silhouette: the box of the person's outline, in shares of the frame; None where it is not known.
    clarity: how surely its points are where they are, in [0, 1]: low where it is a mixture of two people.
    """

    points: Points
    presence: float
    next_region: Region | None = None
    silhouette: Box | None = None
    clarity: float = 1.0


@dataclass(frozen=True)
class Outline:
    """logits: (256, 256) of the pixels of a cut, above 0 where they are the person's."""

    logits: Floats
    cut: Cut

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """(H, W) of the frame that it was cut from."""
        inside: NDArray[np.bool_] = self._placed(frame) > 0
        return inside

    def shares(self, frame: Frame) -> Floats:
        """How much of each pixel of the frame that it was cut from is the person's, (H, W) in [0, 1]."""
        return _sigmoid(self._placed(frame))

    def _placed(self, frame: Frame) -> Floats:
        import cv2

        height, width = frame.shape[:2]
        placed: Floats = cv2.warpAffine(
            self.logits, self.cut.back, (width, height), flags=cv2.INTER_LINEAR, borderValue=_NOBODY
        )
        return placed


@dataclass(frozen=True)
class Detection:
    """box: (4,) and key points: (4, 2) of a person, in shares of the detector's picture.

    The first two points are the middle of the hips and one as far from it as the body reaches.
    """

    box: NDArray[np.float64]
    points: NDArray[np.float64]
    score: float


class BlazePose:
    """A `PoseModel`.

    bundle: of a detector and a landmark network, as MediaPipe publishes them (`.task`). min_presence: of a person.
    people_per_view: found in one look, at most. threads: see `TfliteNetwork`.
    Raises: UsageError where the file is no such bundle.
    """

    def __init__(self, bundle: Path, min_presence: float, people_per_view: int = 3, threads: int = 1) -> None:
        try:
            with zipfile.ZipFile(bundle) as members:
                detector, landmarks = (
                    members.read(f"{name}.tflite") for name in ("pose_detector", "pose_landmarks_detector")
                )
            self._detector = TfliteNetwork(detector, ("Identity", "Identity_1"), threads)
            outputs = ("Identity", "Identity_1", "Identity_2", "Identity_3")
            self._landmarks = TfliteNetwork(landmarks, outputs, threads)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise UsageError(
                f"{bundle}: is no pose bundle of MediaPipe ({error}); use a pose_landmarker .task file"
            ) from error
        self._min_presence, self._people_per_view = min_presence, people_per_view
        self._anchors = _anchors()

    def poses(self, frame: Frame, box: Box) -> list[Pose]:
        """Each person that the detector finds in a part of the frame (RGB)."""
        return [pose for pose, _ in self.outlined_poses(frame, box)]

    def outlined_poses(self, frame: Frame, box: Box) -> Iterator[tuple[Pose, Outline]]:
        """`poses`, each with what tells which pixels of the frame are the person's."""
        for middle, reach in self.detect(frame, region_around(box, frame, 1.0))[: self._people_per_view]:
            outlined = self._look(frame, _region_of(middle, reach))
            if outlined is not None:
                yield outlined

    def detect(self, frame: Frame, view: Region) -> list[Floats]:
        """Of each person in a square of a frame, the surest first: (2, 2), the middle of the hips and the point of the
        body's reach, in pixels of the frame."""
        cut = cut_region(frame, view, _DETECTOR_PX)
        codes, scores = self._detector.run(cut.pixels.astype(np.float32) / 127.5 - 1)
        people = _merged(list(_likely(codes[0], scores[0, :, 0], self._anchors)))
        return [cut.in_frame(one.points[:2].astype(np.float32) * _DETECTOR_PX) for one in people]

    def follow(self, frame: Frame, region: Region) -> Pose | None:
        """The person in a region of a frame (RGB); None where nobody is."""
        outlined = self._look(frame, region)
        return None if outlined is None else outlined[0]

    def _look(self, frame: Frame, region: Region) -> tuple[Pose, Outline] | None:
        cut = cut_region(frame, region, _LANDMARK_PX, repeats_edge=True)
        values, presence, mask, heat = self._landmarks.run(cut.pixels.astype(np.float32) / 255)
        if float(presence[0, 0]) < self._min_presence:
            return None
        rows = values.reshape(_POINTS, _VALUES)
        places = _refined(rows[:, :2] / np.float32(_LANDMARK_PX), heat[0])
        in_frame = cut.in_frame(places * np.float32(_LANDMARK_PX))
        size = np.array([frame.shape[1], frame.shape[0]], np.float32)
        points = np.concatenate([in_frame[:33] / size, _sigmoid(rows[:33, 3:4])], axis=1).astype(np.float32)
        pose = Pose(
            points,
            float(presence[0, 0]),
            _region_of(in_frame[_MIDDLE], in_frame[_REACH]),
            _box_of_mask(mask[0, :, :, 0], cut, size),
            _clarity(places[:33], points[:, :2], heat[0]),
        )
        return pose, Outline(mask[0, :, :, 0], cut)


def _anchors() -> NDArray[np.float64]:
    """(N, 2) centres of the detector's anchors, in shares of its picture. All are as large as the picture."""
    centres = []
    for stride in dict.fromkeys(_STRIDES):
        cells = _DETECTOR_PX // stride
        y, x = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
        grid = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        centres.append(np.repeat(grid, 2 * _STRIDES.count(stride), axis=0))
    return np.concatenate(centres)


def _likely(codes: Floats, logits: Floats, anchors: NDArray[np.float64]) -> Iterator[Detection]:
    """codes: (N, 12) centre, size and four key points, in pixels from the anchors."""
    scores = _sigmoid(logits)
    for index in np.flatnonzero(scores >= _LIKELY):
        code = codes[index].astype(np.float64).reshape(6, 2) / _DETECTOR_PX
        centre, half = code[0] + anchors[index], code[1] / 2
        box = np.concatenate([centre - half, centre + half])
        yield Detection(box, code[2:] + anchors[index], float(scores[index]))


def _merged(detections: list[Detection]) -> list[Detection]:
    """Detections of one person averaged by their scores (MediaPipe's weighted non-maximum suppression)."""
    left = sorted(detections, key=lambda one: -one.score)
    people = []
    while left:
        best = left[0]
        same = [one for one in left if overlap(best.box.astype(np.float32), one.box.astype(np.float32))[0] > _SAME]
        weights = np.array([one.score for one in same])
        box = np.average([one.box for one in same], axis=0, weights=weights)
        points = np.average([one.points for one in same], axis=0, weights=weights)
        people.append(Detection(box, points, best.score))
        chosen = {id(one) for one in same} | {id(best)}
        left = [one for one in left if id(one) not in chosen]
    return people


def _region_of(middle: Floats, reach: Floats) -> Region:
    """The square around the middle of the hips, upright along the line to the point of the body's reach (MediaPipe's
    `AlignmentPointsRectsCalculator`); both in pixels."""
    across, up = map(float, reach - middle)
    distance = max(float(np.hypot(across, up)), 1.0)
    return Region(middle.astype(np.float32), 2 * _ROOM * distance, float(np.arctan2(up, across)) + np.pi / 2)


def _refined(places: Floats, heat: Floats) -> Floats:
    """Points (39, 2) in shares of the region, moved to the middle of what their heatmaps (64, 64, 39) show around them
    (MediaPipe's `RefineLandmarksFromHeatmapCalculator`)."""
    height, width, _ = heat.shape
    half = _REFINED // 2
    refined = places.copy()
    for index, (x, y) in enumerate(places):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        first_row, first_column = max(0, row - half), max(0, column - half)
        patch = _sigmoid(heat[first_row : row + half + 1, first_column : column + half + 1, index])
        if patch.max() < _MIN_REFINED:
            continue
        rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]]
        total = patch.sum()
        refined[index, 0] = (first_column + (columns * patch).sum() / total) / width
        refined[index, 1] = (first_row + (rows * patch).sum() / total) / height
    return refined


def _clarity(places: Floats, shares: Floats, heat: Floats) -> float:
    """Mean of what the heatmaps show at those points of `_JOINTS` that are inside the frame, in their cell and those
    around it; 0 where none is. Points of a mixture lie between people, where the heatmaps show nothing.

    places: (33, 2) in shares of the region. shares: the same in shares of the frame. heat: (64, 64, 39), logits.
    """
    last = np.array(heat.shape[1::-1]) - 1
    shown = []
    for index in _JOINTS:
        if (shares[index] >= 0).all() and (shares[index] <= 1).all():
            column, row = np.clip(places[index] * (last + 1), 0, last).astype(int)
            shown.append(heat[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2, index].max())
    return float(_sigmoid(np.array(shown, np.float32)).mean()) if shown else 0.0


def _box_of_mask(mask: Floats, cut: Cut, size: Floats) -> Box | None:
    """The box, in shares of the frame, of the largest piece of a silhouette (256, 256; logits) inside the frame."""
    import cv2

    frame_corners = np.array([(0, 0), (size[0], 0), (size[0], size[1]), (0, size[1])], np.float32)
    frame = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(frame, np.rint(cut.in_cut(frame_corners)).astype(np.int32), 1)
    inside = ((mask > 0) & (frame > 0)).astype(np.uint8)
    count, pieces, about, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(about[1:, cv2.CC_STAT_AREA].argmax())
    outlines, _ = cv2.findContours((pieces == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    edge = outlines[0].reshape(-1, 2).astype(np.float32) + 0.5
    corners = np.clip(cut.in_frame(edge) / size, 0, 1)
    return np.concatenate([corners.min(0), corners.max(0)]).astype(np.float32)


def _sigmoid(values: Floats) -> Floats:
    result: Floats = expit(values.astype(np.float64)).astype(np.float32)
    return result

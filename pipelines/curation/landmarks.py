"""Body, hand and face landmarks of one person in one frame, on the CPU.

The pose says where the hands and the face must be, so their landmark models run straight on rotated squares there, as
in MediaPipe Holistic: each estimate places the square for the next one, and each model says itself whether it sees a
hand or a face.

All points are float32 (n, 3): x and y in shares of the whole frame, and a confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import whole_body as wb
from pipelines.curation.decode import Frame
from pipelines.curation.models import ModelPaths
from pipelines.curation.networks.pose import BlazePose, Pose
from pipelines.curation.networks.region import Region, cut_region
from pipelines.curation.networks.tflite import TfliteNetwork
from pipelines.curation.tracking import Box, Points

_NOSE, _EYES, _SHOULDERS, _HIPS = 0, (2, 5), (11, 12), (23, 24)
_HEAD = range(11)
# Side ("left" is the person's own) -> pose landmarks elbow, wrist, little finger, index finger.
_ARMS = {"left_hand": (13, 15, 17, 19), "right_hand": (14, 16, 18, 20)}
# Where a hand is looked for until it is found: distance from the wrist and side of the square, in forearms.
_HAND_STARTS = ((0.3, 0.95), (0.3, 1.3))
_HIDDEN = 0.1  # visibility of a wrist below which no hand is looked for
_FARTHEST_HAND = 0.6  # a hand belongs to an arm when their wrists are no farther apart, in forearms
_OWN = 0.3  # probability that a hand is of the side of its arm, below which it is taken to be the other one
_SURE = 0.6  # presence at which no other place is tried
# A fast hand is smeared and the model unsure of it. Where the wrist is surely seen, this share of the presence will do.
_SURE_WRIST, _SMEARED = 0.8, 0.6
_HOPELESS = 0.03  # presence at which a second look from the same place hardly ever helps
_CENTRED = 0.1  # a square needs no correction when its content's centre is off by less than this share of its side
_FRAME_EDGE = 0.02
_FACE_EYES, _FACE_NOSE = (263, 33), 1
_FACE_CORNERS = ((263, 362), (33, 133))  # of the left and the right eye
_SLIPPED = 0.2  # so far from the pose's eyes and nose a face is looked for anew, in longer sides of the mesh
_HAND_PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # the points that MediaPipe places the next square by


class RegionModel:
    """A TFLite landmark model that reads a square RGB image in [0, 1] and gives points in its pixels and scores.

    points, scores: names of its outputs. is_logit: of the scores. threads: see `TfliteNetwork`.
    """

    def __init__(
        self, model: Path, size: int, points: str, scores: Sequence[str], is_logit: bool, threads: int = 1
    ) -> None:
        self._network = TfliteNetwork(model, (points, *scores), threads)
        self._size, self._is_logit = size, is_logit

    def look(self, frame: Frame, region: Region) -> tuple[NDArray[np.float32], list[float]]:
        """Points (n, 2) in pixels of the frame, and the scores in [0, 1]."""
        cut = cut_region(frame, region, self._size, repeats_edge=True)
        points, *scores = self._network.run(cut.pixels.astype(np.float32) / 255)
        values = [float(score.reshape(-1)[0]) for score in scores]
        if self._is_logit:
            values = [1 / (1 + float(np.exp(-value))) for value in values]
        return cut.in_frame(points.reshape(-1, 3)[:, :2]), values


@dataclass(frozen=True)
class LandmarkConfig:
    """backend, weights: which network, and its file, folder or hub id (empty for MediaPipe); see docs/landmarks.md.
    min_*: least confidence at which a part counts as found.
    smoothing_s: standard deviation of the smoothing of what rests, seconds; 0 switches it off (see smoothing.py)."""

    backend: Literal["mediapipe", "rtmw", "vitpose"] = "mediapipe"
    weights: str = ""
    min_pose: float = 0.4
    min_hand: float = 0.5
    min_face: float = 0.5
    smoothing_s: float = 0.06


class PoseModel(Protocol):
    def poses(self, frame: Frame, box: Box) -> list[Pose]:
        """Each person found in a part of the frame (RGB)."""
        ...

    def follow(self, frame: Frame, region: Region) -> Pose | None:
        """The person in a region of the frame, where they are expected; None where nobody is."""
        ...


class WholeBody(PoseModel, Protocol):
    """What finds people's landmarks: see docs/landmarks.md for those that there are."""

    def landmarks(self, frame: Frame, pose: Points, previous: Points | None = None) -> Points:
        """(543, 3) in the schema of whole_body.py for the person with this pose (33, 3); 0 where a part is not found.

        previous: the landmarks of the frame before.
        """
        ...


def load_landmarker(paths: ModelPaths, config: LandmarkConfig, threads: int = 1) -> WholeBody:
    """The backend that the config names. threads: of the processor, for MediaPipe's networks.

    Raises: UsageError where its weights or packages are missing.
    """
    if config.backend == "rtmw":
        from pipelines.curation.rtmw import Rtmw

        return Rtmw(Path(config.weights), config.min_pose)
    if config.backend == "vitpose":
        from pipelines.curation.vitpose import VitPose

        return Landmarker(VitPose(config.weights, config.min_pose), paths, config, threads)
    return Landmarker(BlazePose(paths.pose, config.min_pose, threads=threads), paths, config, threads)


class Landmarker:
    """A `WholeBody`: poses of any model, hands and faces of MediaPipe's, loaded once per process."""

    def __init__(self, pose: PoseModel, paths: ModelPaths, config: LandmarkConfig, threads: int = 1) -> None:
        self._config, self._pose = config, pose
        self._hand = RegionModel(paths.hand, 224, "Identity", ("Identity_1", "Identity_2"), False, threads)
        self._face = RegionModel(paths.face, 192, "conv2d_21", ("conv2d_31",), True, threads)

    def poses(self, frame: Frame, box: Box) -> list[Pose]:
        """See `PoseModel`."""
        return self._pose.poses(frame, box)

    def follow(self, frame: Frame, region: Region) -> Pose | None:
        """See `PoseModel`."""
        return self._pose.follow(frame, region)

    def landmarks(self, frame: Frame, pose: Points, previous: Points | None = None) -> Points:
        """See `WholeBody`: the hands are looked for where they were, too."""
        size = np.array([frame.shape[1], frame.shape[0]], np.float32)
        found = np.zeros((wb.COUNT, 3), np.float32)
        found[wb.POSE] = pose
        parts: dict[str, tuple[NDArray[np.float32], float]] = dict(self._hands(frame, pose, previous))
        face = self._look_for_face(frame, pose[:, :2] * size, previous)
        if face is not None:
            parts["face"] = face
        for part, (points, presence) in parts.items():
            found[wb.PARTS[part], :2] = points / size
            found[wb.PARTS[part], 2] = presence
        # What the models place beyond the frame is a guess.
        off = ((found[:, :2] < -_FRAME_EDGE) | (found[:, :2] > 1 + _FRAME_EDGE)).any(1)
        found[off, 2] = 0
        return found

    def _hands(
        self, frame: Frame, points: Points, previous: Points | None
    ) -> dict[str, tuple[NDArray[np.float32], float]]:
        size = np.array([frame.shape[1], frame.shape[0]], np.float32)
        pose = points[:, :2] * size
        forearm = _forearm(pose)
        found: dict[str, tuple[NDArray[np.float32], float]] = {}
        for side, arm in _ARMS.items():
            wrist = pose[arm[1]]
            if points[arm[1], 2] < _HIDDEN or not ((wrist > -0.3 * forearm) & (wrist < size + 0.3 * forearm)).all():
                continue
            starts = [_hand_start(pose, arm, forearm, *start) for start in _HAND_STARTS]
            if previous is not None and previous[wb.PARTS[side], 2].any():
                starts.insert(0, hand_region(previous[wb.PARTS[side], :2] * size))
            least = self._config.min_hand * (_SMEARED if points[arm[1], 2] >= _SURE_WRIST else 1.0)
            hand = self._look_for_hand(frame, side, starts, wrist, _FARTHEST_HAND * forearm, least)
            if hand is not None:
                found[side] = hand
        return on_their_sides(found, {side: pose[arm[1]] for side, arm in _ARMS.items()})

    def _look_for_hand(
        self,
        frame: Frame,
        side: str,
        starts: Sequence[Region],
        wrist: NDArray[np.float32],
        farthest: float,
        least: float,
    ) -> tuple[NDArray[np.float32], float] | None:
        """Points (21, 2) and presence of a hand of this side near its wrist, in pixels; None where there is none.

        farthest: from the wrist. least: presence of a hand.
        """
        best: tuple[NDArray[np.float32], float] | None = None
        for start in starts:
            points, (presence, right) = self._hand.look(frame, start)
            if presence < _HOPELESS:
                continue
            better = hand_region(points)
            off = float(np.linalg.norm(better.centre - start.centre)) / start.side
            if presence < _SURE or off > _CENTRED:
                points, (presence, right) = self._hand.look(frame, better)
            near = float(np.linalg.norm(points[0] - wrist)) <= farthest
            own = right if side == "right_hand" else 1 - right
            if near and own >= _OWN and presence >= least and (best is None or presence > best[1]):
                best = points, presence
                if presence >= _SURE:
                    break
        return best

    def _look_for_face(
        self, frame: Frame, pose: NDArray[np.float32], previous: Points | None
    ) -> tuple[NDArray[np.float32], float] | None:
        """Points (468, 2) and presence of the face: where it was in the frame before, else about the pose's head."""
        head = pose[_HEAD]
        extent = float(np.ptp(head, axis=0).max())
        if extent < 4:
            return None
        size = np.array([frame.shape[1], frame.shape[0]], np.float32)
        looks: list[tuple[NDArray[np.float32], float]] = []
        if previous is not None and previous[wb.FACE, 2].all():
            points, (presence,) = self._face.look(frame, face_region(previous[wb.FACE, :2] * size))
            looks.append((points, presence))
        # Of a head that moves fast the last place shows a part, on which the model is sure of a whole face.
        if not looks or presence < _SURE or face_apart(points, pose) > _SLIPPED:
            start = Region((head.min(0) + head.max(0)) / 2, 1.6 * extent, _tilt(pose[_EYES[0]] - pose[_EYES[1]]))
            points, (presence,) = self._face.look(frame, start)
            if presence >= _HOPELESS:
                points, (presence,) = self._face.look(frame, face_region(points))
                looks.append((points, presence))
        sure = [(points, presence) for points, presence in looks if presence >= self._config.min_face]
        best = min(sure, key=lambda look: face_apart(look[0], pose), default=None)
        return best if best is not None and np.linalg.norm(best[0][_FACE_NOSE] - pose[_NOSE]) < extent else None


def face_apart(mesh: NDArray[np.float32], pose: NDArray[np.float32]) -> float:
    """Mean distance of the eyes and the nose of a face mesh (468, 2) from those of a pose (33, 2), in longer sides of
    the mesh."""
    mesh_points = np.stack([mesh[_FACE_NOSE], *(mesh[list(corners)].mean(0) for corners in _FACE_CORNERS)])
    apart = np.linalg.norm(mesh_points - pose[[_NOSE, *_EYES]], axis=1).mean()
    return float(apart) / max(float(np.ptp(mesh, axis=0).max()), 1e-6)


def on_their_sides(
    found: dict[str, tuple[NDArray[np.float32], float]], wrists: dict[str, NDArray[np.float32]]
) -> dict[str, tuple[NDArray[np.float32], float]]:
    """Hands at the arm that they hang on. found: side -> points (21, 2) and presence. wrists: side -> (2,) of the pose.

    Two that hang on each other's arms change sides. A hand that is nearer to the other arm then is dropped, and so is
    the farther one of two estimates of one hand.
    """

    def away(hand: tuple[NDArray[np.float32], float], arm: str) -> float:
        return float(np.linalg.norm(hand[0][0] - wrists[arm]))

    other = {"left_hand": "right_hand", "right_hand": "left_hand"}
    if len(found) == 2:
        crossed = {other[side]: hand for side, hand in found.items()}
        if _same_hand(*(hand[0] for hand in found.values())):
            side = min(found, key=lambda side: away(found[side], side))
            found = {side: found[side]}
        elif sum(away(hand, side) for side, hand in crossed.items()) < sum(
            away(hand, side) for side, hand in found.items()
        ):
            found = crossed
    return {side: hand for side, hand in found.items() if away(hand, side) <= away(hand, other[side])}


def hand_region(points: NDArray[np.float32]) -> Region:
    """Square for hand landmarks (21, 2): fingers up, twice the palm's extent (MediaPipe's hand_landmarks_to_roi)."""
    middle = (points[5] + 2 * points[9] + points[13]) / 4
    return _region(points[list(_HAND_PALM)], _tilt(middle - points[0]) + np.pi / 2, margin=2.0, shift=-0.1)


def face_region(points: NDArray[np.float32]) -> Region:
    """Square for a face mesh (468, 2): eyes level, 1.5 times its extent.

    MediaPipe's face_landmarks_to_roi measures the extent before it turns the square, so that a tilted face gets a
    larger one; ours turns with the face.
    """
    return _region(points, _tilt(points[_FACE_EYES[0]] - points[_FACE_EYES[1]]), margin=1.5, shift=0.0)


def _region(points: NDArray[np.float32], angle: float, margin: float, shift: float) -> Region:
    """shift: of the centre along the turned y axis, in heights along it."""
    upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ upright.T
    low, high = turned.min(0), turned.max(0)
    extent = max(float((high - low).max()), 4.0)
    centre = (low + high) / 2 + np.array([0, shift * (high - low)[1]])
    return Region((centre @ upright).astype(np.float32), margin * extent, angle)


def _hand_start(
    pose: NDArray[np.float32], arm: tuple[int, ...], forearm: float, distance: float, side: float
) -> Region:
    elbow, wrist, little, index = (pose[i] for i in arm)
    # The pose model's finger points jump on small hands; the forearm steadies the direction.
    direction = (little + index) / 2 - wrist + 0.25 * (wrist - elbow)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-6)
    return Region(wrist + direction * distance * forearm, side * forearm, _tilt(direction) + np.pi / 2)


def _forearm(pose: NDArray[np.float32]) -> float:
    """About the length of a forearm in pixels, whichever way the person turns."""
    arms = [float(np.linalg.norm(pose[arm[0]] - pose[arm[1]])) for arm in _ARMS.values()]
    shoulders = float(np.linalg.norm(pose[_SHOULDERS[0]] - pose[_SHOULDERS[1]]))
    torso = np.mean([np.linalg.norm(pose[a] - pose[b]) for a, b in zip(_SHOULDERS, _HIPS, strict=True)])
    return max(*arms, 0.7 * shoulders, 0.45 * float(torso), 8.0)


def _tilt(vector: NDArray[np.float32]) -> float:
    return float(np.arctan2(vector[1], vector[0]))


def _same_hand(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two sets of points (21, 2) lie on one hand: closer in the mean than a fifth of its size."""
    return float(np.linalg.norm(a - b, axis=1).mean()) < 0.2 * float(np.ptp(a, axis=0).max())

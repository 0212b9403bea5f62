"""Where the camera stands, how it looks and how it moves: what of the person is in the picture.

The camera is fitted, not searched for: with the viewing direction and the focal length given, the nearest place from
which all wanted points fall into a given box of the picture has a closed form (see `_fit`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines import keypoints
from pipelines.synthesis.scenes.scene import Camera, Floats

# full: the whole body; upper: head, trunk and hands; hand: head and the hand nearest to it; face: the head.
FRAMINGS = ("full", "upper", "hand", "face")
# tripod: still; handheld: small drifts of place and direction; travel: a slow pan, rise or approach.
Box = tuple[float, float, float, float]
MOVES = ("tripod", "handheld", "travel")

# Focal lengths in units of the picture's side: 0.95 sees 56 degrees (wide), 3.6 sees 16 (tele).
FOCAL = (0.95, 3.6)
YAW, YAW_MOST = 10.0, 25.0  # degrees around the person: deviation, most
PITCH = (-14.0, 28.0)  # degrees; positive looks down from above
ROLL, ROLL_MOST = 1.6, 5.0  # degrees: deviation, most
CUT_SHARE = 0.15  # share of `full` and `upper` pictures that cut a part of the person off
_MOVE_SHARES = (0.5, 0.35, 0.15)
_LOWEST, _NEAREST = 0.25, 0.6  # metres: height above the floor, distance from the nearest wanted point
_MARGIN = 0.02  # of the picture's side that stays free around the wanted points
_LOSS = {"tripod": 0.0, "handheld": 0.02, "travel": 0.06}  # share of the side by which a camera may move the picture


@dataclass(frozen=True)
class Shot:
    """A camera per frame, and what was drawn for it: distance and height in metres, angles in degrees.

    focal: in units of the picture's side. cut: whether a part of the person is beyond the edge on purpose.
    """

    cameras: list[Camera]
    framing: str
    move: str
    distance: float
    height: float
    focal: float
    yaw: float
    pitch: float
    roll: float
    cut: bool


@dataclass(frozen=True)
class Direction:
    """From where a person is looked at, degrees: `yaw` around them, `pitch` down from above."""

    yaw: float
    pitch: float


def sample_direction(rng: np.random.Generator) -> Direction:
    return Direction(
        yaw=float(np.clip(rng.normal(0, YAW), -YAW_MOST, YAW_MOST)), pitch=float(np.clip(rng.normal(4, 8), *PITCH))
    )


def sample_camera(rng: np.random.Generator, points: Floats, framing: str, size: int) -> Camera:
    """One still camera that holds what the framing asks for in all frames. points (T, 88, 3): world."""
    return sample_shot(rng, points, framing, size, sample_direction(rng), move="tripod", cut=False).cameras[0]


def sample_shot(
    rng: np.random.Generator,
    points: Floats,
    framing: str,
    size: int,
    direction: Direction,
    fps: float = 25.0,
    move: str | None = None,
    cut: bool | None = None,
) -> Shot:
    """A camera in front of a person for all T frames, which are 1 / fps seconds apart.

    All wanted points are in every frame, unless a `full` or `upper` picture is cut: then up to a quarter of the
    picture's height of the person may be beyond an edge, never the head. A camera that would be below the floor looks
    down more than the direction says. move, cut: drawn where None.
    """
    wanted, head = _wanted(points, framing).reshape(-1, 3), _head(points).reshape(-1, 3)
    if cut is None:
        cut = framing in {"full", "upper"} and rng.random() < CUT_SHARE
    move = str(rng.choice(MOVES, p=_MOVE_SHARES)) if move is None else move
    focal = float(np.exp(rng.uniform(*np.log(FOCAL))))
    yaw, pitch = direction.yaw, direction.pitch
    roll = float(np.clip(rng.normal(0, ROLL), -ROLL_MOST, ROLL_MOST))
    margin = _LOSS[move] + _MARGIN
    box = _box(rng, cut, margin)
    rotation = _rotation(yaw, pitch, roll)
    eye, focal = _stand_back(wanted, head, rotation, focal, box, margin)
    while eye[2] < _LOWEST and pitch < PITCH[1]:
        pitch = min(pitch + 4.0, PITCH[1])
        rotation = _rotation(yaw, pitch, roll)
        eye, focal = _stand_back(wanted, head, rotation, focal, box, margin)
    middle = wanted.mean(0)
    distance = float(np.linalg.norm(eye - middle))
    cameras = [
        _camera(turn @ rotation, eye + step @ rotation, focal, size)
        for turn, step in _moves(rng, move, len(points), fps, distance, focal)
    ]
    return Shot(cameras, framing, move, distance, float(eye[2]), focal, yaw, pitch, roll, cut)


def _box(rng: np.random.Generator, cut: bool, margin: float) -> Box:
    """Where in the picture the wanted points must be: (left, top, right, bottom) in shares of its side."""
    room = 1 - 2 * margin
    width, height = rng.uniform(0.72, 1.0, 2) * room
    left, top = margin + (room - np.array([width, height])) * np.clip(rng.normal(0.5, 0.25, 2), 0, 1)
    box = [left, top, left + width, top + height]
    if cut:
        # Feet are cut off most often in real video, then one side; heads are not.
        edge = int(rng.choice([3, 0, 2], p=[0.6, 0.2, 0.2]))
        box[edge] = (-1 if edge == 0 else 1) * rng.uniform(0.08, 0.25) + (edge != 0)
    return tuple(float(side) for side in box)  # type: ignore[return-value]


def _rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """World to camera axes (3, 3) of a camera that is turned by `yaw` around the person and looks down by `pitch`."""
    a, b, c = np.radians([yaw, pitch, roll])
    forward = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), -np.sin(b)])
    right = np.array([np.cos(a), np.sin(a), 0.0])
    down = np.cross(forward, right)
    turned = [np.cos(c) * right + np.sin(c) * down, np.cos(c) * down - np.sin(c) * right, forward]
    return np.asarray(turned, np.float32)


def _stand_back(
    wanted: Floats, head: Floats, rotation: Floats, focal: float, box: Box, margin: float
) -> tuple[Floats, float]:
    """The eye (3,) in the world and the focal length; a camera that would touch the person zooms in instead."""
    space, head_space = wanted @ rotation.T, head @ rotation.T
    whole = (margin, margin, 1 - margin, 1 - margin)
    for _ in range(4):
        eye = _fit([(space, box), (head_space, whole)], focal)
        gap = float(space[:, 2].min() - eye[2])
        if gap >= _NEAREST:
            break
        focal *= 1.02 * _NEAREST / max(gap, 0.1)
    return np.asarray(eye @ rotation, np.float32), focal


def _fit(sets: list[tuple[Floats, Box]], focal: float) -> Floats:
    """The nearest eye (3,), in the axes of the camera, that has each set of points (N, 3) inside its box.

    A point (x, z) is seen at tangent (x - ex) / (z - ez). That it is between lo and hi for all points means
    max(x - hi z) + hi ez <= ex <= min(x - lo z) + lo ez, two lines that cross at the nearest possible ez.
    """
    lower: list[list[tuple[float, float]]] = [[], []]
    upper: list[list[tuple[float, float]]] = [[], []]
    for points, box in sets:
        for axis in range(2):
            lo, hi = (box[axis] - 0.5) / focal, (box[axis + 2] - 0.5) / focal
            lower[axis].append((float((points[:, axis] - hi * points[:, 2]).max()), hi))
            upper[axis].append((float((points[:, axis] - lo * points[:, 2]).min()), lo))
    ez = min((b - a) / (hi - lo) for axis in range(2) for a, hi in lower[axis] for b, lo in upper[axis] if hi > lo)
    sides = [
        (max(a + hi * ez for a, hi in lower[axis]) + min(b + lo * ez for b, lo in upper[axis])) / 2 for axis in range(2)
    ]
    return np.array([*sides, ez], np.float32)


def _moves(
    rng: np.random.Generator, move: str, frames: int, fps: float, distance: float, focal: float
) -> Iterator[tuple[Floats, Floats]]:
    """For each frame a turn (3, 3) and a step (3,) in the axes of the camera; they move the picture by less than
    `_LOSS[move]` of its side."""
    seconds = np.arange(frames) / fps
    most = _LOSS[move] / 2.2
    if move == "handheld":
        waves = np.zeros((frames, 4))
        for frequency in (rng.uniform(0.3, 0.8), rng.uniform(1.2, 2.5)):
            waves += np.sin(2 * np.pi * (frequency * seconds[:, None] + rng.uniform(0, 1, 4))) / (1 + frequency)
        paths = waves * most * rng.uniform(0.2, 0.8)
    else:
        along = np.linspace(-1, 1, frames) if frames > 1 else np.zeros(1)
        paths = along[:, None] * rng.uniform(-1, 1, 4) * most
    for pan, tilt, across, up in paths:
        if move == "tripod":
            yield np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
            continue
        a, b = pan / focal / 1.3, tilt / focal / 1.3
        turn = np.array([[1, 0, -a], [0, 1, -b], [a, b, 1]])
        left, _, right = np.linalg.svd(turn)  # the nearest rotation
        step = np.array([across, up, 0.0]) * distance / focal * 0.6
        yield np.asarray(left @ right, np.float32), step.astype(np.float32)


def _camera(rotation: Floats, eye: Floats, focal: float, size: int) -> Camera:
    intrinsics = np.array([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1]], np.float32)
    return Camera(rotation, np.asarray(-rotation @ eye, np.float32), intrinsics, size)


def _head(points: Floats) -> Floats:
    """The face and the crown, which is above every named point, (T, N, 3)."""
    head = points[:, keypoints.HEAD_SLICE]
    crown = head.mean(1, keepdims=True) + np.array([0, 0, 0.145], np.float32)
    return np.concatenate([points[:, keypoints.FACE_SLICE], head, crown], 1)


def _wanted(points: Floats, framing: str) -> Floats:
    """The points (T, N, 3) that must be in the picture."""
    head = _head(points)
    if framing == "full":
        return np.concatenate([points, head], 1)
    if framing == "upper":
        trunk = points[:, keypoints.BODY.index("left_shoulder") : keypoints.BODY.index("right_hip") + 1]
        return np.concatenate([head, trunk], 1)
    if framing == "hand":
        hands = [points[:, keypoints.LEFT_HAND_SLICE], points[:, keypoints.RIGHT_HAND_SLICE]]
        middle = head.mean(1, keepdims=True)
        nearest = min(hands, key=lambda hand: float(np.linalg.norm(hand - middle, axis=-1).sum()))
        return np.concatenate([head, nearest], 1)
    return head

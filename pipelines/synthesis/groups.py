"""A group: several identities do one motion, each in a scene of its own. The pairs of training are drawn from it.

Only the motion (pose, hands, face) is shared. Identity, camera, light and backdrop are independent of it and of each other.
Train and test draw from disjoint random streams, so that no identity and no motion is in both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints
from pipelines.manifest import digest_of
from pipelines.synthesis.backdrop import draw_backdrop, sample_backdrop, sample_light
from pipelines.synthesis.engines import RenderEngine
from pipelines.synthesis.identity import sample_identity
from pipelines.synthesis.motion import Motion, sample_motion
from pipelines.synthesis.person import Studio
from pipelines.synthesis.scene import Camera, Floats, Layers, Scene, look_at

SPLITS = ("train", "test")
FRAMINGS = ("full", "upper", "close")
_FRAMING_SHARES = (0.4, 0.35, 0.25)
# How far behind the surface (metres) a point may lie and still count as visible: joints are inside the body.
_DEPTH_SLACK = {"body": 0.16, "left_hand": 0.03, "right_hand": 0.03, "face": 0.012}
_IDENTITY_STREAM, _MOTION_STREAM, _SCENE_STREAM = range(3)


@dataclass(frozen=True)
class View:
    """One identity of a group over T frames. layers: T; keypoints (T, 88, 3) in the project's schema, the confidence says
    whether a point is visible; keypoints3d (T, 88, 3) metres in camera space; intrinsics (3, 3)."""

    identity: str
    layers: list[Layers]
    keypoints: Floats
    keypoints3d: Floats
    intrinsics: Floats


@dataclass(frozen=True)
class Group:
    """id and motion: content hashes. framing: of `FRAMINGS`."""

    id: str
    split: str
    motion: str
    framing: str
    views: list[View]


def render_group(
    studio: Studio,
    engine: RenderEngine,
    seed: int,
    split: str,
    index: int,
    identities: int,
    frames: int,
    size: int,
) -> Group:
    """Group `index` of a split: a pure function of its arguments. Raises: ValueError for an unknown split."""
    stream = [seed, SPLITS.index(split), index]
    motion_rng = np.random.default_rng([*stream, _MOTION_STREAM])
    framing = FRAMINGS[motion_rng.choice(len(FRAMINGS), p=_FRAMING_SHARES)]
    motion = sample_motion(motion_rng, studio.skeleton, 2, framing)
    times = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    views = []
    for number in range(identities):
        who = sample_identity(np.random.default_rng([*stream, _IDENTITY_STREAM, number]))
        scene_rng = np.random.default_rng([*stream, _SCENE_STREAM, number])
        surfaces, points = studio.dress(who).pose(motion.at(times, studio.skeleton))
        camera = sample_camera(scene_rng, points, framing, size)
        light, backdrop = sample_light(scene_rng), sample_backdrop(scene_rng)
        layers = []
        for surface, frame_points in zip(surfaces, points, strict=True):
            feet = frame_points[
                [keypoints.BODY.index(f"{side}_{p}") for side in ("left", "right") for p in ("heel", "toe")]
            ]
            layers.append(engine.render(Scene(surface, camera, light, draw_backdrop(backdrop, camera, feet))))
        seen = np.stack([visible_keypoints(camera, p, drawn) for p, drawn in zip(points, layers, strict=True)])
        views.append(View(who.id, layers, seen, camera.to_camera(points), camera.intrinsics))
    moved = motion_id(motion)
    name = digest_of("group", moved, [view.identity for view in views], frames, size, stream)
    return Group(name, split, moved, framing, views)


def motion_id(motion: Motion) -> str:
    """Content hash of a motion."""
    keys = {**motion.angles, **motion.actions}
    return digest_of("motion", {name: np.round(values, 4).tolist() for name, values in sorted(keys.items())})


def sample_camera(rng: np.random.Generator, points: Floats, framing: str, size: int) -> Camera:
    """A camera in front of the person that holds what the framing asks for in all frames. points (T, 88, 3) in the world.

    full: the whole body; upper: head, hands and trunk; close: the face, or the face with one hand.
    """
    wanted = _wanted(rng, points, framing)
    low, high = wanted.reshape(-1, 3).min(0), wanted.reshape(-1, 3).max(0)
    target = (low + high) / 2
    focal, margin = rng.uniform(1.1, 2.4), rng.uniform(1.08, 1.35)
    extent = max(high[0] - low[0], high[2] - low[2], high[1] - low[1]) * margin
    distance = max(extent * focal + (high[1] - low[1]) / 2, 0.6)
    yaw, height = np.radians(rng.normal(0, 9)), rng.normal(0.05, 0.1) * distance
    target = target + rng.uniform(-0.04, 0.04, 3) * extent
    eye = target + np.array([np.sin(yaw) * distance, -np.cos(yaw) * distance, height])
    eye[2] = max(eye[2], 0.3)
    return look_at(eye.astype(np.float32), target.astype(np.float32), float(focal), size)


def _wanted(rng: np.random.Generator, points: Floats, framing: str) -> Floats:
    head = points[:, : keypoints.BODY.index("left_shoulder")]
    # The crown is above every named point.
    crown = head.mean(1, keepdims=True) + np.array([0, 0, 0.17], np.float32)
    if framing == "full":
        return np.concatenate([points, crown], 1)
    hands = [points[:, keypoints.LEFT_HAND_SLICE], points[:, keypoints.RIGHT_HAND_SLICE]]
    trunk = points[:, keypoints.BODY.index("left_shoulder") : keypoints.BODY.index("left_hip") + 2]
    if framing == "upper":
        return np.concatenate([head, crown, trunk, *hands], 1)
    face = points[:, keypoints.FACE_SLICE]
    kind = rng.random()
    if kind < 0.55:
        return np.concatenate([face, crown], 1)
    if kind < 0.8:
        return np.concatenate([face, crown, hands[int(rng.integers(2))]], 1)
    return hands[int(rng.integers(2))]


def visible_keypoints(camera: Camera, points: Floats, drawn: Layers) -> Floats:
    """Points (88, 3) of the schema from world points (88, 3); confidence 1 where a point is in the picture and unhidden."""
    pixels, depth = camera.project(points), camera.to_camera(points)[:, 2]
    cell = np.floor(pixels).astype(int)
    inside = (depth > 0) & (cell >= 0).all(1) & (cell < camera.size).all(1)
    column, row = np.clip(cell, 0, camera.size - 1).T
    surface = _deepest_near(drawn.depth, row, column)
    slack = np.zeros(len(points), np.float32)
    for part, rows in keypoints.PARTS.items():
        slack[rows] = _DEPTH_SLACK[part]
    seen = inside & (surface > 0) & (depth < surface + slack)
    return np.concatenate([pixels / camera.size, seen[:, None]], 1).astype(np.float32)


def _deepest_near(depth: Floats, row: NDArray[np.int64], column: NDArray[np.int64]) -> Floats:
    """The largest depth in the 3 x 3 pixels around each place: a point on a silhouette lies between pixels."""
    padded = np.pad(depth, 1)
    return np.max([padded[row + i, column + j] for i in range(3) for j in range(3)], axis=0)

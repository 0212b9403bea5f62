"""A group: several identities do one motion, each in a scene of its own. The pairs of training are drawn from it.

Only the motion (pose, hands, face) is shared. Identity, camera, light and backdrop are independent of it and of
each other.
Train and test draw from disjoint random streams, so that no identity and no motion is in both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints
from pipelines.manifest import digest_of
from pipelines.synthesis.backdrop import draw_backdrop, sample_backdrop, sample_light
from pipelines.synthesis.engines import RenderEngine
from pipelines.synthesis.framing import FRAMINGS, sample_camera
from pipelines.synthesis.identity import sample_identity
from pipelines.synthesis.motion import Motion, sample_motion
from pipelines.synthesis.person import Studio
from pipelines.synthesis.scene import Camera, Floats, Layers, Scene

SPLITS = ("train", "test")
_FRAMING_SHARES = (0.4, 0.3, 0.15, 0.15)
# How far behind the surface (metres) a point may lie and still count as visible: joints are inside the body.
_DEPTH_SLACK = {"body": 0.16, "left_hand": 0.03, "right_hand": 0.03, "face": 0.012}
FEET = [keypoints.BODY.index(f"{side}_{end}") for side in ("left", "right") for end in ("heel", "toe")]
_IDENTITY_STREAM, _MOTION_STREAM, _SCENE_STREAM = range(3)


@dataclass(frozen=True)
class View:
    """One identity of a group over T frames. layers: T; keypoints (T, 88, 3) in the project's schema,
    confidence 1 where a point is visible; keypoints3d (T, 88, 3) metres in camera space; intrinsics (3, 3)."""

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
    pose = motion.at(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), studio.skeleton)
    views = []
    for number in range(identities):
        who = sample_identity(np.random.default_rng([*stream, _IDENTITY_STREAM, number]))
        scene_rng = np.random.default_rng([*stream, _SCENE_STREAM, number])
        person = studio.dress(who)
        posed = person.pose(pose)
        camera = sample_camera(scene_rng, posed.points, framing, size)
        light, backdrop = sample_light(scene_rng), sample_backdrop(scene_rng)
        layers = []
        for vertices, points in zip(posed.vertices, posed.points, strict=True):
            behind = draw_backdrop(backdrop, camera, points[FEET])
            layers.append(engine.render(Scene(person.surface(vertices), camera, light, behind)))
        seen = np.stack([visible_keypoints(camera, p, drawn) for p, drawn in zip(posed.points, layers, strict=True)])
        views.append(View(who.id, layers, seen, camera.to_camera(posed.points), camera.intrinsics))
    moved = motion_id(motion)
    name = digest_of("group", moved, [view.identity for view in views], frames, size, stream)
    return Group(name, split, moved, framing, views)


def motion_id(motion: Motion) -> str:
    """Content hash of a motion."""
    keys = {**motion.angles, **motion.actions}
    return digest_of("motion", {name: np.round(values, 4).tolist() for name, values in sorted(keys.items())})


def visible_keypoints(camera: Camera, points: Floats, drawn: Layers) -> Floats:
    """World points (88, 3) in the keypoint schema; confidence 1 where a point is in the picture and unhidden."""
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
    return np.asarray(np.max([padded[row + i, column + j] for i in range(3) for j in range(3)], axis=0))

"""A group: several identities do one motion, each in a scene of its own. The pairs of training are drawn from it.

Only the motion (pose, hands, face) and the direction from which it is looked at are shared. Identity, the rest of the
camera, light, backdrop and camera effects are independent of it and of each other. The splits draw from disjoint random
streams and from disjoint recorded motions and pictures, so that no identity, no motion and no background is in two of
them.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints
from pipelines.manifest import digest_of
from pipelines.synthesis.body.model import Pose, Posed
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.movement.recorded import LibraryMotion, MotionLibrary
from pipelines.synthesis.people.identity import Identity, sample_identity
from pipelines.synthesis.people.person import Person, Studio
from pipelines.synthesis.scenes.backdrop import Backdrop, draw_backdrop, sample_backdrop
from pipelines.synthesis.scenes.effects import CLEAN_SHARE, Effects, apply, sample_effects
from pipelines.synthesis.scenes.engines import RenderEngine
from pipelines.synthesis.scenes.framing import FRAMINGS, Direction, Shot, sample_direction, sample_shot
from pipelines.synthesis.scenes.lights import sample_light
from pipelines.synthesis.scenes.pictures import Image, Pictures
from pipelines.synthesis.scenes.scene import Camera, Floats, Layers, Light, Scene
from pipelines.synthesis.scenes.shadow import cast
from pipelines.synthesis.scenes.sight import Cells, in_sight

SPLITS = ("train", "validation", "test")
PROCEDURAL = "procedural"
_FRAMING_SHARES = (0.4, 0.3, 0.15, 0.15)
_MARGIN = 0.2  # seconds of a motion that are drawn but not used, so that filters act alike on all its frames
# Share of the views of an `upper` group that show the whole body: what is added then (legs) is quiet, so that a closer
# view still tells all that moves.
_WIDER_SHARE = 0.3
_FACING = 40.0  # degrees: the most that a recorded motion may be turned from the front, as procedural ones
# How far behind the surface (metres) a point may lie and still count as visible: joints are inside the body.
_DEPTH_SLACK = {"body": 0.16, "left_hand": 0.03, "right_hand": 0.03, "face": 0.012}
_FAR_OFF = 16.0
_IDENTITY_STREAM, _MOTION_STREAM, _SCENE_STREAM, _NOISE_STREAM, _PROPS_STREAM, _DIRECTION_STREAM = range(6)


@dataclass(frozen=True)
class Recipe:
    """What a group is made of.

    identities, frames: how many; frames are 1 / fps seconds apart but for the last of several, the photo: the same
    person in the same place in a pose of its own, as the photo is that a user animates. size: pixels per side, even.
    The shares say how many motions are recorded ones and how many backgrounds are pictures, where there are any, and
    how many views are clean.
    """

    identities: int
    frames: int
    fps: float
    size: int
    recorded: float = 0.3
    pictures: float = 0.3
    clean: float = CLEAN_SHARE


@dataclass(frozen=True)
class Props:
    """What groups may use that is not drawn from formulas."""

    motions: MotionLibrary = field(default_factory=lambda: MotionLibrary({}))
    pictures: Pictures = field(default_factory=Pictures)


@dataclass(frozen=True)
class View:
    """One identity of a group over T frames, S pixels per side.

    layers: T. keypoints (T, 88, 3) in the project's schema, confidence 1 where a point is visible; keypoints3d
    (T, 88, 3) metres in camera space. source (T, H, H, 3), H = S / 2 cells: what is at each cell's centre, where in the
    photo (the last frame) it is and whether it is visible there, see `Cells.in_photo`; source_part (T, H, H) uint8: the
    part of the body that it belongs to.
    """

    who: Identity
    shot: Shot
    light: Light
    backdrop: Backdrop
    effects: Effects
    layers: list[Layers]
    keypoints: Floats
    keypoints3d: Floats
    source: Floats
    source_part: NDArray[np.uint8]

    @property
    def identity(self) -> str:
        return self.who.id

    @property
    def intrinsics(self) -> Floats:
        """(3, 3), the same in all frames."""
        return self.shot.cameras[0].intrinsics

    @property
    def extrinsics(self) -> Floats:
        """World to camera, (T, 4, 4)."""
        out = np.tile(np.eye(4, dtype=np.float32), (len(self.shot.cameras), 1, 1))
        for matrix, camera in zip(out, self.shot.cameras, strict=True):
            matrix[:3, :3], matrix[:3, 3] = camera.rotation, camera.translation
        return out

    @property
    def background(self) -> str:
        """Content hash of the place, or the id of the picture."""
        return self.backdrop.picture or digest_of("place", repr(self.backdrop))


@dataclass(frozen=True)
class Group:
    """id and motion: content hashes. source: `PROCEDURAL`, or the id of the recorded motion. framing: of `FRAMINGS`.
    takes: the motion, its frames 1 / fps seconds apart, then the pose of the photo; the same for all views."""

    id: str
    split: str
    motion: str
    source: str
    framing: str
    fps: float
    takes: tuple[Pose, ...]
    views: list[View]


@dataclass(frozen=True)
class Chosen:
    """What a group takes from `Props`. motion: None for one that is drawn. pictures: one id per view, or nothing."""

    motion: LibraryMotion | None
    pictures: tuple[str, ...]


def choose(seed: int, split: str, index: int, recipe: Recipe, props: Props) -> Chosen:
    """What group `index` of a split will use; it takes a stream of its own, so that one choice moves nothing else."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index, _PROPS_STREAM])
    recorded, number = rng.random() < recipe.recorded, int(rng.integers(2**63))
    motion = props.motions.draw(split, (_moving(recipe) - 1) / recipe.fps, number) if recorded else None
    return Chosen(motion, tuple(props.pictures.draw(rng, split, recipe.pictures) for _ in range(recipe.identities)))


def _moving(recipe: Recipe) -> int:
    """Frames of the motion; the last one of several is the photo."""
    return max(1, recipe.frames - 1)


def render_group(
    studio: Studio, engine: RenderEngine, seed: int, split: str, index: int, recipe: Recipe, props: Props | None = None
) -> Group:
    """Group `index` of a split: a pure function of its arguments. Raises: ValueError for an unknown split."""
    props = props or Props()
    stream = [seed, SPLITS.index(split), index]
    rng = np.random.default_rng([*stream, _MOTION_STREAM])
    framing = str(rng.choice(FRAMINGS, p=_FRAMING_SHARES))
    chosen = choose(seed, split, index, recipe, props)
    source, pose = _motion(rng, studio, framing, recipe, chosen.motion)
    takes = (pose,) if recipe.frames == 1 else (pose, _photo(rng, studio, framing))
    direction = sample_direction(np.random.default_rng([*stream, _DIRECTION_STREAM]))
    views = []
    for number in range(recipe.identities):
        person = studio.dress(sample_identity(np.random.default_rng([*stream, _IDENTITY_STREAM, number])))
        scene, noise = (np.random.default_rng([*stream, kind, number]) for kind in (_SCENE_STREAM, _NOISE_STREAM))
        picture = chosen.pictures[number]
        behind = props.pictures.load(picture) if picture else None
        views.append(_view(engine, person, takes, framing, direction, scene, noise, recipe, picture, behind))
    moved = pose_id(pose)
    name = digest_of("group", moved, [view.identity for view in views], dataclasses.asdict(recipe), stream)
    return Group(name, split, moved, source, framing, recipe.fps, takes, views)


def _photo(rng: np.random.Generator, studio: Studio, framing: str) -> Pose:
    """One frame out of a motion of its own."""
    drawn = sample_motion(rng, studio.skeleton, _MARGIN, framing)
    return _centred(drawn.at(np.array([rng.uniform(0, _MARGIN)]), studio.skeleton))


def _motion(
    rng: np.random.Generator, studio: Studio, framing: str, recipe: Recipe, motion: LibraryMotion | None
) -> tuple[str, Pose]:
    """Where the motion comes from, and its frames."""
    frames = _moving(recipe)
    span = (frames - 1) / recipe.fps
    drawn = sample_motion(rng, studio.skeleton, span + _MARGIN, framing)
    pose = drawn.at(_MARGIN / 2 + np.arange(frames) / recipe.fps, studio.skeleton)
    if motion is None:
        return PROCEDURAL, _centred(pose)
    first = rng.uniform(0, motion.seconds - span)
    found = motion.recorded.at(first + np.arange(frames) / recipe.fps)
    return motion.id, _centred(_to_the_front(_completed(found, pose), float(rng.uniform(-_FACING, _FACING))))


def _completed(recorded: Pose, drawn: Pose) -> Pose:
    """A recorded pose with the hands and the face of a drawn one where it has none."""
    hands = {
        bone: turns
        for bone, turns in drawn.rotations.items()
        if bone.startswith(("finger", "metacarpal"))
        and not any(name.startswith("finger") for name in recorded.rotations)
    }
    return Pose({**hands, **recorded.rotations}, recorded.translation, recorded.actions or drawn.actions)


def _to_the_front(pose: Pose, facing: float) -> Pose:
    """Turn a motion about the vertical so that on the whole it faces the front, to within `_FACING`, else `facing`."""
    root = pose.rotations["root"]
    ahead = (root @ np.array([0, -1, 0], np.float32)).mean(0)
    away = np.degrees(np.arctan2(ahead[0], -ahead[1]))
    if abs(away) <= _FACING:
        return pose
    turn = np.radians(facing - away)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]], np.float32)
    return Pose({**pose.rotations, "root": matrix @ root}, pose.translation @ matrix.T, pose.actions)


def _centred(pose: Pose) -> Pose:
    """The motion about the middle of its place, where the scenes have room."""
    shift = np.zeros(3, np.float32)
    shift[:2] = pose.translation[:, :2].mean(0)
    return Pose(pose.rotations, pose.translation - shift, pose.actions)


def _view(
    engine: RenderEngine,
    person: Person,
    takes: tuple[Pose, ...],
    framing: str,
    direction: Direction,
    rng: np.random.Generator,
    noise: np.random.Generator,
    recipe: Recipe,
    name: str,
    picture: Image | None,
) -> View:
    light = sample_light(rng)
    backdrop = sample_backdrop(rng, name)
    shown = "full" if framing == "upper" and rng.random() < _WIDER_SHARE else framing
    motion, *photos = (person.pose(take) for take in takes)
    bodies = [motion, *(_where_it_moves(photo, motion, shown) for photo in photos)]
    posed = Posed(*(np.concatenate([getattr(body, name) for body in bodies]) for name in ("vertices", "points")))
    shot = sample_shot(rng, posed.points, shown, recipe.size, direction, recipe.fps)
    effects = sample_effects(rng, recipe.clean)
    layers, cells, plate = [], [], None
    for camera, vertices in zip(shot.cameras, posed.vertices, strict=True):
        surface = person.surface(vertices)
        if plate is None or shot.move != "tripod":
            plate = draw_backdrop(backdrop, camera, light, picture, shot.cameras[0])
        behind = plate.shaded(cast(surface, light))
        layers.append(engine.render(Scene(surface, camera, light, behind)))
        cells.append(Cells.of(engine, surface, camera))
    photo = (surface.vertices, camera, layers[-1].depth)
    seen = [visible_keypoints(c, p, drawn) for c, p, drawn in zip(shot.cameras, posed.points, layers, strict=True)]
    keypoints2d = np.stack(seen)
    # Each take by itself: nothing moves from the motion to the photo.
    ends = np.cumsum([take.frames for take in takes])
    filmed = np.concatenate(
        [
            apply(
                effects,
                np.stack([drawn.rgb for drawn in layers[end - take.frames : end]]),
                np.stack([drawn.mask for drawn in layers[end - take.frames : end]]),
                keypoints2d[end - take.frames : end, :, :2] * recipe.size,
                recipe.fps,
                noise,
            )
            for take, end in zip(takes, ends, strict=True)
        ]
    )
    layers = [dataclasses.replace(drawn, rgb=rgb) for drawn, rgb in zip(layers, filmed, strict=True)]
    keypoints3d = np.stack([camera.to_camera(p) for camera, p in zip(shot.cameras, posed.points, strict=True)])
    return View(
        person.identity,
        shot,
        light,
        backdrop,
        effects,
        layers,
        keypoints2d,
        keypoints3d,
        source=np.stack([seen.in_photo(*photo) for seen in cells]),
        source_part=np.stack([seen.part for seen in cells]),
    )


def _where_it_moves(photo: Posed, motion: Posed, shown: str) -> Posed:
    """The photo, with its head where the motion's is on the whole: a driving video tells how far somebody moves from
    there, and nothing tells where there is but the photo. Whose feet are seen stays on the floor."""
    heads = [taken.points[:, keypoints.HEAD_SLICE].mean((0, 1)) for taken in (motion, photo)]
    shift = heads[0] - heads[1]
    if shown == "full":
        shift[2] = 0
    return Posed(photo.vertices + shift, photo.points + shift)


def pose_id(pose: Pose) -> str:
    """Content hash of a motion."""
    keys = {**pose.rotations, **pose.actions, "translation": pose.translation}
    return digest_of("motion", {name: np.round(values, 4).tolist() for name, values in sorted(keys.items())})


def visible_keypoints(camera: Camera, points: Floats, drawn: Layers) -> Floats:
    """World points (88, 3) in the keypoint schema; confidence 1 where a point is in the picture and unhidden.

    The others are true, too, but for what is farther off than `_FAR_OFF` sides of the picture, or behind the camera:
    it is put there.
    """
    slack = np.zeros(len(points), np.float32)
    for part, rows in keypoints.PARTS.items():
        slack[rows] = _DEPTH_SLACK[part]
    pixels, seen = in_sight(camera, points, drawn.depth, slack)
    places = (pixels / camera.size).clip(-_FAR_OFF, 1 + _FAR_OFF)
    return np.concatenate([places, seen[:, None]], 1).astype(np.float32)

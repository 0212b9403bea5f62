"""Film rendered people: one continuous take with one camera in one place, and everything that is known about it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.synthesis.groups import visible_keypoints
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Person, Studio
from pipelines.synthesis.scenes.backdrop import Plate, draw_backdrop, sample_backdrop
from pipelines.synthesis.scenes.engines import RenderEngine, choose_engine
from pipelines.synthesis.scenes.scene import Camera, Floats, Layers, Light, Scene, Surface, look_at
from pipelines.synthesis.scenes.shadow import cast
from tests.labelled.footage import ABSENT, HARDLY, KEPT, OUT, THERE, UNCLEAR, Footage, Frames
from tests.labelled.nearness import several_people

_TEXTURE = 512
_STREAM = 23  # apart from the streams of pairs and of avatars
# Longer side of a person's box in pixels: surely too small below, surely large enough above.
_SMALL, _LARGE = 80.0, 115.0
_IN_PICTURE = 0.7  # of the body points that a take ever shows of a person: with more of them the person is there
_GRAIN = 2.0  # deviation of the noise, of 255
_MOST_HIDDEN = 0.6  # of a person's pixels: behind somebody else they are hardly there


@dataclass(frozen=True)
class Actor:
    """who, moves: seeds of identity and motion. start, end: where they are (x, y) at both ends of the take, metres, to
    which their motion is added. facing: degrees turned to their left. still: they keep one pose. rate: of the motion.
    """

    who: int
    moves: int
    start: tuple[float, float] = (0.0, 0.0)
    end: tuple[float, float] | None = None
    facing: float = 0.0
    still: bool = False
    style: str = "upper"
    rate: float = 1.0


@dataclass(frozen=True)
class View:
    """A camera at `distance` metres before the people that looks at `height`, or so much below the first one's nose
    where `by_nose`. focal: in widths of the picture.

    pan: degrees to the right per second; whip: (s, degrees), a turn within 0.3 s at that time; shake: deviation of its
    direction in degrees; follow: metres per second to the right. code: the reason why that motion is too much, if so.
    """

    distance: float = 4.8
    height: float = 0.95
    by_nose: bool = False
    focal: float = 1.2
    pan: float = 0.0
    whip: tuple[float, float] | None = None
    shake: float = 0.0
    follow: float = 0.0
    code: str = KEPT


WHOLE = View()
UPPER = View(distance=2.1, height=0.26, by_nose=True)
HEAD = View(distance=1.25, height=0.06, by_nose=True)


@dataclass(frozen=True)
class Take:
    """place, light: seeds. photo: a photograph is the place."""

    seconds: float
    actors: tuple[Actor, ...]
    view: View = WHOLE
    place: int = 0
    light: int = 0
    photo: bool = False
    size: tuple[int, int] = (640, 360)
    fps: float = 25.0


def film(take: Take, seed: int) -> Footage:
    """The same take and seed give the same footage on one machine."""
    count, people = round(take.seconds * take.fps), len(take.actors)
    cast_of = [_played(actor, take, seed) for actor in take.actors]
    rgb, points = np.empty((count, take.size[1], take.size[0], 3), np.uint8), np.zeros((count, people, kp.COUNT, 3))
    boxes, hidden = np.zeros((count, people, 4)), np.zeros((count, people, people))
    stage, grain = Stage.of(take, seed), np.random.default_rng([seed, _STREAM, 5, take.place])
    view = take.view
    if view.by_nose:
        nose = cast_of[0][2][0, kp.BODY.index("nose"), 2]
        view = replace(view, height=float(nose) - view.height)
    for t, camera in enumerate(_cameras(take, view, seed)):
        surfaces = [person.surface(vertices[t]) for person, vertices, _ in cast_of]
        distance = [float(camera.to_camera(joints[t])[:, 2].mean()) for _, _, joints in cast_of]
        drawn, rgb[t] = stage.draw(camera, surfaces, list(np.argsort(distance)[::-1]))
        depth = np.stack([np.where(one.mask, one.depth, np.inf) for one in drawn] or [np.full((1, 1), np.inf)]).min(0)
        for p, (one, (_, _, joints)) in enumerate(zip(drawn, cast_of, strict=True)):
            front = replace(one, depth=np.where(np.isfinite(depth), depth, 0).astype(np.float32))
            points[t, p] = _in_picture(visible_keypoints(camera, joints[t], front), take.size)
            mask = _cropped(one.mask, take.size)
            boxes[t, p] = _box(mask)
            nearer = _cropped(depth < one.depth, take.size) & mask
            for q, other in enumerate(drawn):
                if q != p:
                    covered = (nearer & _cropped(other.mask, take.size)).sum() / max(mask.sum(), 1)
                    hidden[t, p, q] = covered
        rgb[t] = _grained(rgb[t], grain)
    there = _there(take, points, boxes, hidden)
    right = _right(take, boxes, hidden, there)
    times = np.arange(count, dtype=np.float32) / np.float32(take.fps)
    return Footage(rgb, take.fps, points.astype(np.float32), boxes.astype(np.float32), there, right, times)


def _played(actor: Actor, take: Take, seed: int) -> tuple[Person, Floats, Floats]:
    """The person, and vertices and points of each frame in the world."""
    studio, count = _studio(), round(take.seconds * take.fps)
    person = _dressed(seed, actor.who)
    rng = np.random.default_rng([seed, _STREAM, 1, actor.moves])
    times = np.zeros(count) if actor.still else np.arange(count) / take.fps * actor.rate
    motion = sample_motion(rng, studio.skeleton, max(1.0, take.seconds * actor.rate), actor.style, 10.0)
    posed = person.pose(motion.at(times, studio.skeleton))
    turn = np.radians(actor.facing)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]], np.float32)
    way = np.linspace(actor.start, actor.end or actor.start, count)
    shift = np.pad(way, ((0, 0), (0, 1)))[:, None].astype(np.float32)
    return person, posed.vertices @ spin.T + shift, posed.points @ spin.T + shift


def _cameras(take: Take, view: View, seed: int) -> Iterator[Camera]:
    side = max(take.size)
    rng = np.random.default_rng([seed, _STREAM, 2, take.place])
    phase, rate = rng.uniform(0, 2 * np.pi, (2, 2)), rng.uniform([0.7, 1.7], [1.2, 2.6], (2, 2))
    for t in range(round(take.seconds * take.fps)):
        time = t / take.fps
        jitter = view.shake * np.sin(2 * np.pi * rate * time + phase).sum(1)
        turn = view.pan * (time - take.seconds / 2) + jitter[0]
        if view.whip is not None:
            turn += view.whip[1] * float(np.clip((time - view.whip[0]) / 0.3 + 0.5, 0, 1))
        eye = np.array([view.follow * (time - take.seconds / 2), -view.distance, view.height + 0.15])
        aim = np.radians(turn)
        down = -0.15 / view.distance + np.radians(jitter[1])
        ahead = np.array([np.sin(aim), np.cos(aim), down])
        yield look_at(eye.astype(np.float32), (eye + ahead).astype(np.float32), view.focal, side)


@dataclass
class Stage:
    """A place with its light, and the engine that draws people in it. The place is drawn anew when the camera moves."""

    take: Take
    engine: RenderEngine
    light: Light
    first: Camera | None = None
    last: tuple[Camera, Plate] | None = None

    @classmethod
    def of(cls, take: Take, seed: int) -> "Stage":
        return cls(take, choose_engine("auto")[0], _light(np.random.default_rng([seed, _STREAM, 3, take.light])))

    def draw(self, camera: Camera, surfaces: list[Surface], order: list[int]) -> tuple[list[Layers], Frames]:
        """The layers of each person as if alone, and the picture (H, W, 3) of all. order: from back to front."""
        plate = self._plate(camera)
        picture = plate.shaded(cast(_merged(surfaces), self.light)) if surfaces else _shown(plate)
        drawn: dict[int, Layers] = {}
        for p in order:
            drawn[p] = self.engine.render(Scene(surfaces[p], camera, self.light, picture))
            picture = drawn[p].rgb
        return [drawn[p] for p in range(len(surfaces))], _cropped(picture, self.take.size)

    def _plate(self, camera: Camera) -> Plate:
        still = self.last is not None and np.array_equal(self.last[0].clip_matrix(), camera.clip_matrix())
        if self.last is None or not still:
            self.first = self.first or camera
            rng = np.random.default_rng([_STREAM, 4, self.take.place])
            backdrop = sample_backdrop(rng, "photo" if self.take.photo else "")
            # People stand anywhere, so that there is no wall beside them and none close behind.
            backdrop = replace(backdrop, side=0.0, distance=max(backdrop.distance, 1.8))
            photo = _photo() if self.take.photo else None
            self.last = camera, draw_backdrop(backdrop, camera, self.light, photo, self.first)
        return self.last[1]


def _shown(plate: Plate) -> Frames:
    import cv2

    shown = np.asarray(np.rint(plate.colours * 255), np.uint8)
    return np.asarray(cv2.resize(shown, (plate.size, plate.size), interpolation=cv2.INTER_CUBIC))


def _merged(surfaces: list[Surface]) -> Surface:
    """All as one, for their shadow."""
    first = np.cumsum([0, *(len(one.vertices) for one in surfaces)])
    faces = [one.faces + np.int32(offset) for one, offset in zip(surfaces, first, strict=False)]
    return replace(
        surfaces[0], vertices=np.concatenate([one.vertices for one in surfaces]), faces=np.concatenate(faces)
    )


def _light(rng: np.random.Generator) -> Light:
    """Enough light from the front or a side: what is badly lit is made so on purpose, see `effects`."""
    azimuth, height, hardness = rng.uniform([-1.2, 0.4, 0.3], [1.2, 1.1, 0.7])
    direction = [np.sin(azimuth) * np.cos(height), -np.cos(azimuth) * np.cos(height), np.sin(height)]
    tint = 1 + np.array([1, 0, -1]) * rng.uniform(-0.1, 0.1)
    sky = np.full(3, 1 - hardness)
    arrays = (direction, hardness * tint, np.full(3, 0.12), sky, 0.5 * sky)
    return Light(*(np.asarray(values, np.float32) for values in arrays))


def _grained(frame: Frames, rng: np.random.Generator) -> Frames:
    """With the noise of a sensor: no two frames of a camera are the same."""
    noise = rng.standard_normal(frame.shape, np.float32) * np.float32(_GRAIN)
    return np.asarray((frame + noise).round().clip(0, 255), np.uint8)


def _cropped(square: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The middle (H, W, ...) of a square picture whose side is the longer one of the size."""
    left, top = ((max(size) - side) // 2 for side in size)
    return square[top : top + size[1], left : left + size[0]]


def _in_picture(points: Floats, size: tuple[int, int]) -> Floats:
    """Points (88, 3) in shares of the square become pixels of the picture; outside of it they are not visible."""
    points = points.copy()
    points[:, :2] = points[:, :2] * max(size) - (max(size) - np.array(size)) / 2
    points[:, 2] *= (points[:, :2] >= 0).all(1) & (points[:, :2] < size).all(1)
    return points


def _box(mask: NDArray[np.bool_]) -> Floats:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros(4, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _there(take: Take, points: Floats, boxes: Floats, hidden: Floats) -> NDArray[np.int8]:
    """(T, P), see `Footage`. hidden: (T, P, Q) share of P's pixels in the picture that Q hides."""
    body = points[:, :, kp.BODY_SLICE, :2]
    inside = ((body >= 0) & (body < take.size)).all(3).sum(2)
    hardly = (inside < _IN_PICTURE * inside.max(0, initial=4)) | (hidden.sum(2) > _MOST_HIDDEN)
    there = np.where(hardly, HARDLY, THERE)
    return np.where(boxes.any(2), there, OUT).astype(np.int8)


def _right(take: Take, boxes: Floats, hidden: Floats, there: NDArray[np.int8]) -> NDArray[np.str_]:
    """(T, P) codes, see `Footage`."""
    size = np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
    right = several_people(boxes, hidden)
    still = np.array([actor.still for actor in take.actors], np.bool_)
    right[(right == KEPT) & still] = "no_motion"
    right[right == KEPT] = take.view.code
    right[size < _LARGE] = UNCLEAR
    right[size < _SMALL] = "too_small"
    right[there == HARDLY] = UNCLEAR
    right[there == OUT] = ABSENT
    return right


@functools.cache
def _studio() -> Studio:
    return Studio.open(_TEXTURE)


@functools.lru_cache(maxsize=8)
def _dressed(seed: int, who: int) -> Person:
    return _studio().dress(sample_identity(np.random.default_rng([seed, _STREAM, 0, who])))


@functools.cache
def _photo() -> Frames:
    from sklearn.datasets import load_sample_image  # a dependency of MLflow; the photograph is CC BY 2.0

    return np.asarray(load_sample_image("china.jpg"))

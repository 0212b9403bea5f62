"""Places that people stand in, independent of who stands there: drawn along the camera's rays, or a picture.

A place is a floor at z = 0, walls and blocks, lit by the scene's light and out of focus as with a real lens. A `Plate`
is what one camera sees of it without the person; the person's shadow is laid on it frame by frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.lights import irradiance
from pipelines.synthesis.scenes.materials import factor
from pipelines.synthesis.scenes.scene import GAMMA, Camera, Floats, Light
from pipelines.synthesis.scenes.shadow import Shadow

KINDS = ("room", "corner", "street", "field", "paper", "gradient", "picture")
_SHARES = (0.34, 0.2, 0.14, 0.12, 0.12, 0.08)  # of the drawn kinds
_FLOORS = {"street": ("asphalt", "slabs"), "field": ("grass",), "paper": ("plain",)}
_INDOORS = ("plain", "boards", "tiles", "carpet")
_WALLS = ("plain", "panels", "stripes", "bricks", "paper", "shelves")
BLUR = (0.0, 0.03)  # blur of what is infinitely far, in shares of the picture's side (deviation)
_SKY = -1
_FAR = 120.0
_SHARP = 256  # pixels per side up to which a place is drawn pixel by pixel
_BLUE = np.array([0.45, 0.65, 0.92])


@dataclass(frozen=True)
class Backdrop:
    """Colours sRGB in [0, 1], lengths in metres.

    distance: of the back wall behind the person; side: x of a side wall, 0 for none; top: where walls end and the sky
    begins; frames (N, 4): pictures and windows on the back wall (middle, bottom, width, height), the first is a window
    where `window`; blocks (N, 6): lower and upper corner of furniture; blur: see `BLUR`; picture: id of a background
    picture, for that kind; crop (3,): how much of the picture is used, and where.
    """

    kind: str
    floor: str
    wall: str
    floor_colour: Floats
    wall_colour: Floats
    accent: Floats
    distance: float
    side: float
    top: float
    frames: Floats
    window: bool
    blocks: Floats
    blur: float
    picture: str
    crop: Floats
    seed: int


@dataclass(frozen=True)
class Plate:
    """A place seen by one camera, S x S, drawn for pictures of `size` pixels per side.

    colours (S, S, 3) sRGB in [0, 1]; floor_xy, light_xy (S, S, 2): the floor point below, and where the key's ray
    through it meets the floor; keyed (S, S, 3): share of the light that a shadow of the key takes away; floor (S, S):
    1 on the floor.
    """

    size: int
    colours: Floats
    floor_xy: Floats
    light_xy: Floats
    keyed: Floats
    floor: Floats

    def shaded(self, shadow: Shadow) -> NDArray[np.uint8]:
        """The picture behind the person, (size, size, 3)."""
        import cv2

        kept = 1 - self.keyed * shadow.key.at(self.light_xy)[..., None]
        kept *= 1 - 0.6 * (self.floor * shadow.touch.at(self.floor_xy))[..., None]
        shown = np.asarray(np.rint(self.colours * kept ** np.float32(1 / GAMMA) * 255), np.uint8)
        if len(shown) == self.size:
            return shown
        return np.asarray(cv2.resize(shown, (self.size, self.size), interpolation=cv2.INTER_CUBIC))


def sample_backdrop(rng: np.random.Generator, picture: str = "") -> Backdrop:
    """A random place; picture: id of a background picture to use instead."""
    kind = "picture" if picture else str(rng.choice(KINDS[:-1], p=_SHARES))
    walls = ("facade",) if kind == "street" else ("plain",) if kind == "paper" else _WALLS
    floors = _FLOORS.get(kind, _INDOORS)
    # Most walls and floors are greyish; a few are painted.
    chroma = 0.04 if rng.random() < 0.75 or kind == "street" else 0.14
    muted = rng.uniform(0.15, 0.95, (2, 1)) * (1 + rng.normal(0, chroma, (2, 3))) + rng.normal(0, chroma / 2, (2, 3))
    floor_colour = np.clip(muted[0] * (1.0, 0.9, 0.78), 0.08, 0.9)
    wall_colour = np.clip(muted[1], 0.08, 0.95)
    if kind == "field":
        floor_colour = np.array([0.3, 0.42, 0.16]) * rng.uniform(0.7, 1.3, 3)
    if kind in {"paper", "gradient"} and rng.random() < 0.5:
        wall_colour = np.clip(rng.uniform(0.2, 0.95, 3), 0, 1)
    if kind == "paper":
        floor_colour = wall_colour
    outside = kind in {"street", "field"}
    count = int(rng.integers(0, 4)) if kind in {"room", "corner"} else 0
    frames = rng.uniform([-2.5, 0.9, 0.4, 0.3], [2.5, 1.4, 1.6, 1.1], (count, 4))
    distance = float(rng.uniform(5, 14) if kind == "street" else rng.uniform(0.9, 3.5))
    return Backdrop(
        kind,
        str(rng.choice(floors)),
        str(rng.choice(walls)),
        floor_colour.astype(np.float32),
        wall_colour.astype(np.float32),
        rng.uniform(0.1, 0.95, 3).astype(np.float32),
        distance,
        float(rng.uniform(1.1, 2.6) * rng.choice([-1, 1])) if kind == "corner" else 0.0,
        float(rng.uniform(5, 16) if outside else 60.0),
        frames.astype(np.float32),
        bool(rng.random() < 0.5),
        _blocks(rng, distance) if kind in {"room", "corner"} else np.zeros((0, 6), np.float32),
        float(rng.uniform(*BLUR) * (rng.random() < 0.55)),
        picture,
        rng.uniform([0.55, 0, 0], [1.0, 1, 1]).astype(np.float32),
        int(rng.integers(1 << 31)),
    )


def _blocks(rng: np.random.Generator, distance: float) -> Floats:
    """Cupboards, tables and seats along the back wall, none where the person may be."""
    blocks = []
    for _ in range(int(rng.integers(0, 4))):
        width, depth, height = rng.uniform([0.4, 0.25, 0.4], [1.4, 0.6, 1.9])
        left = rng.uniform(-2.6, 2.6 - width)
        back = distance - rng.uniform(0, 0.1)
        if back - depth > 0.55:
            blocks.append([left, back - depth, 0.0, left + width, back, height])
    return np.array(blocks, np.float32).reshape(-1, 6)


def draw_backdrop(
    backdrop: Backdrop,
    camera: Camera,
    light: Light,
    picture: NDArray[np.uint8] | None = None,
    start: Camera | None = None,
) -> Plate:
    """What a camera sees of a place. picture (H, W, 3): for the kind `picture`; start: the camera that it fills
    (`camera` itself by default), so that it shifts as a far place does when the camera turns."""
    # Behind a sharp person a place at half the sharpness looks right, and it costs a quarter.
    size = camera.size if camera.size <= _SHARP else max(_SHARP, camera.size // 2)
    k = camera.intrinsics * np.float32(size / camera.size)
    axis = np.arange(size, dtype=np.float32) + np.float32(0.5)
    column, row = np.meshgrid(axis, axis)
    rays = np.stack([(column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1], np.ones_like(row)], -1) @ camera.rotation
    eye = camera.centre
    reach, surface = _reach(backdrop, eye, rays)
    points = eye + rays * reach[..., None]
    if backdrop.kind == "picture":
        assert picture is not None, "a backdrop of kind picture is drawn from its picture"
        colours = _picture(backdrop, picture, rays, start or camera)
        reach = np.full_like(reach, 6.0)
    elif backdrop.kind == "gradient":
        colours = _gradient(backdrop, rays)
    else:
        colours = _colours(backdrop, rays, points, reach, surface, eye, float(k[0, 0]))
    floor = (surface == 0).astype(np.float32)
    keyed = np.zeros((size, size, 3), np.float32)
    real = backdrop.kind not in {"picture", "gradient"}
    for number in np.unique(surface):
        if number == _SKY:
            continue
        there = surface == number
        ambient, key = irradiance(light, _normal(backdrop, int(number)))
        keyed[there] = key / np.maximum(ambient + key, 1e-4) if real else (0.4 if number == 0 else 0.0)
        if real:
            colours[there] *= np.clip(ambient + key, 0, 2.5) ** (1 / GAMMA)
    if not real:
        colours *= np.clip(0.6 * light.key + light.sky, 0, 1.6).mean() ** (1 / GAMMA)
    colours = _defocus(np.clip(colours, 0, 1), reach, backdrop.blur * size, float(np.linalg.norm(eye[:2])))
    along = points[..., 2:] / max(float(light.direction[2]), 0.1) * light.direction[:2]
    # A wall is in the person's shadow only where the light comes from their other side.
    light_xy = np.where(reach[..., None] < _FAR, points[..., :2] - along, 1e4)
    return Plate(camera.size, colours, points[..., :2], light_xy.astype(np.float32), keyed, floor)


def _reach(backdrop: Backdrop, eye: Floats, rays: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """How far along each ray the nearest surface is, and which: 0 floor, 1 back wall, 2 side wall, 3.. blocks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rays[..., 2] < -1e-5, -eye[2] / rays[..., 2], np.inf)
        surface = np.where(np.isfinite(reach), 0, _SKY).astype(np.int8)
        walls = [(1, 1, backdrop.distance)] if backdrop.kind != "field" else []
        walls += [(2, 0, backdrop.side)] if backdrop.side else []
        for number, axis, at in walls:
            way = (at - eye[axis]) / rays[..., axis]
            nearer = (way > 0) & (way < reach) & (eye[2] + rays[..., 2] * way < backdrop.top)
            reach, surface = np.where(nearer, way, reach), np.where(nearer, np.int8(number), surface)
        for number, block in enumerate(backdrop.blocks, 3):
            first, second = (block[:3] - eye) / rays, (block[3:] - eye) / rays
            into, out = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
            nearer = (into > 0) & (into < out) & (into < reach)
            reach, surface = np.where(nearer, into, reach), np.where(nearer, np.int8(number), surface)
    return np.minimum(reach, _FAR).astype(np.float32), surface


def _normal(backdrop: Backdrop, surface: int) -> Floats:
    """Of the floor, the back wall and the side wall; blocks are lit as the back wall is."""
    if surface == 0:
        return np.array([0, 0, 1], np.float32)
    return np.array([-np.sign(backdrop.side), 0, 0] if surface == 2 else [0, -1, 0], np.float32)


def _colours(
    backdrop: Backdrop,
    rays: Floats,
    points: Floats,
    reach: Floats,
    surface: NDArray[np.int8],
    eye: Floats,
    focal: float,
) -> Floats:
    rng = np.random.default_rng(backdrop.seed)
    colours = np.empty((*reach.shape, 3), np.float32)
    noise = _noise(points.reshape(-1, 3), rng).reshape(reach.shape)
    pixel = reach / focal
    haze = (backdrop.accent * 0.3 + 0.35).astype(np.float32)
    for number in np.unique(surface):
        there = surface == number
        x, y, z = points[there].T
        if number == _SKY:
            colours[there] = _sky(backdrop, rays[there], rng)
        elif number == 0:
            grazing = pixel[there] * reach[there] / max(float(eye[2]), 0.2)
            made = factor(backdrop.floor, x, y, noise[there], grazing)
            colours[there] = backdrop.floor_colour * made[:, None]
            if backdrop.kind == "field":
                fade = np.exp(-np.maximum(reach[there] - 4, 0) / 25)[:, None]
                colours[there] = colours[there] * fade + haze * (1 - fade)
        elif number in (1, 2):
            made = factor(backdrop.wall, x if number == 1 else y, z, noise[there], pixel[there])
            wall = backdrop.wall_colour * made[:, None]
            if number == 1:
                _hang(backdrop, wall, x, z, noise[there])
            if backdrop.kind in {"room", "corner"}:
                wall[z < 0.09] *= 0.72
            colours[there] = wall
        else:
            block = backdrop.blocks[number - 3]
            tone = np.roll(backdrop.accent, int(number)) * 0.5 + 0.15
            shade = np.where(z > block[5] - 1e-3, 1.25, np.where(y > block[1] + 1e-3, 0.7, 1.0))
            shade = shade * np.where(np.abs((z / 0.42) % 1 - 0.5) < 0.48, 1.0, 0.7) + 0.04 * noise[there]
            colours[there] = tone * shade[:, None]
    if backdrop.kind == "paper":
        # The roll of paper turns from floor to wall in a curve without an edge.
        gap = np.where(surface == 0, backdrop.distance - points[..., 1], points[..., 2])
        colours *= (1 - 0.1 * np.exp(-np.maximum(gap, 0) / 0.4))[..., None]
    return colours


def _hang(backdrop: Backdrop, wall: Floats, x: Floats, z: Floats, noise: Floats) -> None:
    """Put pictures and a window on the wall's colours (N, 3), in place."""
    for i, (middle, bottom, width, height) in enumerate(backdrop.frames):
        inside = (np.abs(x - middle) < width / 2) & (np.abs(z - bottom - height / 2) < height / 2)
        rim = inside & ((np.abs(x - middle) > width / 2 - 0.04) | (np.abs(z - bottom - height / 2) > height / 2 - 0.04))
        if i == 0 and backdrop.window:
            up = np.clip((z[inside] - bottom) / height, 0, 1)[:, None]
            wall[inside] = 1.35 * (np.array([0.8, 0.83, 0.8]) * (1 - up) + np.array([0.8, 0.9, 1.0]) * up)
            rim |= inside & (np.abs(x - middle) < 0.025)
            wall[rim] = 0.9
        else:
            wall[inside] = np.roll(backdrop.accent, i) * (1 + 0.4 * noise[inside])[:, None]
            wall[rim] = 0.15


def _sky(backdrop: Backdrop, rays: Floats, rng: np.random.Generator) -> Floats:
    """Sky with a skyline of trees or hills, (N, 3)."""
    up = rays[:, 2] / np.linalg.norm(rays, axis=-1)
    sky = backdrop.wall_colour + (_BLUE - backdrop.wall_colour) * np.clip(up * 2.5 + 0.25, 0, 1)[:, None]
    turn = np.arctan2(rays[:, 0], rays[:, 1])
    line = 0.06 + 0.03 * np.sin(9 * turn + rng.uniform(0, 6)) + 0.012 * np.sin(47 * turn) + 0.006 * np.sin(131 * turn)
    trees = np.array([0.2, 0.27, 0.14]) * (0.6 + 0.8 * backdrop.accent)
    return np.asarray(np.where((up < line)[:, None], trees, sky), np.float32)


def _gradient(backdrop: Backdrop, rays: Floats) -> Floats:
    up = np.clip(0.5 + 1.2 * rays[..., 2:] / np.linalg.norm(rays, axis=-1, keepdims=True), 0, 1)
    top = 0.5 * backdrop.wall_colour + 0.5 * backdrop.accent
    return np.asarray(backdrop.wall_colour * (1 - up) + top * up, np.float32)


def _picture(backdrop: Backdrop, picture: NDArray[np.uint8], rays: Floats, start: Camera) -> Floats:
    """A square part of a picture (H, W, 3) over what `start` sees; it goes on mirrored beyond its edges."""
    import cv2

    height, width = picture.shape[:2]
    side = float(backdrop.crop[0]) * min(height, width)
    scale = min(1.0, start.size / side)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    local = rays @ start.rotation.T
    shares = local[..., :2] / np.maximum(local[..., 2:], 1e-3) * start.intrinsics[0, 0] / start.size + 0.5
    corner = backdrop.crop[1:] * (np.array([width, height]) - side)
    place = (corner + shares * side) * (np.array([small.shape[1], small.shape[0]]) / [width, height]) - 0.5
    found = cv2.remap(small, place.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32) / np.float32(255)


def _defocus(colours: Floats, reach: Floats, strength: float, focus: float) -> Floats:
    """Blur (S, S, 3) what is farther than the focused distance; strength: pixels at infinity (thin lens)."""
    import cv2

    if strength < 0.4:
        return colours.astype(np.float32)
    circle = strength * np.clip(1 - focus / np.maximum(reach, 1e-3), 0, 1)
    half, whole = (np.asarray(cv2.GaussianBlur(colours, (0, 0), share * strength)) for share in (0.5, 1.0))
    low = np.clip(circle / (0.5 * strength), 0, 1)[..., None]
    high = np.clip(circle / (0.5 * strength) - 1, 0, 1)[..., None]
    near = colours + (half - colours) * low
    return np.asarray(near + (whole - near) * high, np.float32)


def _noise(points: Floats, rng: np.random.Generator) -> Floats:
    """Smooth noise (N,) of deviation about 0.7 over points (N, 3)."""
    total = np.zeros(len(points), np.float32)
    for waves in (1.3, 4.0, 11.0):
        turned = points @ rng.normal(0, waves, (3, 3)).astype(np.float32) + rng.uniform(0, 6.3, 3).astype(np.float32)
        total += np.sin(turned).sum(1) / waves**0.5
    return np.asarray(total / 3, np.float32)

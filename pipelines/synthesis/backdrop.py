"""Light and backdrops: rooms and open places drawn along the camera's rays, independent of who stands in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scene import Camera, Floats, Light

_FLOORS = ("plain", "boards", "tiles", "carpet")
_WALLS = ("plain", "panels", "stripes", "bricks", "paper", "sky")


@dataclass(frozen=True)
class Backdrop:
    """A floor at z = 0 and a wall `distance` metres behind the person, or a sky. Colours sRGB in [0, 1]."""

    floor: str
    floor_colour: Floats
    wall: str
    wall_colour: Floats
    accent: Floats
    distance: float
    frames: Floats
    seed: int


def sample_light(rng: np.random.Generator) -> Light:
    """A key light from the front half above, warm or cool, hard or soft."""
    azimuth, height = rng.uniform(-1.3, 1.3), rng.uniform(0.25, 1.15)
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.cos(azimuth) * np.cos(height), np.sin(height)])
    tint = 1 + np.array([1, 0, -1]) * rng.uniform(-0.12, 0.12)
    hardness, exposure = rng.uniform(0.35, 0.75), rng.uniform(0.85, 1.15)
    sky = exposure * (1 - hardness) * rng.uniform(0.9, 1.1, 3) * 1.05
    return Light(
        direction.astype(np.float32),
        (exposure * hardness * tint).astype(np.float32),
        np.full(3, exposure * rng.uniform(0.05, 0.15), np.float32),
        sky.astype(np.float32),
        (sky * rng.uniform(0.35, 0.6)).astype(np.float32),
    )


def sample_backdrop(rng: np.random.Generator) -> Backdrop:
    muted = rng.uniform(0.25, 0.9) + rng.normal(0, 0.06, (2, 3)) + rng.uniform(-0.15, 0.15, (2, 1))
    frames = rng.uniform([-2.5, 0.6, 0.3, 0.3], [2.5, 1.8, 1.0, 0.9], (int(rng.integers(0, 5)), 4))
    return Backdrop(
        _FLOORS[rng.integers(len(_FLOORS))],
        np.clip(muted[0] * (1.0, 0.9, 0.78), 0.08, 0.95).astype(np.float32),
        _WALLS[rng.integers(len(_WALLS))],
        np.clip(muted[1], 0.08, 0.97).astype(np.float32),
        rng.uniform(0.1, 0.95, 3).astype(np.float32),
        float(rng.uniform(0.9, 3.0)),
        frames.astype(np.float32),
        int(rng.integers(1 << 31)),
    )


def draw_backdrop(backdrop: Backdrop, camera: Camera, feet: Floats) -> NDArray[np.uint8]:
    """The picture behind the person, (S, S, 3). feet (N, 3): points that darken the floor around them."""
    column, row = np.meshgrid(np.arange(camera.size) + 0.5, np.arange(camera.size) + 0.5)
    k = camera.intrinsics
    local = np.stack([(column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1], np.ones_like(row)], -1)
    rays = local @ camera.rotation
    eye = camera.centre
    to_floor = np.where(rays[..., 2] < -1e-4, -eye[2] / np.minimum(rays[..., 2], -1e-4), np.inf)
    to_wall = np.where(rays[..., 1] > 1e-4, (backdrop.distance - eye[1]) / np.maximum(rays[..., 1], 1e-4), np.inf)
    outdoors = backdrop.wall == "sky"
    on_floor = to_floor < np.inf if outdoors else to_floor < to_wall
    reach = np.minimum(np.where(on_floor, to_floor, to_wall), 200.0)
    points = (eye + rays * reach[..., None]).astype(np.float32)
    rng = np.random.default_rng(backdrop.seed)
    noise = _noise(points.reshape(-1, 3), rng).reshape(points.shape[:2])
    floor = _floor(backdrop, points, noise)
    if outdoors:
        up = np.clip(rays[..., 2] / np.linalg.norm(rays, axis=-1), 0, 1)[..., None]
        sky = backdrop.wall_colour + (np.array([0.45, 0.65, 0.92]) - backdrop.wall_colour) * np.clip(
            up * 2.5 + 0.2, 0, 1
        )
        hills = up[..., 0] < 0.05 + 0.03 * np.sin(9 * rays[..., 0] + rng.uniform(0, 6)) + 0.015 * np.sin(
            31 * rays[..., 0]
        )
        wall = np.where(hills[..., None], backdrop.accent * 0.4 + 0.2, sky)
        fade = np.exp(-np.maximum(reach - 3, 0) / 25)[..., None]
        floor = floor * fade + (backdrop.accent * 0.4 + 0.2) * (1 - fade)
    else:
        wall = _wall(backdrop, points, noise)
    gap = points[..., None, :2] - feet[:, :2]
    shadow = np.exp(-(gap**2).sum(-1) / (0.11 + 0.5 * np.maximum(feet[:, 2], 0)) ** 2)
    shadow = 1 - 0.55 * np.clip((shadow * np.exp(-3 * np.maximum(feet[:, 2], 0))).sum(-1), 0, 1)
    colours = np.where(on_floor[..., None], floor * shadow[..., None], wall)
    return np.asarray(np.rint(np.clip(colours, 0, 1) * 255), np.uint8)


def _noise(points: Floats, rng: np.random.Generator) -> Floats:
    total = np.zeros(len(points), np.float32)
    for waves in (1.3, 4.0, 11.0):
        total += (
            np.sin(points @ rng.normal(0, waves, (3, 3)) + rng.uniform(0, 6.3, 3)).sum(1).astype(np.float32)
            / waves**0.5
        )
    return np.asarray(total / 3, np.float32)


def _floor(backdrop: Backdrop, points: Floats, noise: Floats) -> Floats:
    x, y = points[..., 0], points[..., 1]
    shade = 1 + 0.05 * noise
    if backdrop.wall == "sky":
        shade += 0.08 * np.sin(31 * x + 3 * noise) * np.sin(37 * y + 3 * noise)
    elif backdrop.floor == "boards":
        shade += 0.1 * np.sin(17.3 * np.floor(x / 0.14)) - 0.25 * ((x / 0.14) % 1 < 0.05)
    elif backdrop.floor == "tiles":
        shade += 0.2 * ((np.floor(x / 0.4) + np.floor(y / 0.4)) % 2) - 0.1
    elif backdrop.floor == "carpet":
        shade += 0.08 * np.sin(140 * x) * np.sin(140 * y)
    return np.asarray(backdrop.floor_colour * shade[..., None], np.float32)


def _wall(backdrop: Backdrop, points: Floats, noise: Floats) -> Floats:
    x, z = points[..., 0], points[..., 2]
    shade = 0.9 + 0.08 * noise + 0.06 * np.clip(z, 0, 3)
    if backdrop.wall == "panels":
        shade -= 0.3 * ((x / 0.9) % 1 < 0.02) + 0.12 * (z < 0.9)
    elif backdrop.wall == "stripes":
        shade -= 0.15 * ((x / 0.24) % 1 < 0.5)
    elif backdrop.wall == "bricks":
        course = np.floor(z / 0.09)
        joint = ((z / 0.09) % 1 < 0.13) | (((x + 0.12 * (course % 2)) / 0.24) % 1 < 0.05)
        shade += 0.15 * joint + 0.05 * np.sin(12.9 * course + 7.1 * np.floor((x + 0.12 * (course % 2)) / 0.24))
    elif backdrop.wall == "paper":
        shade += 0.1 * np.sin(20 * x) * np.sin(20 * z)
    colours = np.asarray(backdrop.wall_colour * shade[..., None], np.float32)
    for i, (left, bottom, width, height) in enumerate(backdrop.frames):
        inside = (np.abs(x - left) < width / 2) & (np.abs(z - bottom - height / 2) < height / 2)
        rim = inside & ((np.abs(x - left) > width / 2 - 0.04) | (np.abs(z - bottom - height / 2) > height / 2 - 0.04))
        picture = np.roll(backdrop.accent, i) * (1 + 0.4 * noise[inside])[:, None]
        colours[inside] = picture
        colours[rim] = 0.15
    colours[(z < 0.1) & (z >= 0)] *= 0.75
    return colours

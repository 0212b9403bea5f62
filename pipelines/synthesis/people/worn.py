"""What is worn besides cloth that follows the skin: shoes, skirts, collars, hoods, headwear and glasses, as patches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.people.atlas import VertexFields
from pipelines.synthesis.people.garments import HIP, SHOE_TOP, WAIST, leg_end, pattern, two_colours
from pipelines.synthesis.people.hull import Hull
from pipelines.synthesis.people.identity import Colour, Look
from pipelines.synthesis.people.paint import bump, step
from pipelines.synthesis.people.patches import Patch, flat_paint, tube
from pipelines.synthesis.people.scalp import Scalp
from pipelines.synthesis.scenes.scene import Floats

_SHOE_AXIS = (0.222, -0.03)
_SOLE = -0.8235
_SHOE_ROWS, _SHOE_COLUMNS = 12, 28
_SKIRT_ROWS, _SKIRT_COLUMNS = 14, 40
_ANKLE = -0.745


@dataclass(frozen=True)
class Wardrobe:
    """What patches are built on, once per body: hulls of the left foot, the left shin and the hips, and the scalp."""

    foot: Hull
    shin: Hull
    hips: Hull
    scalp: Scalp

    @classmethod
    def of(cls, template: Floats, skin: NDArray[np.int64], fields: VertexFields) -> "Wardrobe":
        points = template[skin]
        x, _, z = points.T
        left = (x > 0.03) & (z < -0.55)
        hips = (z > HIP - 0.12) & (z < WAIST + 0.02) & (fields.is_arm[skin] < 0.5) & (np.abs(x) < 0.25)
        scalp = Scalp.of(points, fields.is_head[skin], fields.is_arm[skin])
        shin = left & (z > -0.76) & (z < -0.56)
        return cls(Hull.of(points[left & (z < -0.7)]), Hull.of(points[shin]), Hull.of(points[hips]), scalp)


def _darker(colour: Colour, share: float) -> Colour:
    red, green, blue = (share * channel for channel in colour)
    return red, green, blue


def _ring(columns: int) -> tuple[NDArray[np.floating], Floats]:
    """Azimuths, 0 the front and then to the left, and their directions (columns, 3)."""
    angle = np.arange(columns) * 2 * np.pi / columns
    return angle, np.asarray(np.stack([np.sin(angle), -np.cos(angle), 0 * angle], 1), np.float32)


def shoes(look: Look, wardrobe: Wardrobe, texels: int) -> list[Patch]:
    """Both shoes: slices of the foot's hull, from the middle of the sole to the collar."""
    top = SHOE_TOP[look.shoe]
    low = min(top - 0.006, -0.73)
    heights = np.concatenate([[_SOLE, _SOLE, _SOLE + 0.004], np.linspace(_SOLE + 0.014, low, _SHOE_ROWS - 6)])
    heights = np.concatenate([heights, [0.5 * (low + top), top, top]])
    _, out = _ring(_SHOE_COLUMNS)
    axis = np.zeros((len(heights), 1, 3), np.float32)
    # The axis moves from the foot's middle to the ankle's.
    rise = step(np.clip((heights - _SOLE) / 0.085, 0, 1) - 0.5, 0.5)
    axis[:, 0, 0], axis[:, 0, 1] = _SHOE_AXIS[0], -0.075 + 0.06 * rise
    axis[:, 0, 2] = np.clip(heights, -0.812, -0.60)
    origins = np.broadcast_to(axis, (len(heights), _SHOE_COLUMNS, 3))
    around = np.broadcast_to(out, origins.shape)
    reach = np.where(
        heights[:, None] < -0.725, wardrobe.foot.reach(origins, around), wardrobe.shin.reach(origins, around)
    )
    thick = np.where(heights < -0.80, 0.008, 0.005)
    thick[0], thick[-1] = -np.inf, -0.004
    radius = np.maximum(reach + thick[:, None], 0.0)
    points = axis + radius[..., None] * out
    points[..., 2] = heights[:, None]
    points = points.astype(np.float32)
    shaft = step(points[..., 2] - _ANKLE - 0.015, 0.02)
    paint = _paint_shoe(look, texels)
    made = []
    for side, mirror, label in (("L", 1, "left_foot"), ("R", -1, "right_foot")):
        weights = {f"foot.{side}": 1 - shaft, f"shin.{side}": shaft}
        made.append(Patch(points * np.array([mirror, 1, 1], np.float32), True, weights, paint, label))
    return made


def _paint_shoe(look: Look, texels: int) -> Floats:
    """First row: the middle of the sole; last: the collar. Columns: the toes first."""
    v = np.linspace(0, 1, texels)[:, None] * np.ones((1, texels))
    u = np.minimum(*(np.abs(np.linspace(0, 1, texels)[None] - end) for end in (0, 1))) + 0 * v
    colour = np.broadcast_to(np.asarray(look.shoes, np.float32), (texels, texels, 3)).copy()

    def lay(paint: Colour | Floats, amount: NDArray[np.floating]) -> None:
        colour[:] = colour + (np.asarray(paint, np.float32) - colour) * np.asarray(amount, np.float32)[..., None]

    if look.shoe == "trainers":
        laces = step(0.075 - u, 0.01) * step(v - 0.45, 0.02) * step(0.86 - v, 0.02)
        lay(look.soles, laces * step(np.sin(2 * np.pi * v * 11), 0.4))
        lay(look.socks, step(0.018 - np.abs(u - 0.25 - 0.15 * (v - 0.5)), 0.008) * step(v - 0.4, 0.02))
        lay(_darker(look.shoes, 0.8), step(0.3 - v, 0.02) * step(0.12 - u, 0.02))
    if look.shoe == "boots":
        lay(_darker(look.shoes, 0.75), bump(v - 0.86, 0.02) + bump(v - 0.34, 0.02) * 0.8)
    sole = 0.27 if look.shoe == "trainers" else 0.2
    lay(look.soles if look.shoe != "flats" else (0.1, 0.09, 0.08), step(sole - v, 0.015))
    lay((0.05, 0.05, 0.05), 0.6 * step(v - 0.96, 0.02))
    return colour


def skirt(look: Look, wardrobe: Wardrobe, texels: int) -> Patch:
    """From the waist over the hips' widest place down to the hem, in folds that deepen."""
    end = leg_end(look.bottom)
    z = np.linspace(WAIST + 0.012, end, _SKIRT_ROWS)
    angle, out = _ring(_SKIRT_COLUMNS)
    origins = np.zeros((_SKIRT_ROWS, _SKIRT_COLUMNS, 3), np.float32)
    origins[..., 1] = -0.03
    origins[..., 2] = np.maximum(z, HIP - 0.05)[:, None]
    reach = wardrobe.hips.reach(origins, np.broadcast_to(out, origins.shape))
    down = np.clip((HIP - z) / 0.5, 0, None)[:, None]
    flare = 0.35 * look.bottom.looseness / 0.014
    folds = np.sin(8 * angle + look.noise[0]) + 0.6 * np.sin(13 * angle + look.noise[1])
    radius = reach + 0.010 + 0.13 * flare * down + 0.011 * flare * np.minimum(2 * down, 1) * folds[None]
    radius = np.concatenate([radius, radius[-1:] - 0.012])
    z = np.append(z, z[-1] + 0.004)
    points = np.concatenate([radius[..., None] * out[None, :, :2], np.zeros((len(z), _SKIRT_COLUMNS, 1))], -1)
    points[..., 1] -= 0.03
    points[..., 2] = z[:, None]
    points = points.astype(np.float32)
    leg = np.asarray(0.85 * step(HIP - 0.11 - points[..., 2], 0.14), np.float32)
    left = step(points[..., 0], 0.12)
    weights = {"pelvis": 1 - leg, "thigh.L": leg * left, "thigh.R": leg * (1 - left)}
    return Patch(points, True, weights, _paint_skirt(look, points, texels), "legs")


def _paint_skirt(look: Look, points: Floats, texels: int) -> Floats:
    import cv2

    garment = look.bottom
    closed = np.concatenate([points, points[:, :1]], 1)
    at = cv2.resize(closed, (texels, texels), interpolation=cv2.INTER_LINEAR).reshape(-1, 3)
    v = np.repeat(np.linspace(0, 1, texels), texels).astype(np.float32)
    noise = np.asarray(np.sin(60 * at[:, 0] + 40 * at[:, 2]) + np.sin(47 * at[:, 2] - 70 * at[:, 1]), np.float32)
    cloth = two_colours(garment, pattern(garment, at, at[:, 2], noise))
    shade = 1 - 0.25 * bump(v - 0.90, 0.008) - 0.25 * step(0.035 - v, 0.01) * (not look.dress) + 0.02 * noise
    return np.asarray((cloth * shade[:, None]).reshape(texels, texels, 3), np.float32)


def collar(colour: Colour, open_by: float) -> Patch:
    """A folded shirt collar around the neck, open at the front by an angle (radians) to each side."""
    angle = np.linspace(open_by, 2 * np.pi - open_by, 32)
    back = 0.5 - 0.5 * np.cos(angle)
    front = np.minimum(angle, 2 * np.pi - angle) - open_by
    profile = ((0.0, -0.012), (0.001, 0.016), (0.004, 0.020), (0.009, 0.016), (0.018, -0.008), (0.015, -0.009))
    rows = []
    for off, up in profile:
        tips = 1 + 1.6 * np.exp(-np.square(front / 0.35)) * (up < 0)
        across = 0.059 + 1.5 * off + 0.008 * np.sin(angle) ** 2
        ahead = -0.024 - across * np.cos(angle) - 0.006 * (1 - back)
        rows.append(np.stack([across * np.sin(angle), ahead, 0.564 + 0.042 * back**0.7 + up * tips], 1))
    return Patch.stiff("chest", np.stack(rows), False, flat_paint(colour), "neck")


def hood(colour: Colour) -> Patch:
    """A hood that lies on the back."""
    angle = np.linspace(np.radians(62), np.radians(298), 24)
    back = np.clip(-np.cos(angle), 0, 1)
    path = np.stack(
        [0.086 * np.sin(angle), -0.02 - 0.074 * np.cos(angle), 0.566 + 0.012 * back - 0.055 * (1 - back) ** 2], 1
    )
    return Patch.stiff("chest", tube(path, 0.010 + 0.024 * back, 10), True, flat_paint(colour), "torso")


def headwear(look: Look, scalp: Scalp, texels: int) -> list[Patch]:
    """Cap or beanie."""
    colour = look.headwear_colour
    if look.headwear not in {"cap", "beanie"}:
        return []
    azimuth, _ = _ring(40)
    skull = scalp.on_grid(azimuth)
    lowest = np.interp(skull[..., 1], (-0.16, 0.06), (0.792, 0.742) if look.headwear == "cap" else (0.788, 0.712))
    last = scalp.end_of(azimuth, np.asarray(skull[..., 2] - lowest, np.float32))
    share = np.append(np.linspace(0, 1, 12), 1.0)[:, None]
    polar = 0.01 + (last[None] - 0.01) * share
    loose = 0.026 * np.exp(-np.square(polar / 0.9)) if look.headwear == "beanie" else 0.004 * np.exp(-polar)
    off = 0.011 + loose + 0 * polar
    if look.headwear == "beanie":
        off = off + 0.005 * (share > 0.7)
    off[-1] = -0.003
    v = np.linspace(0, 1, texels)[:, None]
    u = np.linspace(0, 2 * np.pi, texels)[None]
    if look.headwear == "beanie":
        shade = 0.9 + 0.1 * np.sin(60 * u) * (0.6 + 0.4 * (v > 0.7)) - 0.15 * bump(v - 0.7, 0.02)
    else:
        shade = 1 - 0.25 * bump(np.sin(3 * u) / 3, 0.02) - 0.15 * bump(v - 0.86, 0.015)
    paint = np.asarray(np.array(colour, np.float32) * shade[..., None], np.float32)
    made = [Patch.stiff("head", scalp.points(azimuth, polar, off), True, paint, "head")]
    if look.headwear == "cap":
        made.append(_brim(colour, scalp, last, azimuth))
    return made


def _brim(colour: Colour, scalp: Scalp, last: Floats, azimuth: NDArray[np.floating]) -> Patch:
    angle = np.linspace(-1.0, 1.0, 13)
    edge = np.interp(angle % (2 * np.pi), np.append(azimuth, 2 * np.pi), np.append(last, last[0]))
    inner = scalp.points(angle, edge[None], np.full((1, 13), 0.010))[0]
    length = 0.068 * np.sqrt(np.clip(1 - (angle / 1.08) ** 2, 0, 1))
    share = np.array([0, 0.35, 0.7, 1.0, 1.0, 0.5, 0.0])[:, None]
    below = np.array([0, 0, 0, 0, 1, 1, 1])[:, None] * 0.004
    points = np.repeat(inner[None], 7, 0)
    points[..., 1] -= length * share
    points[..., 2] -= 0.020 * share + 0.012 * np.square(angle) * share + below
    return Patch.stiff("head", points, False, flat_paint(_darker(colour, 0.9)), "head")


def glasses(look: Look) -> list[tuple[str, Patch]]:
    """Rims, bridge and temples as thin tubes (`frame`); the dark glass of sunglasses (`lens`)."""
    if look.glasses == "none":
        return []
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 1.0 if look.glasses == "round" else 0.55
    wide, high = (0.0235, 0.0225) if look.glasses == "round" else (0.0265, 0.0195)

    def rounded(t: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(np.sign(t) * np.abs(t) ** power)

    frame = flat_paint(look.frame)
    made = []

    def add(path: NDArray[np.floating], radius: float, loop: bool = False) -> None:
        made.append(("frame", Patch.stiff("head", tube(path, radius, 5, loop), True, frame, "head")))

    for mirror in (1, -1):
        x = 0.0325 + wide * rounded(np.cos(angle))
        z = 0.7265 + high * rounded(np.sin(angle))
        # Glasses curve around the face a little.
        y = -0.1600 + 4.0 * np.square(x)
        rim = np.stack([mirror * x, y, z], 1)
        add(rim, 0.0017, loop=True)
        if look.glasses == "sun":
            middle = np.broadcast_to([mirror * 0.0325, -0.1575, 0.7265], rim.shape)
            lens = np.stack([middle, 0.5 * (rim + middle) - (0, 0.0005, 0), rim])
            made.append(("lens", Patch.stiff("head", lens, True, flat_paint((0.06, 0.06, 0.07)), "head")))
        hinge = np.array([mirror * (0.0325 + wide), -0.1600 + 4.0 * (0.0325 + wide) ** 2, 0.734])
        ear = np.array([mirror * 0.0835, -0.045, 0.740])
        out = np.array([mirror * 0.0785, -0.115, 0.737])
        behind = np.array([mirror * 0.0825, -0.025, 0.725])
        add(np.stack([hinge, out, ear, behind]), 0.0016)
    half = 0.0325 - wide
    add(np.array([(-half, -0.1597, 0.731), (0, -0.1615, 0.735), (half, -0.1597, 0.731)]), 0.0016)
    return made

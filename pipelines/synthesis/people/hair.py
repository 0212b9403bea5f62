"""Hair as volumes: a sheet from the crown to the hairline, which falls on where the hair is long; tails and buns."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.people.identity import Look
from pipelines.synthesis.people.paint import bump, step
from pipelines.synthesis.people.patches import Patch, tube
from pipelines.synthesis.people.scalp import Scalp, hairline_field
from pipelines.synthesis.scenes.scene import Floats

_ON_SKULL, _FALLING = 14, 11  # rows
_COLUMNS = 56
_FALL = np.radians(97)  # polar angle at which long hair leaves the skull
_OPEN = np.radians(62)  # azimuth up to which the face is free
_THICK = {"short": 0.7, "crop": 0.45, "quiff": 0.9, "curly": 1.5, "afro": 3.2, "ponytail": 0.5, "bun": 0.5}
_UNDER_HAT = 0.004
_OFF_TRUNK = 0.03  # metres: hair lies on cloth
_ROOTS = 0.006  # metres of painted hair between the sheet's edge and the hairline: it fades
_FULL = {"bob": 0.016, "long": 0.020, "scarf": -0.004}  # metres by which falling hair stands off the cheeks


def paint_hair(look: Look, height: int, width: int, curls: float) -> Floats:
    """Strands that run down, or curls; (height, width, 3)."""
    u = np.linspace(0, 2 * np.pi, width, endpoint=False)[None]
    v = np.linspace(0, 1, height)[:, None]
    phase = np.array(look.noise) * 2
    drift = 0.25 * np.sin(3 * u + phase[0]) * v + 0.1 * np.sin(7 * u + 5 * v + phase[1])
    strands = sum(
        a * np.sin(round(k) * (u + drift) + p)
        for a, k, p in zip((0.5, 0.45, 0.4, 0.3), (13, 29, 47, 71), phase, strict=False)
    )
    knots = np.sin(31 * u + 40 * v + 2 * np.sin(9 * u)) * np.sin(37 * v + 3 * np.sin(11 * u + phase[2]))
    shade = (
        1 + 0.16 * (1 - curls) * strands * (0.5 + 0.5 * np.sin(5 * v + 4 * u + phase[3]) ** 2) + 0.25 * curls * knots
    )
    # Light lies on the top as a band; roots and tips are darker.
    shade = shade * (0.92 + 0.2 * bump(v - 0.35, 0.22)) * (1 - 0.3 * step(v - 0.93, 0.05))
    parted = bump((np.sin(u) * 0.08 - look.parting) / 0.004, 1.0) * (v < 0.4) * (np.cos(u) > 0.5)
    colour = np.array(look.hair_colour, np.float32) * shade[..., None]
    # Single hairs catch light, which dark hair shows most.
    colour = colour + 0.035 * (1 - curls) * np.maximum(strands, 0)[..., None] * (0.3 + bump(v - 0.4, 0.3)[..., None])
    skin = np.array(look.skin, np.float32) * 0.75
    return np.asarray(colour + (skin - colour) * 0.5 * (1 - curls) * parted[..., None], np.float32)


def hair_patches(look: Look, scalp: Scalp, texels: int) -> list[Patch]:
    """The hair's patches, none for bald and shaved heads, whose hair is painted. texels: side of their texture."""
    if look.headwear == "headscarf":
        return _headscarf(look, scalp, texels)
    if look.hair in {"bald", "shaved"}:
        return []
    curls = 1.0 if look.hair in {"curly", "afro"} else 0.0
    sheet = paint_hair(look, texels, texels, curls)
    made = [_sheet(look, scalp, sheet)]
    if look.hair == "ponytail":
        swing = 0.012 * look.waves
        path = np.array(
            [(0, 0.055, 0.79), (0, 0.085, 0.80), (0, 0.108, 0.775), (swing, 0.112, 0.73), (swing, 0.105, 0.68),
             (0, 0.098, 0.63), (-swing, 0.094, look.hair_length - 0.03), (-swing, 0.09, look.hair_length - 0.06)]
        )  # fmt: skip
        radius = np.array([0.012, 0.016, 0.024, 0.028, 0.028, 0.025, 0.018, 0.003]) * (0.8 + 12 * look.hair_volume)
        made.append(Patch.stiff("head", tube(path, radius, 12), True, sheet, "head"))
    if look.hair == "bun":
        high = 0.80 + 2 * look.parting
        angle = np.linspace(0, np.pi, 10)
        size = 0.03 + 0.5 * look.hair_volume
        ahead = np.array([0, 0.8, 0.6])
        path = np.array([0, 0.055, high]) + (1 - np.cos(angle))[:, None] * size * 0.85 * ahead
        made.append(Patch.stiff("head", tube(path, size * np.sin(angle) + 1e-4, 14), True, sheet, "head"))
    return made


def _sheet(look: Look, scalp: Scalp, paint: Floats) -> Patch:
    falls = look.hair in _FULL
    # Two columns close together where the hair parts around the face keep its edge upright.
    side = np.array([_OPEN - 0.01, _OPEN + 0.01])
    even = np.linspace(_OPEN + 0.12, 2 * np.pi - _OPEN - 0.12, _COLUMNS - 16)
    front = np.linspace(-_OPEN + 0.11, _OPEN - 0.11, 12)
    azimuth = np.sort(np.concatenate([front, side, even, 2 * np.pi - side]) % (2 * np.pi))
    turned = np.where(azimuth > np.pi, 2 * np.pi - azimuth, azimuth)
    hanging = (turned > _OPEN) & falls

    skull = scalp.on_grid(azimuth)
    wobble = 0.002 * np.sin(9 * azimuth + look.noise[0]) + 0.0012 * np.sin(41 * azimuth + 3 * look.noise[1])
    line = scalp.end_of(azimuth, np.asarray(hairline_field(skull, look.hairline) + wobble - _ROOTS, np.float32))
    if look.fringe:
        brow = scalp.end_of(azimuth, np.asarray(skull[..., 2] - 0.768 + wobble, np.float32))
        line = np.where(turned < _OPEN, np.maximum(line, brow), line)
    last = np.where(hanging, np.minimum(line, _FALL), line)

    rows = _ON_SKULL + _FALLING
    on_skull = np.where(hanging, _ON_SKULL, rows)
    share = np.clip(np.arange(rows)[:, None] / (on_skull[None] - 1), 0, 1)
    polar = 0.02 + (last[None] - 0.02) * share
    off = _volume(look, azimuth[None], polar, share, hanging[None])
    points = scalp.points(azimuth, polar, off)
    if falls:
        _let_fall(look, scalp, points, azimuth, hanging)
    low = step(0.64 - points[..., 2], 0.045) * 0.9
    return Patch(points, True, {"head": np.asarray(1 - low, np.float32), "chest": low}, paint, "head")


def _volume(
    look: Look, azimuth: NDArray[np.floating], polar: Floats, share: Floats, hanging: NDArray[np.bool_]
) -> Floats:
    """Metres off the skull, (R, C): full on top, thin at the hairline, where the sheet goes below the skin."""
    volume = look.hair_volume * _THICK.get(look.hair, 1.0)
    if look.headwear in {"cap", "beanie"}:
        volume = min(volume, _UNDER_HAT)
    parts = np.sin(17 * azimuth + 2 * look.noise[2]) + 0.7 * np.sin(37 * azimuth + 3 * polar + look.noise[3])
    bumps = 0.07 * parts * np.sin(np.minimum(polar, 1.2))
    if look.hair in {"curly", "afro"}:
        bumps = 0.16 * np.sin(13 * azimuth + 5 * polar + look.noise[2]) * np.sin(11 * polar + look.noise[3])
    if look.hair == "quiff" and look.headwear == "none":
        bumps = bumps + 1.1 * np.exp(-np.square(azimuth - 2 * np.pi * (azimuth > np.pi)) / 0.6) * step(polar - 0.5, 0.4)
    if look.hair in {"short", "crop", "quiff"}:
        # Sides are shorter than the top.
        bumps = bumps - 0.55 * step(polar - 1.15, 0.4)
    full = volume * np.maximum(1 + bumps, 0.25)
    edge = np.where(hanging, 1.0, 1 - share**3)
    return np.asarray(full * edge - 0.005 * (share > 0.99) * ~hanging, np.float32)


def _let_fall(
    look: Look, scalp: Scalp, points: Floats, azimuth: NDArray[np.floating], hanging: NDArray[np.bool_]
) -> None:
    """Continue hanging columns down from the skull's widest place, on the shoulders and the trunk; in place."""
    top = points[_ON_SKULL - 1, hanging]
    way = azimuth[hanging]
    uneven = 0.008 * np.sin(11 * way + look.noise[1]) + 0.002 * np.sin(17 * way + look.noise[2])
    length = look.hair_length + uneven * (look.hair != "scarf")
    down = np.linspace(0, 1, _FALLING + 1)[1:, None]
    z = top[None, :, 2] + (length[None] - top[None, :, 2]) * down
    out = np.stack([np.sin(way), -np.cos(way)], 1)
    aside = np.exp(-np.square((np.minimum(way, 2 * np.pi - way) - 1.6) / 0.8))
    flare = 0.006 * np.sin(np.pi * np.minimum(down, 1)) + 0.010 * look.waves * np.sin(
        9 * down + 3 * np.sin(2 * way)[None]
    )
    full = _FULL[look.hair] * aside * step(down - 0.4, 0.4)
    xy = top[None, :, :2] + (flare + full)[..., None] * out[None]
    fallen = np.concatenate([xy, z[..., None]], -1).astype(np.float32)
    ahead = np.zeros(fallen.shape, np.float32)
    # On some all of it lies behind the shoulders, on others what is beside the face lies before them.
    before = np.radians(105 if look.parting > 0 else 0)
    ahead[..., 1] = np.where(np.minimum(way, 2 * np.pi - way) < before, -1.0, 1.0)
    inside = scalp.chest.reach(fallen, ahead)
    lying = np.maximum(inside + _OFF_TRUNK, 0) * step(0.615 - fallen[..., 2], 0.035)
    fallen += lying[..., None] * ahead
    # The lower edge is rounded inwards: it has thickness.
    fallen[-1, :, :2] -= 0.012 * out
    points[_ON_SKULL:, hanging] = fallen


def _headscarf(look: Look, scalp: Scalp, texels: int) -> list[Patch]:
    """A scarf lies like smooth hair around the face, and goes on as a cone from the chin to the chest."""
    cloth = replace(look, hair="scarf", headwear="none", hair_length=0.59, hair_volume=0.013, hairline=-0.006)
    cloth = replace(cloth, fringe=False, waves=0.0)
    v, u = np.linspace(0, 1, texels)[:, None], np.linspace(0, 2 * np.pi, texels)[None]
    shade = 1 + 0.05 * np.sin(6 * u + 9 * v + look.noise[0]) * v - 0.1 * bump(v - 1, 0.05)
    paint = np.asarray(np.array(look.headwear_colour, np.float32) * shade[..., None], np.float32)
    angle = np.arange(40) * 2 * np.pi / 40
    fall = np.linspace(0, 1, 10)[:, None]
    folds = 0.005 * np.sin(7 * angle + 5 * fall + look.noise[1]) * np.minimum(2 * fall, 1)
    across, deep = 0.076 + 0.095 * fall**1.4 + folds, 0.076 + 0.058 * fall**1.2 + folds
    across[-1], deep[-1] = across[-2] - 0.012, deep[-2] - 0.012
    front = 0.5 + 0.5 * np.cos(angle)
    cone = np.stack(
        [across * np.sin(angle), -0.028 - deep * np.cos(angle), 0.640 - 0.02 * front - (0.115 + 0.03 * front) * fall],
        -1,
    )
    low = np.asarray(step(fall - 0.35, 0.35) + 0 * angle, np.float32)
    weights = {"head": np.asarray(1 - low, np.float32), "chest": low}
    return [_sheet(cloth, scalp, paint), Patch(cone.astype(np.float32), True, weights, paint, "head")]

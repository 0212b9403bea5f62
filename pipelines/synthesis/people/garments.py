"""Clothes as signed fields in metres on the template, positive inside, and how they are painted and stand off.

Numbers are template coordinates (metres; x to the person's left, -y forward, z up), read off the mean body.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.people.atlas import Texels, VertexFields
from pipelines.synthesis.people.identity import Garment, Look
from pipelines.synthesis.people.paint import Canvas, bump, step
from pipelines.synthesis.scenes.scene import Floats

HIP, ANKLE, WAIST, CHEST = 0.05, -0.745, 0.15, 0.36
SHOE_TOP = {"trainers": -0.735, "boots": -0.62, "flats": -0.768}
ARM_LENGTH = 0.45
_TUCKED = 0.125  # lower edge of a top inside a skirt
_NECK = (0.605, 0.066)  # height of the neck's foot and its radius
_OPEN_ABOVE = 0.30  # an open jacket's fronts part from here up


def top_field(look: Look, at: Texels | VertexFields) -> Floats:
    """The top's cloth; the opening of a jacket is outside."""
    x, y, z = at.position.T
    top, front = look.top, step(-0.02 - y, 0.02)
    # The neck's foot is higher at the back.
    foot = _NECK[0] + 0.026 * step(y, 0.025)
    # Under a collar and a hood the neckline is close.
    depth = 0.0 if look.collar or top.kind == "hoodie" else 0.008 + look.neckline
    radius = _NECK[1] - 0.008 * look.collar
    if look.v_neck and not look.collar:
        collar = np.hypot(x, 1.3 * (z - foot)) - _NECK[1] - 0.005
        collar = np.minimum(collar, np.where(front > 0.5, 0.7 * np.abs(x) + 0.7 * (0.56 - depth - z), 1.0))
    else:
        collar = np.hypot(x, 1.3 * (z - foot)) - (radius + depth * front)
    hem = _TUCKED if look.bottom.kind == "skirt" else top.hem
    field = np.minimum(np.minimum(z - hem, collar), 0.600 - z)
    field = np.where(at.is_arm > 0.5, np.minimum((top.length - at.arm) * ARM_LENGTH, field), field)
    if top.kind == "tank_top":
        strap = 0.125 - np.abs(x) + 1.1 * np.maximum(0.0, 0.47 - z)
        field = np.where(at.is_arm > 0.5, np.minimum(strap, 0.1 - at.arm * ARM_LENGTH), np.minimum(field, strap))
    if top.kind == "jacket":
        field = np.where(front > 0, np.minimum(field, np.abs(x) - opening(z)), field)
    return np.asarray(np.where(at.is_head > 0.5, -1.0, field), np.float32)


def opening(z: NDArray[np.floating]) -> Floats:
    """Half the width of an open jacket's gap at a height, metres."""
    return np.asarray(0.016 + 0.10 * np.maximum(z - _OPEN_ABOVE, 0), np.float32)


def leg_end(garment: Garment) -> float:
    return HIP + garment.length * (ANKLE - HIP)


def bottom_field(look: Look, at: Texels | VertexFields) -> Floats:
    """Trousers of all kinds; nothing under a skirt."""
    z = at.position[:, 2]
    end = HIP - 0.12 if look.bottom.kind == "skirt" else leg_end(look.bottom)
    return np.asarray(np.where(at.is_arm > 0.5, -1.0, np.minimum(WAIST - z, z - end)), np.float32)


def top_offset(look: Look, at: VertexFields) -> Floats:
    """Metres off the skin, (V,): close at the shoulders, wider below and towards the cuffs, in folds."""
    z, folds = at.position[:, 2], at.noise
    hang = np.where(at.is_arm > 0.5, 0.65 + 0.35 * at.arm, 1.0 - 0.35 * step(z - 0.45, 0.1))
    gathered = 1 - 0.4 * bump(z - look.top.hem, 0.03) * (look.top.kind in {"hoodie", "sweater"})
    bent = 0.5 + bump(at.arm - 0.52, 0.2) * (at.is_arm > 0.5) + 0.8 * bump(z - 0.16, 0.08)
    crease = 0.22 * folds[:, 0] * np.minimum(bent, 1.2)
    return np.asarray(0.005 + look.top.looseness * hang * gathered * (1 + crease), np.float32)


def bottom_offset(look: Look, at: VertexFields) -> Floats:
    """Metres off the skin, (V,): wide trousers widen to the hem, and all lie close at the crotch."""
    x, _, z = at.position.T
    down = np.clip((HIP - z) / (HIP - ANKLE), 0, 1)
    flare = 0.5 + 0.7 * down if look.bottom.kind in {"wide_trousers", "shorts"} else 0.9 + 0.1 * down
    between = 1 - 0.6 * bump(x, 0.05) * step(0.05 - z, 0.05) * step(z + 0.25, 0.1)
    bent = 0.35 + 0.8 * bump(z + 0.37, 0.09) + 0.8 * bump(z + 0.72, 0.06)
    # The waistband lies close, below the top's hem; so do the ends that are in boots.
    tucked = look.shoe == "boots" and look.bottom.length < 0.9 and look.bottom.kind != "shorts"
    close = step(0.01 - z, 0.05) * (1 - 0.9 * tucked * step(leg_end(look.bottom) + 0.05 - z, 0.04))
    loose = look.bottom.looseness * flare * between * close * (1 + 0.2 * at.noise[:, 1] * np.minimum(bent, 1))
    return np.asarray(0.002 + loose, np.float32)


def down(at: Texels) -> Floats:
    """Metres along the arm on sleeves, else the height, (N,)."""
    return np.asarray(np.where(at.is_arm > 0.5, at.arm * ARM_LENGTH, at.position[:, 2]), np.float32)


def pattern(garment: Garment, position: Floats, down: Floats, noise: Floats) -> Floats:
    """How much of the garment's second colour is at points (N, 3), (N,). down: see there; noise (N,): unit variance."""
    x, y, z = position.T
    along = down / garment.scale
    across = (x + 0.4 * y) / garment.scale

    def waves(t: NDArray[np.floating]) -> Floats:
        return step(np.sin(2 * np.pi * t), 0.2)

    patterns: dict[str, Callable[[], NDArray[np.floating]]] = {
        "plain": lambda: np.zeros(len(x), np.float32),
        "stripes": lambda: waves(along),
        "bars": lambda: waves(across),
        "checks": lambda: (waves(along) + waves(across)) / 2,
        "dots": lambda: step(0.28 - np.hypot((across + np.floor(along) % 2 / 2) % 1 - 0.5, along % 1 - 0.5), 0.06),
        "blocks": lambda: step(z - CHEST, 0.003),
        "mottled": lambda: 0.6 * step(noise, 1.5),
        "logo": lambda: _logo(garment, x, y, z),
    }
    return np.asarray(patterns[garment.pattern](), np.float32)


def _logo(garment: Garment, x: Floats, y: Floats, z: Floats) -> Floats:
    """A shape on the chest: a disc with a bar through it, a star of 5 to 7 points, or lines like writing."""
    radius = 0.03 + 0.5 * garment.scale
    u, v = x / radius, (z - CHEST - 0.01) / radius
    far, angle = np.hypot(u, v), np.arctan2(u, v)
    kind = int(garment.scale * 1000) % 3
    if kind == 0:
        inside = np.minimum(1 - far, np.abs(v) - 0.18)
    elif kind == 1:
        points = 5 + int(garment.scale * 1e4) % 3
        inside = 0.75 + 0.25 * np.cos(points * angle) - far
    else:
        letters = np.sin(9 * u + 3 * np.floor(v * 2.5)) + 0.6 * np.sin(23 * u)
        inside = np.minimum.reduce([1.1 - np.abs(u), 0.6 - np.abs(v), 0.14 - np.abs(v * 2.5 % 1 - 0.5), 0.4 + letters])
    return np.asarray(step(inside * radius, 0.0015) * (y < -0.05), np.float32)


def two_colours(garment: Garment, share: Floats) -> Floats:
    first, second = np.array(garment.colour, np.float32), np.array(garment.second, np.float32)
    return np.asarray(first + (second - first) * share[:, None], np.float32)


def _folds(at: Texels, where: Floats) -> Floats:
    """Light and dark of folds, (N, 1): stronger where (N,) says that cloth is bent."""
    return np.asarray(1 + 0.045 * (at.noise[:, 0] * where)[:, None] + 0.015 * at.noise[:, 4:5], np.float32)


def paint_bottom(look: Look, at: Texels, noise: Floats, canvas: Canvas, amount: Floats) -> None:
    """Trousers, with the amount (N,) of cover."""
    x, y, z = at.position.T
    garment = look.bottom
    bent = 0.4 + bump(z + 0.36, 0.07) + bump(z + 0.70, 0.06) + bump(z - 0.02, 0.05)
    cloth = two_colours(garment, pattern(garment, at.position, down(at), noise)) * _folds(at, bent)
    canvas.lay(cloth, amount)
    if garment.kind == "leggings":
        return
    edge = z - leg_end(garment)
    canvas.lay(cloth * 0.8, amount * bump(edge - 0.022, 0.0018))
    if garment.kind in {"jeans", "trousers", "wide_trousers"}:
        seam = bump(np.hypot(y + 0.03, 0.3 * (np.abs(x) - 0.2)) - 0.02, 0.002) * (z < 0.02)
        canvas.lay(cloth * 0.8, 0.5 * amount * seam)
        canvas.lay((0.12, 0.08, 0.06), amount * step(0.016 - np.abs(z - 0.13), 0.002))


def paint_top(look: Look, at: Texels, noise: Floats, canvas: Canvas, amount: Floats) -> None:
    """The top with its hems, buttons or zip, with the amount (N,) of cover."""
    x, y, z = at.position.T
    top, field = look.top, top_field(look, at)
    bent = 0.4 + (at.is_arm > 0.5) * bump(at.arm - 0.52, 0.16) + bump(z - 0.14, 0.06) + bump(np.abs(x) - 0.15, 0.04)
    cloth = two_colours(top, pattern(top, at.position, down(at), noise)) * _folds(at, bent)
    canvas.lay(cloth, amount)
    front = (y < -0.02) * amount
    if top.kind in {"sweater", "hoodie"}:
        ribs = 0.80 + 0.08 * np.sin(2 * np.pi * (x + y) / 0.008)
        canvas.lay(np.array(top.colour, np.float32) * ribs[:, None], amount * step(0.03 - field, 0.002))
    else:
        canvas.lay(cloth * 0.78, amount * bump(field - 0.014, 0.0014))
    if top.kind == "hoodie":
        pocket = np.maximum(np.abs(x) - 0.10 + 0.35 * np.maximum(z - 0.14, 0), np.abs(z - 0.135) - 0.06)
        canvas.lay(cloth * 0.7, front * bump(pocket, 0.0022))
        canvas.lay((0.9, 0.9, 0.88), front * step(0.003 - np.abs(np.abs(x) - 0.03), 0.001) * (np.abs(z - 0.5) < 0.045))
    if top.kind == "shirt":
        canvas.lay(cloth * 0.75, front * step(0.0015 - np.abs(np.abs(x) - 0.014), 0.001))
        canvas.lay(top.second, front * step(0.006 - np.hypot(x, z % 0.07 - 0.035), 0.001))
    if top.kind == "jacket":
        canvas.lay(cloth * 0.6, front * bump(np.abs(x) - opening(z) - 0.008, 0.002))


def paint_inner(look: Look, at: Texels, canvas: Canvas) -> None:
    """The shirt that an open jacket shows, on the skin's layer."""
    x, y, z = at.position.T
    collar = np.hypot(x, 1.3 * (z - _NECK[0])) - _NECK[1] - 0.012
    inside = np.minimum.reduce([collar, 0.592 - z, z, opening(z) + 0.03 - np.abs(x)])
    canvas.lay(np.array(look.top.second) * 0.96, step(inside, 0.003) * (y < 0.0) * (at.is_head < 0.5))

"""Skin, face, eyes and hair, painted on the template's surface.

Numbers are template coordinates (metres; x to the person's left, -y forward, z up), read off the mean body.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.synthesis.body.model import PARTS
from pipelines.synthesis.people.atlas import Texels, VertexFields
from pipelines.synthesis.people.identity import Look
from pipelines.synthesis.people.scalp import hairline_field
from pipelines.synthesis.scenes.scene import Floats

_EYE = (0.03078, 0.7284)
_IRIS_RADIUS, _PUPIL_RADIUS = 0.0062, 0.0027
_EARS = 0.0705  # metres to each side, where they begin
_MOUTH_HALF, _MOUTH_Z = 0.0258, 0.6616


def step(field: NDArray[np.floating], width: float) -> Floats:
    """0 to 1 as the field goes from -width to width."""
    t = np.clip(field / (2 * width) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def bump(field: NDArray[np.floating], width: float) -> Floats:
    """1 where the field is 0, falling off like a Gaussian."""
    return np.asarray(np.exp(-np.square(field / width)), np.float32)


def is_part(at: Texels, name: str) -> Floats:
    return np.asarray(at.part == PARTS.index(name), np.float32)


@dataclass(frozen=True)
class Canvas:
    """Colours (N, 3), sRGB in [0, 1], changed in place."""

    colours: Floats

    def lay(self, colour: ArrayLike, amount: NDArray[np.floating | np.bool_]) -> None:
        """Cover with a colour (3,) or colours (N, 3) by an amount (N,) in [0, 1]."""
        where = np.flatnonzero(amount > 1e-3)
        paint = np.asarray(colour, np.float32)
        old = self.colours[where]
        share = np.asarray(amount[where], np.float32)[:, None]
        self.colours[where] = old + ((paint[where] if paint.ndim == 2 else paint) - old) * share


def hair_field(look: Look, at: Texels | VertexFields) -> Floats:
    """Metres inside the scalp's hair: above a line that runs from the forehead past the ears to the nape."""
    field = hairline_field(at.position, look.hairline)
    return np.asarray(np.where((at.is_head > 0.5) & (look.hair != "bald"), field, -1.0), np.float32)


def paint_skin(look: Look, at: Texels, noise: Floats, canvas: Canvas) -> None:
    """Skin below clothes and hair, at texels (N,): tan, flush, moles, hair on the scalp. noise (N,): unit variance."""
    skin = np.array(look.skin, np.float32)
    canvas.lay(skin * (1 + 0.018 * noise[:, None] + 0.012 * at.noise[:, 4:5]), np.ones(len(noise)))
    canvas.lay(skin * (0.90, 0.84, 0.80), look.tan * (at.is_arm > 0.5) * step(at.arm - 0.35, 0.1))
    canvas.lay(skin * (0.98, 0.74, 0.70), 0.25 * step(at.arm - 1.25, 0.1) * (at.is_arm > 0.5))
    canvas.lay(skin * (0.82, 0.68, 0.58), 0.5 * step(at.noise[:, 5] - 2.3, 0.15) * (0.3 + look.freckles))
    inside = hair_field(look, at)
    if look.hair == "bald":
        return
    grown = 0.55 if look.hair == "shaved" else 0.9
    grain = 1 + 0.12 * at.noise[:, 3:4]
    canvas.lay(np.array(look.hair_colour, np.float32) * grain, grown * step(inside + 0.002 * noise, 0.008))


def paint_face(look: Look, at: Texels, canvas: Canvas) -> None:
    """The front of the face: flush, freckles, lines of age, beard, lips, lids and brows."""
    x, y, z = at.position.T
    side = np.abs(x)
    skin, hair = np.array(look.skin, np.float32), np.array(look.hair_colour, np.float32)
    front = y < -0.1
    flush = skin * (0.99, 0.76, 0.72)
    for cx, cz, radius, strength in ((0.045, 0.690, 0.020, 1.0), (0.0, 0.697, 0.012, 0.7), (0.072, 0.71, 0.02, 0.6)):
        canvas.lay(flush, look.blush * strength * bump(np.hypot(side - cx, z - cz), radius))
    freckles = step(at.noise[:, 2] - 1.1, 0.2) * bump(np.hypot(side - 0.03, z - 0.70), 0.035)
    canvas.lay(skin * (0.75, 0.6, 0.5), np.minimum(look.freckles, 0.8) * freckles)
    for mole_x, mole_z in look.moles:
        canvas.lay(skin * (0.5, 0.38, 0.33), 0.8 * bump(np.hypot(x - mole_x, z - mole_z), 0.0013))
    _paint_lines(look, at, canvas)
    if look.beard != "none":
        _paint_beard(look, at, canvas)
    _paint_lips(look, at, canvas)

    lid = 0.7270 + (side - 0.017) * 0.105
    opening = 1 - ((side - 0.03125) / 0.0148) ** 2
    canvas.lay(skin * (0.80, 0.70, 0.68), 0.3 * bump(z - lid - 0.0075 * opening, 0.0035) * (opening > -0.2) * front)
    shadow = np.array(look.lips) * (0.7, 0.6, 0.7)
    canvas.lay(shadow, 0.45 * look.make_up * bump(z - lid - 0.0085 * opening, 0.0035) * (opening > -0.3) * front)
    upper, lower = (0.0055, 0.0007 + 0.0006 * look.make_up, 0.8), (-0.0033, 0.0004, 0.2 + 0.4 * look.make_up)
    for height, width, strength in (upper, lower):
        canvas.lay(hair * 0.3, strength * bump(z - lid - height * opening, width) * (opening > -0.15) * front)
    _paint_brows(look, at, canvas)


def _paint_lines(look: Look, at: Texels, canvas: Canvas) -> None:
    """Lines of age, deeper with years: from nose to mouth, on the forehead, at the eyes' corners, below the eyes."""
    x, _, z = at.position.T
    side = np.abs(x)
    dark = np.array(look.skin, np.float32) * (0.80, 0.70, 0.66)
    t = np.clip((0.695 - z) / 0.032, 0, 1)
    fold = bump(side - 0.019 - 0.014 * t, 0.0022) * step(0.695 - z, 0.004) * step(z - 0.662, 0.006)
    bags = bump(z - 0.7165 - 12 * np.square(side - 0.032), 0.0018) * bump(side - 0.032, 0.013)
    canvas.lay(dark, (0.12 + 0.55 * look.lines) * fold)
    canvas.lay(dark, (0.10 + 0.5 * look.lines) * bags)
    if look.lines > 0:
        waves = bump((z - 0.766 + 6 * np.square(side)) % 0.0095 - 0.0047, 0.0011) * bump(z - 0.777, 0.013)
        crow = bump(np.sin(9 * np.arctan2(z - 0.7285, side - 0.040)) / 9 * 0.02, 0.0010) * bump(side - 0.056, 0.006)
        canvas.lay(dark, look.lines * 0.4 * waves * step(0.05 - side, 0.01))
        canvas.lay(dark, look.lines * 0.5 * crow * bump(z - 0.728, 0.010))


def _paint_brows(look: Look, at: Texels, canvas: Canvas) -> None:
    x, _, z = at.position.T
    side = np.abs(x)
    width, height, arch, tilt = look.brow
    t = np.clip((side - 0.012) / 0.042, 0, 1)
    crest = 0.7465 + height + arch * np.sin(np.pi * t) + tilt * (side - 0.03)
    thick = width * np.interp(t, [0, 0.2, 0.65, 1.0], [0.85, 1.0, 0.75, 0.25])
    hairs = 0.75 + 0.25 * np.sin(900 * (0.8 * side + z)) * (1 - t)
    brow = step(thick - np.abs(z - crest), 0.0016) * step(side - 0.0115, 0.003) * step(0.0545 - side, 0.002)
    canvas.lay(np.array(look.hair_colour, np.float32) * 0.8, 0.85 * brow * hairs)


def _paint_beard(look: Look, at: Texels, canvas: Canvas) -> None:
    x, y, z = at.position.T
    side = np.abs(x)
    line = np.interp(
        y,
        [-0.17, -0.14, -0.125, -0.10, -0.075, -0.055, -0.045],
        [0.684, 0.683, 0.675, 0.667, 0.69, 0.715, 0.5],
    )
    cheeks = np.minimum(line - z, z - 0.606 - 0.25 * np.maximum(y + 0.12, 0))
    lip = np.minimum(0.0062 - np.abs(z - 0.6755 + 0.35 * np.maximum(side - 0.012, 0)), 0.034 - side)
    chin = np.minimum.reduce([0.028 - side, 0.650 - z, z - 0.604])
    field = {
        "moustache": lip,
        "goatee": np.maximum(
            np.maximum(lip, chin), np.minimum(0.0045 - np.abs(side - 0.030), 0.012 - np.abs(z - 0.660))
        ),
    }.get(look.beard, cheeks)
    field = np.minimum(field, _EARS - side) + 0.0015 * at.noise[:, 3]
    grain = 1 + 0.22 * at.noise[:, 4:5] + 0.10 * np.sin(700 * (z + 0.3 * side))[:, None]
    amount, soft = (0.28, 0.012) if look.beard == "stubble" else (0.9, 0.0045)
    canvas.lay(np.array(look.hair_colour, np.float32) * 0.9 * grain, amount * step(field - soft * 0.4, soft))


def _paint_lips(look: Look, at: Texels, canvas: Canvas) -> None:
    x, y, z = at.position.T
    front = y < -0.1
    lip = 1 - (x / _MOUTH_HALF) ** 2
    upper = 0.0074 * np.sign(lip) * np.abs(lip) ** 0.9 - 0.0012 * bump(x, 0.0045)
    lower = 0.0128 * np.sign(lip) * np.abs(lip) ** 0.8
    inside = np.minimum(_MOUTH_Z + upper - z, z - _MOUTH_Z + lower)
    colour = np.array(look.lips) * (1, 1 - 0.35 * look.make_up, 1 - 0.3 * look.make_up)
    canvas.lay(colour, step(inside, 0.0012) * front)
    canvas.lay(np.array(look.skin) * 0.35, 0.5 * bump(z - _MOUTH_Z, 0.0009) * (lip > 0) * front)


def paint_eyes(look: Look, at: Texels, canvas: Canvas) -> None:
    x, _, z = at.position.T
    across, up = np.abs(x) - _EYE[0], z - _EYE[1]
    radius = np.hypot(across, up)
    canvas.lay((0.90, 0.885, 0.87), np.ones(len(x)))
    canvas.lay((0.80, 0.60, 0.56), 0.5 * step(radius - 0.0115, 0.003))
    iris = np.array(look.iris, np.float32)
    rays = 1 + 0.15 * np.sin(22 * np.arctan2(up, across))
    canvas.lay(iris * rays[:, None], step(_IRIS_RADIUS - radius, 0.0004))
    canvas.lay(iris * 0.3, bump(radius - _IRIS_RADIUS, 0.0008))
    canvas.lay((0, 0, 0), step(_PUPIL_RADIUS - radius, 0.0004))
    # The catchlight is on the same side of both eyes: x, not its mirror.
    glint = np.hypot(across + 0.0022 * np.sign(x), up - 0.0024)
    canvas.lay((1, 1, 1), step(0.0011 - glint, 0.0003))

"""Skin, face, eyes and hair, painted on the template's surface.

Numbers are template coordinates (metres; x to the person's left, -y forward, z up), read off the mean body.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.synthesis.atlas import Atlas, Texels, VertexFields
from pipelines.synthesis.body import PARTS
from pipelines.synthesis.identity import Look
from pipelines.synthesis.scene import Floats

_EYE = (0.03078, 0.7284)
_IRIS_RADIUS, _PUPIL_RADIUS = 0.0062, 0.0027
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
    x, y, z = at.position.T
    line = np.interp(
        y,
        [-0.16, -0.13, -0.105, -0.085, -0.07, -0.055, -0.02, 0.02, 0.06],
        [0.802, 0.797, 0.778, 0.752, 0.728, 0.712, 0.688, 0.652, 0.636],
    )
    line = line + look.hairline * (y < -0.1)
    ear = np.hypot(y + 0.035, z - 0.712) - 0.034
    field = np.where(np.abs(x) > 0.066, np.minimum(z - line, ear), z - line)
    return np.asarray(np.where((at.is_head > 0.5) & (look.hair != "bald"), field, -1.0), np.float32)


def paint_body(look: Look, atlas: Atlas, noise: Floats) -> Canvas:
    """Skin with the face, the eyes and the mouth on it; hair comes after the clothes. noise (N,): of unit variance."""
    at = atlas.texels
    skin = np.array(look.skin, np.float32)
    canvas = Canvas(skin * (1 + 0.02 * noise[:, None]))
    flush = skin * (0.98, 0.72, 0.68)
    canvas.lay(flush, 0.25 * step(at.arm - 1.25, 0.1) * (at.is_arm > 0.5))
    face = Canvas(canvas.colours[atlas.face])
    _paint_face(look, atlas.face_texels, face)
    canvas.colours[atlas.face] = face.colours
    eyes = Canvas(np.zeros((len(atlas.eyes), 3), np.float32))
    _paint_eyes(look, atlas.eye_texels, eyes)
    canvas.colours[atlas.eyes] = eyes.colours
    canvas.lay((0.42, 0.14, 0.13), at.is_mouth)
    canvas.lay((0.72, 0.36, 0.35), is_part(at, "tongue"))
    canvas.lay((0.93, 0.91, 0.86), is_part(at, "teeth"))
    return canvas


def paint_hair(look: Look, at: Texels, noise: Floats, canvas: Canvas) -> None:
    """Hair on the scalp and on the hair mesh, in strands that run down from the crown."""
    x, y, _ = at.position.T
    around = np.arctan2(x - look.parting, y + 0.02)
    strands = 0.6 * np.sin(70 * around + 4 * at.noise[:, 0]) + 0.4 * np.sin(190 * around + 6 * at.noise[:, 1])
    shade = 1 + 0.2 * strands * (0.6 + 0.4 * at.noise[:, 3]) + 0.06 * noise
    colour = np.array(look.hair_colour, np.float32) * shade[:, None]
    scalp = step(hair_field(look, at) + 0.003 * noise, 0.006) * is_part(at, "body")
    canvas.lay(colour, (0.6 if look.hair == "shaved" else 1.0) * scalp)
    canvas.lay(colour, is_part(at, "hair"))


def _paint_face(look: Look, at: Texels, canvas: Canvas) -> None:
    x, y, z = at.position.T
    side = np.abs(x)
    skin, hair = np.array(look.skin, np.float32), np.array(look.hair_colour, np.float32)
    front = y < -0.1
    flush = skin * (0.98, 0.72, 0.68)
    for cx, cz, radius, strength in ((0.045, 0.690, 0.020, 1.0), (0.0, 0.697, 0.012, 0.7), (0.072, 0.71, 0.02, 0.6)):
        canvas.lay(flush, look.blush * strength * bump(np.hypot(side - cx, z - cz), radius))
    freckles = step(at.noise[:, 2] - 1.3, 0.2) * bump(np.hypot(side - 0.03, z - 0.70), 0.03)
    canvas.lay(skin * (0.75, 0.6, 0.5), look.freckles * freckles)
    # Hollows that light reaches less: the eye sockets, and under the chin.
    canvas.lay(skin * 0.72, 0.35 * bump(np.hypot((side - 0.022) / 0.011, (z - 0.733) / 0.008), 1.0))
    canvas.lay(skin * 0.7, 0.35 * bump(z - 0.612, 0.02))
    if look.beard > 0:
        _paint_beard(look, at, canvas)
    _paint_lips(look, at, canvas)

    lid = 0.7270 + (side - 0.017) * 0.105
    opening = 1 - ((side - 0.03125) / 0.0148) ** 2
    upper, lower = (0.0056, 0.0009 + 0.0006 * look.make_up, 0.9), (-0.0033, 0.0005, 0.35 + 0.3 * look.make_up)
    for height, width, strength in (upper, lower):
        canvas.lay(hair * 0.35, strength * bump(z - lid - height * opening, width) * (opening > -0.15) * front)
    crest = np.interp(side, [0.011, 0.024, 0.038, 0.054], [0.7455, 0.7495, 0.7520, 0.7462])
    width = look.brow_width * np.interp(side, [0.011, 0.02, 0.04, 0.055], [0.8, 1.0, 0.8, 0.35])
    brow = step(width - np.abs(z - crest), 0.0012) * step(side - 0.012, 0.002) * step(0.053 - side, 0.002)
    canvas.lay(hair * 0.75, 0.85 * brow * (1 - 0.15 * np.abs(at.noise[:, 5])))


def _paint_beard(look: Look, at: Texels, canvas: Canvas) -> None:
    _, y, z = at.position.T
    line = np.interp(
        y,
        [-0.17, -0.14, -0.125, -0.10, -0.075, -0.055, -0.045],
        [0.684, 0.683, 0.675, 0.667, 0.69, 0.715, 0.5],
    )
    field = np.minimum(line - z, z - 0.608 - 0.25 * np.maximum(y + 0.12, 0)) + 0.002 * at.noise[:, 3]
    grain = 1 + 0.25 * at.noise[:, 4:5]
    canvas.lay(np.array(look.hair_colour, np.float32) * grain, (0.15 + 0.7 * look.beard) * step(field, 0.009))


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


def _paint_eyes(look: Look, at: Texels, canvas: Canvas) -> None:
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

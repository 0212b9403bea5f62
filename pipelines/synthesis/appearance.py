"""Paint and dress a body: every region is a signed field in metres on the template, positive inside.

The same fields colour the texture and push cloth and hair off the skin, so that edges of colour are edges of shape. Numbers are
template coordinates (metres; x to the person's left, -y forward, z up), read off the mean body.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.atlas import Atlas, VertexFields
from pipelines.synthesis.body import PARTS, AnnyBody
from pipelines.synthesis.identity import Garment, Look
from pipelines.synthesis.scene import Floats

_HIP, _ANKLE, _WAIST, _HEM = 0.05, -0.745, 0.15, 0.075
_SHOE_TOP, _SOLE_TOP = -0.735, -0.803
_ARM_LENGTH = 0.45
_EYE = (0.03078, 0.7284)
_MOUTH_HALF, _MOUTH_Z = 0.0258, 0.6616

Lay = Callable[[NDArray[np.float32], Floats], None]


@dataclass(frozen=True)
class Outfit:
    """What an identity's surface is. texture (H, W, 3) uint8; offset (V,) metres along the normal; faces (F',): which
    faces are drawn; smooth (V,): how much a vertex is evened out with its neighbours, as under cloth."""

    texture: NDArray[np.uint8]
    offset: Floats
    faces: NDArray[np.int64]
    smooth: Floats


def _step(field: Floats, width: float) -> Floats:
    """0 to 1 as the field goes from -width to width."""
    t = np.clip(field / (2 * width) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def top_field(look: Look, at: Atlas | VertexFields) -> Floats:
    x, y, z = at.position.T
    front = _step(-0.02 - y, 0.02)
    collar = np.hypot(x, 1.3 * (z - 0.605)) - (0.068 + look.neckline * front)
    field = np.minimum(np.minimum(z - _HEM, collar), 0.592 - z)
    field = np.where(at.is_arm > 0.5, np.minimum((look.top.length - at.arm) * _ARM_LENGTH, field), field)
    if look.top.kind == "tank_top":
        field = np.minimum(field, np.minimum(0.13 - np.abs(x) + np.maximum(0.0, 0.46 - z), (0.5 - at.is_arm) * 0.1))
    return np.asarray(np.where(at.is_head > 0.5, -1.0, field), np.float32)


def bottom_field(look: Look, at: Atlas | VertexFields) -> Floats:
    z = at.position[:, 2]
    length = 0.22 if look.bottom.kind == "skirt" else look.bottom.length
    end = _HIP + length * (_ANKLE - _HIP)
    return np.asarray(np.where(at.is_arm > 0.5, -1.0, np.minimum(_WAIST - z, z - end)), np.float32)


def shoe_field(at: Atlas | VertexFields) -> Floats:
    return np.asarray(_SHOE_TOP - at.position[:, 2], np.float32)


def hair_field(look: Look, at: Atlas | VertexFields) -> Floats:
    """Inside the scalp hair: above a line that runs from the forehead past the ears to the nape."""
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


def dress(body: AnnyBody, fields: VertexFields, atlas: Atlas, look: Look) -> Outfit:
    """Everything that an identity's look changes on the body."""
    own = np.isin(np.arange(len(body.template)), body.faces[body.face_part == PARTS.index("body")])
    top, bottom, shoe = top_field(look, fields), bottom_field(look, fields), shoe_field(fields)
    hair = hair_field(look, fields)
    volume = {"shaved": 0.001, "short": 0.5, "crop": 0.7, "bald": 0.0}.get(look.hair, 1.0) * look.hair_volume
    offset = np.maximum.reduce(
        [
            (look.top.looseness + 0.003 * (look.top.kind != "tank_top")) * _step(top - 0.004, 0.006),
            look.bottom.looseness * _step(bottom - 0.004, 0.006),
            0.006 * _step(shoe - 0.004, 0.006),
            volume * _step(hair - 0.012, 0.018),
        ]
    )
    covered = np.maximum.reduce([_step(f, 0.01) for f in (top, bottom, shoe)])
    return Outfit(
        atlas.image(_paint(look, atlas)),
        np.asarray(offset * own, np.float32),
        _drawn_faces(body, look),
        np.asarray(covered * own, np.float32),
    )


def _drawn_faces(body: AnnyBody, look: Look) -> NDArray[np.int64]:
    """Skin, eyes and mouth always; the hair and skirt meshes where the look has them, cut to length."""
    centre = body.template[body.faces].mean(1)
    x, y, z = centre.T
    shown = body.face_part < PARTS.index("hair")
    hair = body.face_part == PARTS.index("hair")
    if look.hair in {"bob", "long"}:
        beside = (np.abs(x) > 0.07) & (y > -0.09)
        shown |= hair & (z > look.hair_length) & ((y > -0.02) | beside)
    if look.bottom.kind == "skirt":
        end = _HIP + look.bottom.length * (_ANKLE - _HIP)
        shown |= (body.face_part == PARTS.index("skirt")) & (z > end)
    return np.flatnonzero(shown)


def _pattern(garment: Garment, at: Atlas, noise: Floats) -> Floats:
    """How much of the garment's second colour is at each texel, (N,)."""
    x, y, z = at.position.T / garment.scale
    along = np.where(at.is_arm > 0.5, at.arm * _ARM_LENGTH / garment.scale, z)
    if garment.pattern == "stripes":
        return _step(np.sin(2 * np.pi * along).astype(np.float32), 0.2)
    if garment.pattern == "bars":
        return _step(np.sin(2 * np.pi * (x + 0.4 * y)).astype(np.float32), 0.2)
    if garment.pattern == "checks":
        return 0.5 * _step(np.sin(2 * np.pi * along).astype(np.float32), 0.3) + 0.5 * _step(
            np.sin(2 * np.pi * x).astype(np.float32), 0.3
        )
    if garment.pattern == "dots":
        odd = np.floor(along) % 2 / 2
        return _step((0.28 - np.hypot((x + odd) % 1 - 0.5, along % 1 - 0.5)).astype(np.float32), 0.06)
    if garment.pattern == "blocks":
        return _step(((z - np.round(0.36 / garment.scale)) * garment.scale).astype(np.float32), 0.003)
    if garment.pattern == "mottled":
        return np.asarray(0.6 * _step(noise, 1.5))
    return np.zeros(len(x), np.float32)


def _paint(look: Look, at: Atlas) -> Floats:
    """Colours (N, 3) of all texels."""
    noise = at.noise @ (np.array(look.noise, np.float32) / np.linalg.norm(look.noise))
    colours = _paint_skin(look, at, noise)
    bottom_kind = look.bottom.kind

    def lay(colour: NDArray[np.float32], amount: Floats) -> None:
        colours[:] += (colour - colours) * amount[:, None]

    x, y, z = at.position.T
    body = at.part == PARTS.index("body")
    cloth_shade = 1 + 0.035 * noise[:, None]
    bottom = _two(look.bottom, _pattern(look.bottom, at, noise)) * cloth_shade
    covered = _step(bottom_field(look, at), 0.003) * body
    lay(np.zeros(3, np.float32) + 0.15 if bottom_kind == "skirt" else bottom, covered)
    skirt = at.part == PARTS.index("skirt")
    lay(bottom, skirt.astype(np.float32))
    if bottom_kind in {"jeans", "trousers"}:
        lay(np.array((0.12, 0.08, 0.06), np.float32), _step(0.014 - np.abs(z - 0.135), 0.002) * covered)
    shoe = shoe_field(at)
    lay(np.array(look.shoes, np.float32) * cloth_shade, _step(shoe, 0.003) * body)
    lay(np.array(look.soles, np.float32), _step(_SOLE_TOP - z, 0.002) * body)
    laces = _step(np.sin(z * 2 * np.pi / 0.016).astype(np.float32), 0.5) * _step(
        0.016 - np.abs(np.abs(x) - 0.228), 0.003
    )
    lay(np.array(look.soles, np.float32), laces * body * (shoe > 0.012) * (y < -0.045) * (z > -0.79))

    field = top_field(look, at)
    top = _two(look.top, _pattern(look.top, at, noise)) * cloth_shade
    if look.top.kind == "jacket":
        inner = _step(0.012 + 0.12 * np.maximum(z - 0.3, 0) - np.abs(x), 0.003) * (y < -0.02)
        top += (np.array(look.top.second, np.float32) - top) * inner[:, None]
    if look.top.kind == "shirt":
        button = np.hypot(x, (z % 0.07) - 0.035) < 0.006
        top[button & (y < -0.03)] = look.top.second
        top = np.where((np.abs(np.abs(x) - 0.014) < 0.0015)[:, None] & (y < -0.03)[:, None], top * 0.75, top)
    edge = _step(0.008 - field, 0.002) if look.top.kind in {"sweater", "jacket", "t_shirt"} else 0 * field
    lay(top * (1 - 0.25 * edge[:, None]), _step(field, 0.003) * body)
    _paint_hair(look, at, noise, lay)
    return np.clip(colours, 0.01, 1)


def _two(garment: Garment, share: Floats) -> NDArray[np.float32]:
    first, second = np.array(garment.colour, np.float32), np.array(garment.second, np.float32)
    return np.asarray(first + (second - first) * share[:, None], np.float32)


def _paint_hair(look: Look, at: Atlas, noise: Floats, lay: Lay) -> None:
    x, y, z = at.position.T
    streak = np.sin(900 * np.arctan2(x - look.parting, y + 0.02) / 6 + 3 * noise).astype(np.float32)
    colour = np.array(look.hair_colour, np.float32) * (1 + 0.22 * streak + 0.06 * noise)[:, None]
    field = hair_field(look, at) + 0.003 * noise
    strength = 0.6 if look.hair == "shaved" else 1.0
    lay(colour, strength * _step(field, 0.006) * (at.part == PARTS.index("body")))
    lay(colour, (at.part == PARTS.index("hair")).astype(np.float32))


def _paint_skin(look: Look, at: Atlas, noise: Floats) -> NDArray[np.float32]:
    """Skin, face, eyes and mouth, (N, 3)."""
    x, y, z = at.position.T
    side = np.abs(x)
    skin = np.array(look.skin, np.float32)
    colours = np.tile(skin, (len(x), 1)) * (1 + 0.02 * noise[:, None])
    face = (at.is_head > 0.5) & (y < -0.05) & (at.part == PARTS.index("body"))

    def lay(colour: NDArray[np.float32] | tuple[float, ...], amount: Floats) -> None:
        colours[:] += (np.asarray(colour, np.float32) - colours) * amount[:, None]

    flush = skin * np.array((0.98, 0.72, 0.68), np.float32)
    for cx, cz, radius, strength in ((0.045, 0.690, 0.020, 1.0), (0.0, 0.697, 0.012, 0.7), (0.072, 0.71, 0.02, 0.6)):
        lay(flush, look.blush * strength * np.exp(-((side - cx) ** 2 + (z - cz) ** 2) / radius**2) * face)
    lay(flush, 0.25 * _step(at.arm - 1.25, 0.1) * (at.is_arm > 0.5))
    spots = _step(at.noise[:, 2] - 1.3, 0.2) * np.exp(-((side - 0.03) ** 2 + (z - 0.70) ** 2) / 0.03**2)
    lay(skin * np.array((0.75, 0.6, 0.5), np.float32), look.freckles * spots * face)
    # Hollows that a lamp reaches less: eye sockets, sides of the nose, under the chin.
    lay(skin * 0.72, 0.35 * np.exp(-(((side - 0.022) / 0.011) ** 2) - ((z - 0.733) / 0.008) ** 2) * face)
    lay(skin * 0.7, 0.35 * np.exp(-(((z - 0.612) / 0.02) ** 2)) * (y < -0.02) * (at.is_head > 0.2))

    beard = np.minimum(
        np.interp(
            y, [-0.17, -0.14, -0.125, -0.10, -0.075, -0.055, -0.045], [0.684, 0.683, 0.675, 0.667, 0.69, 0.715, 0.5]
        )
        - z,
        z - 0.608 - 0.25 * np.maximum(y + 0.12, 0),
    )
    if look.beard > 0:
        grain = 1 + 0.25 * at.noise[:, 4:5]
        lay(
            np.array(look.hair_colour, np.float32) * grain,
            (0.25 + 0.6 * look.beard) * _step(beard + 0.002 * noise, 0.006) * face,
        )
    lip = 1 - (x / _MOUTH_HALF) ** 2
    bow = 0.0074 * np.sign(lip) * np.abs(lip) ** 0.9 - 0.0012 * np.exp(-((x / 0.0045) ** 2))
    low = 0.0128 * np.sign(lip) * np.abs(lip) ** 0.8
    inside = np.minimum(_MOUTH_Z + bow - z, z - (_MOUTH_Z - low))
    lip_colour = np.array(look.lips, np.float32) * (1, 1 - 0.35 * look.make_up, 1 - 0.3 * look.make_up)
    lay(lip_colour.astype(np.float32), _step(inside, 0.0012) * face * (y < -0.1))
    lay(skin * 0.35, 0.5 * np.exp(-(((z - _MOUTH_Z) / 0.0009) ** 2)) * (lip > 0) * face * (y < -0.1))

    lid = 0.7270 + (side - 0.017) * 0.105
    opening = 1 - ((side - 0.03125) / 0.0148) ** 2
    dark = np.array(look.hair_colour, np.float32) * 0.35
    for height, width, strength in (
        (0.0056, 0.0009 + 0.0006 * look.make_up, 0.9),
        (-0.0033, 0.0005, 0.35 + 0.3 * look.make_up),
    ):
        line = np.exp(-(((z - lid - height * opening) / width) ** 2)) * (opening > -0.15)
        lay(dark, np.asarray(strength * line * face * (y < -0.1), np.float32))
    crest = np.interp(side, [0.011, 0.024, 0.038, 0.054], [0.7455, 0.7495, 0.7520, 0.7462])
    width = look.brow_width * np.interp(side, [0.011, 0.02, 0.04, 0.055], [0.8, 1.0, 0.8, 0.35])
    brow = (
        _step((width - np.abs(z - crest)).astype(np.float32), 0.0012)
        * _step(side - 0.012, 0.002)
        * _step(0.053 - side, 0.002)
    )
    lay(np.array(look.hair_colour, np.float32) * 0.75, 0.85 * brow * face * (1 - 0.15 * np.abs(at.noise[:, 5])))

    _paint_eyes(look, at, lay)
    lay((0.42, 0.14, 0.13), at.is_mouth * 1.0)
    lay((0.72, 0.36, 0.35), (at.part == PARTS.index("tongue")) * 1.0)
    lay((0.93, 0.91, 0.86), (at.part == PARTS.index("teeth")) * 1.0)
    return colours


def _paint_eyes(look: Look, at: Atlas, lay: Lay) -> None:
    x, _, z = at.position.T
    eye = (at.part == PARTS.index("eye")).astype(np.float32)
    radius = np.hypot(np.abs(x) - _EYE[0], z - _EYE[1])
    lay(np.array((0.90, 0.885, 0.87), np.float32), eye)
    lay(np.array((0.80, 0.60, 0.56), np.float32), 0.5 * _step(radius - 0.0115, 0.003) * eye)
    iris = np.array(look.iris, np.float32)
    rays = 1 + 0.15 * np.sin(22 * np.arctan2(z - _EYE[1], np.abs(x) - _EYE[0]))
    lay(iris * rays[:, None].astype(np.float32), _step(0.0062 - radius, 0.0004) * eye)
    lay(iris * 0.3, np.exp(-(((radius - 0.0062) / 0.0008) ** 2)) * eye)
    lay(np.zeros(3, np.float32), _step(0.0027 - radius, 0.0004) * eye)
    glint = np.hypot(np.abs(x) - _EYE[0] - 0.0022, z - _EYE[1] - 0.0024)
    lay(np.ones(3, np.float32), _step(0.0011 - glint, 0.0003) * eye)

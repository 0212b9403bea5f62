"""Dress a body: clothes are signed fields in metres on the template, positive inside.

The same fields colour the texture and push cloth and hair off the skin, so that edges of colour are edges of shape.
Numbers are template coordinates (metres; x to the person's left, -y forward, z up), read off the mean body.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.atlas import Atlas, Texels, VertexFields
from pipelines.synthesis.body import PARTS, AnnyBody
from pipelines.synthesis.identity import Garment, Look
from pipelines.synthesis.paint import Canvas, hair_field, is_part, paint_body, paint_hair, step
from pipelines.synthesis.scene import Floats

_HIP, _ANKLE, _WAIST, _HEM, _CHEST = 0.05, -0.745, 0.15, 0.075, 0.36
_SHOE_TOP, _SOLE_TOP = -0.735, -0.803
_ARM_LENGTH = 0.45


@dataclass(frozen=True)
class Outfit:
    """What an identity's surface is. texture (H, W, 3) uint8; offset (V,) metres along the normal; faces (F',): which
    faces are drawn; smooth (V,): how much a vertex is evened out with its neighbours, as under cloth."""

    texture: NDArray[np.uint8]
    offset: Floats
    faces: NDArray[np.int64]
    smooth: Floats


def top_field(look: Look, at: Texels | VertexFields) -> Floats:
    x, y, z = at.position.T
    front = step(-0.02 - y, 0.02)
    collar = np.hypot(x, 1.3 * (z - 0.605)) - (0.068 + look.neckline * front)
    field = np.minimum(np.minimum(z - _HEM, collar), 0.592 - z)
    field = np.where(at.is_arm > 0.5, np.minimum((look.top.length - at.arm) * _ARM_LENGTH, field), field)
    if look.top.kind == "tank_top":
        strap = np.minimum(0.13 - np.abs(x) + np.maximum(0.0, 0.46 - z), (0.5 - at.is_arm) * 0.1)
        field = np.minimum(field, strap)
    return np.asarray(np.where(at.is_head > 0.5, -1.0, field), np.float32)


def _leg_end(garment: Garment) -> float:
    return _HIP + garment.length * (_ANKLE - _HIP)


def bottom_field(look: Look, at: Texels | VertexFields) -> Floats:
    z = at.position[:, 2]
    return np.asarray(np.where(at.is_arm > 0.5, -1.0, np.minimum(_WAIST - z, z - _leg_end(look.bottom))), np.float32)


def shoe_field(at: Texels | VertexFields) -> Floats:
    return np.asarray(_SHOE_TOP - at.position[:, 2], np.float32)


def dress(body: AnnyBody, fields: VertexFields, atlas: Atlas, look: Look) -> Outfit:
    """Everything that an identity's look changes on the body."""
    skin = np.zeros(len(body.template), np.float32)
    skin[body.faces[body.face_part == PARTS.index("body")].ravel()] = 1
    top, bottom, shoe = top_field(look, fields), bottom_field(look, fields), shoe_field(fields)
    volume = {"shaved": 0.1, "short": 0.5, "crop": 0.7}.get(look.hair, 1.0) * look.hair_volume
    offset = np.maximum.reduce(
        [
            # Tops hang over the waist of what is below.
            (look.top.looseness + 0.003) * step(top - 0.004, 0.006),
            look.bottom.looseness * step(bottom - 0.004, 0.006),
            0.006 * step(shoe - 0.004, 0.006),
            volume * step(hair_field(look, fields) - 0.012, 0.018),
        ]
    )
    covered = np.maximum.reduce([step(field, 0.01) for field in (top, bottom, shoe)])
    return Outfit(_paint(look, atlas), offset * skin, _drawn_faces(body, fields, look), covered * skin)


def _drawn_faces(body: AnnyBody, fields: VertexFields, look: Look) -> NDArray[np.int64]:
    """Skin, eyes and mouth; the hair and skirt meshes where the look has them, cut to length."""
    centre = body.template[body.faces].mean(1)
    x, y, z = centre.T
    hair, skirt = (body.face_part == PARTS.index(name) for name in ("hair", "skirt"))
    shown = ~hair & ~skirt
    if look.hair in {"bob", "long"}:
        beside = (np.abs(x) > 0.07) & (y > -0.09)
        shown |= hair & (z > look.hair_length) & ((y > -0.02) | beside)
    if look.bottom.kind == "skirt":
        end = _leg_end(look.bottom)
        # Thighs would come through the cloth when they bend.
        leg = fields.is_arm[body.faces].max(1) < 0.5
        shown &= ~(leg & (z > end + 0.06) & (z < 0.1))
        shown |= skirt & (z > end)
    return np.flatnonzero(shown)


def _pattern(garment: Garment, at: Texels, noise: Floats) -> Floats:
    """How much of the garment's second colour is at each texel, (N,)."""
    x, y, z = at.position.T
    along = np.where(at.is_arm > 0.5, at.arm * _ARM_LENGTH, z) / garment.scale
    across = (x + 0.4 * y) / garment.scale

    def waves(t: NDArray[np.floating]) -> Floats:
        return step(np.sin(2 * np.pi * t), 0.2)

    patterns: dict[str, Callable[[], NDArray[np.floating]]] = {
        "plain": lambda: np.zeros(len(x), np.float32),
        "stripes": lambda: waves(along),
        "bars": lambda: waves(across),
        "checks": lambda: (waves(along) + waves(across)) / 2,
        "dots": lambda: step(0.28 - np.hypot((across + np.floor(along) % 2 / 2) % 1 - 0.5, along % 1 - 0.5), 0.06),
        "blocks": lambda: step(z - _CHEST, 0.003),
        "mottled": lambda: 0.6 * step(noise, 1.5),
    }
    return np.asarray(patterns[garment.pattern](), np.float32)


def _paint(look: Look, atlas: Atlas) -> NDArray[np.uint8]:
    """The texture, (H, W, 3)."""
    at = atlas.texels
    noise = at.noise @ np.asarray(np.array(look.noise) / np.linalg.norm(look.noise), np.float32)
    canvas = paint_body(look, atlas, noise)
    weave = 1 + 0.035 * noise[:, None]
    _paint_bottom(look, at, weave * _two(look.bottom, _pattern(look.bottom, at, noise)), canvas)
    _paint_shoes(look, at, weave, canvas)
    _paint_top(look, at, weave * _two(look.top, _pattern(look.top, at, noise)), canvas)
    paint_hair(look, at, noise, canvas)
    return atlas.image(canvas.colours)


def _two(garment: Garment, share: Floats) -> Floats:
    first, second = np.array(garment.colour, np.float32), np.array(garment.second, np.float32)
    return np.asarray(first + (second - first) * share[:, None], np.float32)


def _paint_bottom(look: Look, at: Texels, cloth: Floats, canvas: Canvas) -> None:
    z = at.position[:, 2]
    covered = step(bottom_field(look, at), 0.003) * is_part(at, "body")
    canvas.lay(cloth, covered)
    canvas.lay(cloth, is_part(at, "skirt"))
    if look.bottom.kind in {"jeans", "trousers"}:
        canvas.lay((0.12, 0.08, 0.06), step(0.014 - np.abs(z - 0.135), 0.002) * covered)


def _paint_shoes(look: Look, at: Texels, weave: Floats, canvas: Canvas) -> None:
    x, y, z = at.position.T
    shoe, body = shoe_field(at), is_part(at, "body")
    canvas.lay(np.array(look.shoes, np.float32) * weave, step(shoe, 0.003) * body)
    canvas.lay(look.soles, step(_SOLE_TOP - z, 0.002) * body)
    instep = step(0.016 - np.abs(np.abs(x) - 0.228), 0.003) * (shoe > 0.012) * (y < -0.045) * (z > -0.79)
    canvas.lay(look.soles, step(np.sin(z * 2 * np.pi / 0.016), 0.5) * instep * body)


def _paint_top(look: Look, at: Texels, cloth: Floats, canvas: Canvas) -> None:
    x, y, z = at.position.T
    field = top_field(look, at)
    front = y < -0.02
    covered = step(field, 0.003) * is_part(at, "body")
    hemmed = look.top.kind in {"sweater", "jacket", "t_shirt"}
    canvas.lay(cloth * (1 - 0.25 * hemmed * step(0.008 - field, 0.002))[:, None], covered)
    if look.top.kind == "jacket":
        canvas.lay(look.top.second, step(0.012 + 0.12 * np.maximum(z - 0.3, 0) - np.abs(x), 0.003) * front * covered)
    if look.top.kind == "shirt":
        canvas.lay(cloth * 0.75, step(0.0015 - np.abs(np.abs(x) - 0.014), 0.001) * front * covered)
        canvas.lay(look.top.second, step(0.006 - np.hypot(x, z % 0.07 - 0.035), 0.001) * front * covered)

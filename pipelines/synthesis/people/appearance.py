"""Dress a body: skin that is seen, cloth in shells over it, and patches; one mesh and one texture for each identity.

The texture has two layers side by side, skin and cloth, each laid out like the body: where cloth ends, the mesh ends,
so no colour runs from one into the other. Patches have places of their own between the skin layer's charts.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.landmarks import ASPECT
from pipelines.synthesis.body.mesh import compact, least, most
from pipelines.synthesis.body.model import PARTS, BodyModel
from pipelines.synthesis.people import garments, hair, worn
from pipelines.synthesis.people.atlas import Atlas, VertexFields
from pipelines.synthesis.people.face_shape import displacement
from pipelines.synthesis.people.identity import Identity, Look
from pipelines.synthesis.people.paint import Canvas, is_part, paint_eyes, paint_face, paint_skin, step
from pipelines.synthesis.people.patches import Patch, grid_mesh
from pipelines.synthesis.people.shells import Shell, cut_shell
from pipelines.synthesis.people.worn import Wardrobe
from pipelines.synthesis.scenes.scene import PART_LABELS, Floats

# Width of both layers, in texture heights.
WIDTH = ASPECT + 1.0
_SKIN_BELOW_HEM = 0.02  # metres of skin that are kept below the edge of cloth
_BLEED = 0.03  # metres that paint goes on past an edge, so that the edge itself is of one colour
_LOOSE = 0.012  # metres off the skin from which cloth does not follow its shape
_KNEE = -0.37  # height on the template
# Where patches are in the texture: left, top, width, height in texture heights.
_PLACES = {
    "hair": (1.0, 0.5, 0.25, 0.25),
    "skirt": (1.25, 0.5, 0.25, 0.25),
    "shoe": (1.0, 0.75, 0.125, 0.125),
    "hat": (1.125, 0.75, 0.125, 0.125),
    "frame": (1.125, 0.875, 0.03125, 0.03125),
    "collar": (1.15625, 0.875, 0.03125, 0.03125),
    "brim": (1.1875, 0.875, 0.03125, 0.03125),
    "lens": (1.21875, 0.875, 0.03125, 0.03125),
    "hood": (1.125, 0.90625, 0.03125, 0.03125),
}


@dataclass(frozen=True)
class Cloth:
    """A shell with its distance from the skin, (P,), and whether it hangs free of the body's small shapes."""

    shell: Shell
    offset: Floats
    loose: bool


@dataclass(frozen=True)
class Outfit:
    """What an identity's surface is.

    texture (H, W, 3) uint8; points of the mesh: the body's vertices `skin`, then each cloth's, then each patch's;
    corner_point (K,), uv (K, 2), faces (F, 3) of corners; parts (F,): what each face covers, of `PART_LABELS`.
    """

    texture: NDArray[np.uint8]
    skin: NDArray[np.int64]
    cloths: tuple[Cloth, ...]
    patches: tuple[Patch, ...]
    corner_point: NDArray[np.int64]
    uv: Floats
    faces: NDArray[np.int32]
    parts: NDArray[np.uint8]

    @property
    def points(self) -> int:
        patches = sum(patch.points.size // 3 for patch in self.patches)
        return len(self.skin) + sum(len(cloth.shell.a) for cloth in self.cloths) + patches


def dress(
    body: BodyModel,
    fields: VertexFields,
    atlas: Atlas,
    wardrobe: Wardrobe,
    parts: NDArray[np.uint8],
    identity: Identity,
) -> Outfit:
    """Everything that an identity's look changes on the body. parts (F,): what each of the body's faces is."""
    look = identity.look
    top, bottom = garments.top_field(look, fields), garments.bottom_field(look, fields)
    z = fields.position[:, 2]
    legs = fields.is_arm < 0.5
    shoe = np.where(legs, garments.SHOE_TOP[look.shoe] - 0.012 - z, -1)
    covered = np.maximum(np.maximum(top, shoe), bottom if look.bottom.kind != "skirt" else -1.0)
    if look.bottom.kind == "skirt":
        # Thighs would come through the cloth when they bend.
        covered = np.maximum(
            covered, np.where(legs, np.minimum(z - garments.leg_end(look.bottom) - 0.05, garments.WAIST - z), -1)
        )
    skin_faces = np.isin(body.face_part, [PARTS.index(name) for name in ("body", "eye", "tongue", "teeth")])
    hidden = least(covered, body.faces) > _SKIN_BELOW_HEM
    shown = np.flatnonzero(skin_faces & ~hidden)
    cloths = _cloths(body, fields, look, top, bottom)
    patches = _patches(look, wardrobe, atlas)
    placed = _displaced([patch for _, patch in patches], identity.face)
    texture = _paint(look, atlas)
    mesh = _join(body, parts, texture.shape[0], shown, cloths, [name for name, _ in patches], placed)
    for name, patch in dict(patches).items():
        _put(texture, name, patch.paint)
    return Outfit(texture, *mesh)


def _cloths(body: BodyModel, fields: VertexFields, look: Look, top: Floats, bottom: Floats) -> tuple[Cloth, ...]:
    skin = body.face_part == PARTS.index("body")
    size = len(body.uv)
    # Corners in the skin's layer, then the same corners in the cloth's.
    uv = np.concatenate([body.uv * (ASPECT / WIDTH, 1), body.uv * (ASPECT / WIDTH, 1) + (ASPECT / WIDTH, 0)])
    uv = np.asarray(uv, np.float32)

    def cut(field: Floats, hidden: Floats, offset: Floats) -> Cloth:
        chosen = np.flatnonzero(skin & (most(field, body.faces) > 0) & (least(hidden, body.faces) < _SKIN_BELOW_HEM))
        # What lies beside the edge of another cloth is painted on the skin's layer, away from its colour.
        beside = most(hidden, body.faces) > -_BLEED * 0.6
        shell = cut_shell(body.faces, body.uv_faces + size * (~beside)[:, None].astype(np.int32), uv, field, chosen)
        away = shell.values(offset)
        return Cloth(shell, away * (0.15 + 0.85 * shell.outer), bool(away.max(initial=0) > _LOOSE))

    nothing = np.full(len(top), -1, np.float32)
    made = [cut(top, nothing, garments.top_offset(look, fields))]
    if look.bottom.kind != "skirt":
        made.append(cut(bottom, top, garments.bottom_offset(look, fields)))
    return tuple(made)


def _patches(look: Look, wardrobe: Wardrobe, atlas: Atlas) -> list[tuple[str, Patch]]:
    """All patches with the names of their places in the texture."""
    texels = atlas.height // 4
    made = [("hair", patch) for patch in hair.hair_patches(look, wardrobe.scalp, texels)]
    made += [("shoe", patch) for patch in worn.shoes(look, wardrobe, texels // 2)]
    for i, patch in enumerate(worn.headwear(look, wardrobe.scalp, texels // 2)):
        made.append((("hat", "brim")[i], patch))
    made += worn.glasses(look)
    if look.collar:
        made.append(("collar", worn.collar(look.top.colour, 0.35 if look.top.kind == "shirt" else 0.6)))
    if look.top.kind == "hoodie":
        made.append(("hood", worn.hood(look.top.colour)))
    if look.bottom.kind == "skirt":
        made.append(("skirt", worn.skirt(look, wardrobe, texels)))
    return made


def _displaced(patches: list[Patch], face: tuple[float, ...]) -> tuple[Patch, ...]:
    """Patches where the identity's face puts them."""
    flat = [patch.points.reshape(-1, 3) for patch in patches]
    moved = np.split(displacement(face, np.concatenate(flat)), np.cumsum([len(points) for points in flat])[:-1])
    pairs = zip(patches, moved, strict=True)
    return tuple(replace(patch, points=patch.points + by.reshape(patch.points.shape)) for patch, by in pairs)


def _put(texture: NDArray[np.uint8], name: str, paint: Floats) -> None:
    height = len(texture)
    left, top = (int(value * height) for value in _PLACES[name][:2])
    wide, high = (max(1, round(value * height)) for value in _PLACES[name][2:])
    import cv2

    eight_bit = np.rint(np.clip(paint, 0, 1) * 255).astype(np.uint8)
    if eight_bit.shape[:2] != (high, wide):
        eight_bit = cv2.resize(np.ascontiguousarray(eight_bit), (wide, high), interpolation=cv2.INTER_AREA)
    texture[top : top + high, left : left + wide] = eight_bit


def _join(
    body: BodyModel,
    parts: NDArray[np.uint8],
    height: int,
    shown: NDArray[np.int64],
    cloths: tuple[Cloth, ...],
    names: list[str],
    patches: tuple[Patch, ...],
) -> tuple[
    NDArray[np.int64],
    tuple[Cloth, ...],
    tuple[Patch, ...],
    NDArray[np.int64],
    Floats,
    NDArray[np.int32],
    NDArray[np.uint8],
]:
    """The fields of `Outfit` after its texture: all faces over one list of corners."""
    corners, corner_of = compact(body.uv_faces[shown], len(body.uv))
    vertex_of = np.zeros(len(body.uv), np.int64)
    vertex_of[body.uv_faces] = body.faces
    skin, point_of = compact(vertex_of[corners], len(body.template))
    points, uvs = [point_of], [np.asarray(body.uv[corners] * (ASPECT / WIDTH, 1), np.float32)]
    faces, labels = [corner_of.reshape(-1, 3)], [parts[shown]]
    at_point, at_corner = len(skin), len(corners)

    def add(
        corner_point: NDArray[np.int64], uv: Floats, own: NDArray[np.int64], count: int, label: NDArray[np.uint8]
    ) -> None:
        nonlocal at_point, at_corner
        points.append(corner_point + at_point)
        uvs.append(uv)
        faces.append(own + at_corner)
        labels.append(label)
        at_point, at_corner = at_point + count, at_corner + len(corner_point)

    for cloth in cloths:
        shell = cloth.shell
        add(shell.corner_point, shell.uv, shell.faces, len(shell.a), parts[shell.origin])
    for name, patch in zip(names, patches, strict=True):
        rows, columns = patch.points.shape[:2]
        own, corner_point, place = grid_mesh(rows, columns, patch.closed)
        left, top, wide, high = _PLACES[name]
        # Half a texel inside, so that no neighbour shows.
        inset = np.minimum(0.5, [0.5 / (wide * height), 0.5 / (high * height)])
        u, v = (inset + place * (1 - 2 * inset)).T
        uv = np.stack([(left + u * wide) / WIDTH, 1 - (top + v * high)], 1).astype(np.float32)
        middle = patch.points.reshape(-1, 3)[corner_point][own].mean(1)
        add(corner_point, uv, own, rows * columns, _labels(patch.label, middle))
    return (
        skin,
        cloths,
        patches,
        np.concatenate(points),
        np.concatenate(uvs),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(labels),
    )


def _labels(label: str, middle: Floats) -> NDArray[np.uint8]:
    """What a patch's faces cover, by their middles (F, 3) on the template."""
    if label != "legs":
        return np.full(len(middle), PART_LABELS.index(label), np.uint8)
    torso, *limbs = (PART_LABELS.index(f) for f in ("torso", "left_thigh", "right_thigh", "left_shin", "right_shin"))
    x, z = middle[:, 0], middle[:, 2]
    leg = np.array(limbs)[(x < 0) + 2 * (z < _KNEE)]
    return np.asarray(np.where(z > garments.HIP - 0.05, torso, leg), np.uint8)


def _paint(look: Look, atlas: Atlas) -> NDArray[np.uint8]:
    """Both layers of the texture, (H, W, 3); only what can be seen is painted."""
    at = atlas.texels
    noise = at.noise @ np.asarray(np.array(look.noise) / np.linalg.norm(look.noise), np.float32)
    top, bottom = garments.top_field(look, at), garments.bottom_field(look, at)
    has_legs = look.bottom.kind != "skirt"
    layers = np.zeros((2, len(noise), 3), np.float32)
    skin, cloth = layers

    body = is_part(at, "body") > 0
    seen = np.flatnonzero(body & (np.maximum(top, bottom if has_legs else -1) < _SKIN_BELOW_HEM + _BLEED))
    under = Canvas(np.zeros((len(seen), 3), np.float32))
    paint_skin(look, at.take(seen), noise[seen], under)
    if look.top.kind == "jacket":
        garments.paint_inner(look, at.take(seen), under)
    skin[seen] = under.colours * at.shade[seen, None]
    face = Canvas(skin[atlas.face])
    paint_face(look, atlas.face_texels, face)
    skin[atlas.face] = face.colours
    eyes = Canvas(skin[atlas.eyes])
    paint_eyes(look, atlas.eye_texels, eyes)
    skin[atlas.eyes] = eyes.colours
    whole = Canvas(skin)
    whole.lay((0.30, 0.10, 0.10), at.is_mouth)
    whole.lay((0.66, 0.32, 0.31), is_part(at, "tongue"))
    whole.lay((0.86, 0.84, 0.80), is_part(at, "teeth"))
    sock = garments.SHOE_TOP[look.shoe] + 0.05 - at.position[:, 2]
    whole.lay(look.socks, step(sock, 0.003) * body * (look.shoe == "trainers") * (at.is_arm < 0.5))

    if has_legs:
        worn_below = np.flatnonzero(body & (bottom > -_BLEED) & (top < _SKIN_BELOW_HEM + _BLEED))
        lower = Canvas(np.zeros((len(worn_below), 3), np.float32))
        garments.paint_bottom(look, at.take(worn_below), noise[worn_below], lower, np.ones(len(worn_below), np.float32))
        cloth[worn_below] = lower.colours
        beside = worn_below[top[worn_below] > -2 * _BLEED]
        skin[beside] = cloth[beside]
    worn_above = np.flatnonzero(body & (top > -_BLEED))
    upper = Canvas(cloth[worn_above])
    amount = np.ones(len(worn_above), np.float32)
    if has_legs:
        amount[bottom[worn_above] > -_BLEED] = step(top[worn_above] + 0.004, 0.002)[bottom[worn_above] > -_BLEED]
    garments.paint_top(look, at.take(worn_above), noise[worn_above], upper, amount)
    cloth[worn_above] = upper.colours
    cloth *= at.shade[:, None]
    return np.concatenate([atlas.image(skin), atlas.image(cloth)[:, : atlas.height]], 1)

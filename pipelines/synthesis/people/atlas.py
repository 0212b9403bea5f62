"""The body's surface as a texture: for each texel, where on the template it is. Appearance is painted on that."""

import itertools
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.landmarks import ASPECT
from pipelines.synthesis.body.model import PARTS, BodyModel
from pipelines.synthesis.scenes.engines.raster import rasterise
from pipelines.synthesis.scenes.scene import Camera, Floats

_NOISE_OCTAVES = (12.0, 30.0, 75.0, 190.0)  # waves per metre
_FOLD_OCTAVES = (40.0, 75.0)  # what a mesh with edges of a centimetre can carry
_NOISE_FIELDS = 6
_IDENTITY = np.eye(3, dtype=np.float32)
_PAINTED = ("body", "eye", "tongue", "teeth")
_FACE_BACK = -0.045  # the ears' front, in template metres


@dataclass(frozen=True)
class Texels:
    """Places on the template that are painted, N of them.

    position (N, 3) metres; part (N,) index into `PARTS`; arm (N,): 0 at the shoulder, 1 at the wrist, more on the hand;
    is_head, is_arm (N,) in [0, 1]; is_mouth (N,): the cavity; shade (N,): the share of light that reaches a place past
    the body itself; noise (N, fields): smooth, of unit variance.
    """

    position: Floats
    part: NDArray[np.uint8]
    arm: Floats
    is_arm: Floats
    is_head: Floats
    is_mouth: NDArray[np.bool_]
    shade: Floats
    noise: Floats

    def take(self, index: NDArray[np.int64]) -> "Texels":
        return Texels(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


@dataclass(frozen=True)
class Atlas:
    """The texture's texels in use, N of (height, width).

    Every texel takes its colour from `nearest` (height * width,), an index into the N, so that seams do not show.
    face, eyes: which of the N are the front of the face and the eyes; those texels again, as most painting is there.
    """

    height: int
    width: int
    nearest: NDArray[np.int32]
    texels: Texels
    face: NDArray[np.int64]
    face_texels: Texels
    eyes: NDArray[np.int64]
    eye_texels: Texels

    def image(self, colours: Floats) -> NDArray[np.uint8]:
        """Texture (height, width, 3) from colours (N, 3) in [0, 1]."""
        eight_bit = np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)
        return eight_bit[self.nearest].reshape(self.height, self.width, 3)


@dataclass(frozen=True)
class VertexFields:
    """Per vertex of the template: position (V, 3), arm, is_arm, is_head (V,) and noise (V, fields) as in `Texels`."""

    position: Floats
    arm: Floats
    is_arm: Floats
    is_head: Floats
    noise: Floats


def vertex_fields(body: BodyModel) -> VertexFields:
    """What painting and dressing need to know about each vertex."""
    is_arm = body.weight_of(("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
    is_head = body.weight_of(("head", "eye", "neck03", "neck02"))
    heads = body.template_heads()
    arm = np.zeros(len(body.template), np.float32)
    for side, sign in (("L", 1), ("R", -1)):
        joints = [heads[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist", "finger3-1")]
        lengths = np.array([np.linalg.norm(b - a) for a, b in itertools.pairwise(joints)])
        marks = np.concatenate([[0], np.cumsum(lengths)]) / lengths[:2].sum()
        own = np.sign(body.template[:, 0]) == sign
        best, value = np.full(len(arm), np.inf), np.zeros(len(arm))
        for i, (a, b) in enumerate(itertools.pairwise(joints)):
            t = np.clip((body.template - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            distance = np.linalg.norm(body.template - (a + t[:, None] * (b - a)), axis=1)
            value = np.where(distance < best, marks[i] + t * (marks[i + 1] - marks[i]), value)
            best = np.minimum(distance, best)
        arm[own] = value[own]
    return VertexFields(body.template, arm, is_arm, is_head, smooth_noise(body.template, _FOLD_OCTAVES))


def build_atlas(body: BodyModel, vertices: VertexFields, height: int) -> Atlas:
    """The atlas of a body with `height` texels in height."""
    import cv2

    width = int(ASPECT * height)
    # Texture space seen by a camera: a plane at depth 1, unit focal length.
    side = max(height, width)
    drawn = np.flatnonzero(np.isin(body.face_part, [PARTS.index(name) for name in _PAINTED]))
    plane = np.stack([body.uv[:, 0] * width, (1 - body.uv[:, 1]) * height, np.ones(len(body.uv))], 1).astype(np.float32)
    found = rasterise(
        plane, body.uv_faces[drawn], Camera(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), _IDENTITY, side)
    )
    row, column = np.divmod(found.pixels.numpy(), side)
    texels = row * width + column
    face, weights = drawn[found.faces.numpy()], found.weights.numpy()[..., None]

    def spread(values: NDArray[np.float32]) -> Floats:
        corners = values.reshape(len(values), -1)[body.faces[face]]
        return np.asarray((corners * weights).sum(1).reshape(-1, *values.shape[1:]), np.float32)

    empty = np.full(height * width, 255, np.uint8)
    empty[texels] = 0
    _, label = cv2.distanceTransformWithLabels(
        empty.reshape(height, width), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(label.max() + 1, np.int32)
    by_label[label.ravel()[texels]] = np.arange(len(texels))
    position = spread(vertices.position)
    uv = spread(_per_vertex_uv(body))
    in_mouth = (uv[:, 0] > 0.75 / ASPECT) & (uv[:, 0] < 0.94 / ASPECT) & (uv[:, 1] < 0.14)
    places = Texels(
        position=position,
        part=body.face_part[face],
        arm=spread(vertices.arm),
        is_arm=spread(vertices.is_arm),
        is_head=spread(vertices.is_head),
        is_mouth=in_mouth & (body.face_part[face] == PARTS.index("body")) & (spread(vertices.is_head) > 0.5),
        shade=_shade(position, spread(vertices.is_arm)),
        noise=smooth_noise(position),
    )
    skin = places.part == PARTS.index("body")
    front = np.flatnonzero(skin & (places.is_head > 0.2) & (position[:, 1] < _FACE_BACK))
    eyes = np.flatnonzero(places.part == PARTS.index("eye"))
    return Atlas(
        height=height,
        width=width,
        nearest=by_label[label.ravel()],
        texels=places,
        face=front,
        face_texels=places.take(front),
        eyes=eyes,
        eye_texels=places.take(eyes),
    )


def _shade(position: Floats, is_arm: Floats) -> Floats:
    """The share of light, (N,), that reaches the template's skin in its hollows: armpits, between the legs, below the
    chin and the breast, behind the ears, in the eye sockets and beside the nose."""
    x, y, z = position.T
    side = np.abs(x)

    def near(px: float, py: float, pz: float, radius: float) -> Floats:
        distance = np.square(side - px) + np.square(y - py) + np.square(z - pz)
        return np.asarray(np.exp(-distance / radius**2), np.float32)

    dark = (
        0.45 * near(0.150, -0.02, 0.455, 0.05)
        + 0.45 * np.exp(-np.square(side / 0.05)) * np.exp(-np.square((z + 0.06) / 0.07))
        + 0.35 * np.exp(-np.square((z - 0.596) / 0.022) - np.square(side / 0.06)) * np.clip(-y / 0.06 - 0.2, 0, 1)
        + 0.18 * np.exp(-np.square((side - 0.07) / 0.05) - np.square((z - 0.31) / 0.018)) * (y < -0.08)
        + 0.35 * near(0.082, -0.028, 0.72, 0.014)
        + 0.30 * near(0.021, -0.130, 0.735, 0.010)
        + 0.15 * near(0.021, -0.142, 0.697, 0.008)
        + 0.30 * near(0.0, -0.160, 0.688, 0.007)
        + 0.12 * near(0.0, -0.150, 0.6445, 0.010)
    )
    return np.asarray(1 - np.clip(dark * np.where(is_arm > 0.9, 0.3, 1), 0, 0.6), np.float32)


def _per_vertex_uv(body: BodyModel) -> Floats:
    uv = np.zeros((len(body.template), 2), np.float32)
    uv[body.faces.ravel()] = body.uv[body.uv_faces.ravel()]
    return uv


def smooth_noise(position: Floats, octaves: tuple[float, ...] = _NOISE_OCTAVES) -> Floats:
    """Fixed smooth random fields at points (N, 3): sums of plane waves with random directions, (N, fields)."""
    rng = np.random.default_rng(20)
    noise = np.zeros((len(position), _NOISE_FIELDS), np.float32)
    for i in range(_NOISE_FIELDS):
        for octave, waves in enumerate(octaves):
            directions = (rng.normal(size=(3, 3)) * waves).astype(np.float32)
            phase = rng.uniform(0, 2 * np.pi, 3).astype(np.float32)
            noise[:, i] += np.sin(position @ directions + phase).sum(1) / np.float32(octave + 1.5)
    return np.asarray(noise / noise.std(0), np.float32)

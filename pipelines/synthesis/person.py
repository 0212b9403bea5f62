"""A person: an identity on the body, ready to be posed and turned into a surface to draw."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.appearance import Outfit, dress
from pipelines.synthesis.atlas import Atlas, VertexFields, build_atlas, vertex_fields
from pipelines.synthesis.body import PARTS, AnnyBody, Pose, Posed
from pipelines.synthesis.grounding import stand
from pipelines.synthesis.identity import Identity
from pipelines.synthesis.parts import face_parts
from pipelines.synthesis.scene import Floats, Surface
from pipelines.synthesis.skeleton import Skeleton

_SMOOTHING_ROUNDS = 2
_SOLE = 0.006  # metres from the foot to the ground, as shoes are thick


@dataclass(frozen=True)
class Gather:
    """Sums of rows of other arrays onto vertices. rows: their indices, by vertex; starts (V,): each one's first."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, vertices: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> "Gather":
        order = np.argsort(vertices, kind="stable")
        return cls(rows[order], np.searchsorted(vertices[order], np.arange(count)))

    def sum(self, values: Floats) -> Floats:
        """(rows, 3) to (V, 3)."""
        return np.asarray(np.add.reduceat(values[self.rows], self.starts, axis=0), np.float32)


@dataclass(frozen=True)
class Studio:
    """What is made once per process: body, texture atlas, skeleton and mesh tables."""

    body: AnnyBody
    atlas: Atlas
    fields: VertexFields
    skeleton: Skeleton
    skin: NDArray[np.int64]
    corner_vertex: NDArray[np.int64]
    parts: NDArray[np.uint8]
    around: Gather
    neighbours: Gather
    degree: Floats

    @classmethod
    def open(cls, texture_size: int) -> "Studio":
        """texture_size: texels in height."""
        body = AnnyBody()
        fields = vertex_fields(body)
        count = len(body.template)
        corner_vertex = np.zeros(len(body.uv), np.int64)
        corner_vertex[body.uv_faces.ravel()] = body.faces.ravel()
        around = Gather.of(body.faces.ravel().astype(np.int64), np.repeat(np.arange(len(body.faces)), 3), count)
        edges = np.unique(
            np.concatenate([body.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2])]), axis=0
        ).astype(np.int64)
        degree = np.bincount(edges[:, 0], minlength=count).astype(np.float32)[:, None]
        neighbours = Gather.of(edges[:, 0], edges[:, 1], count)
        return cls(
            body=body,
            atlas=build_atlas(body, fields, texture_size),
            fields=fields,
            skeleton=Skeleton.of(body),
            skin=np.unique(body.faces[body.face_part == PARTS.index("body")]),
            corner_vertex=corner_vertex,
            parts=face_parts(body),
            around=around,
            neighbours=neighbours,
            degree=degree,
        )

    def normals(self, vertices: Floats) -> Floats:
        """Unit vertex normals, weighted by area, (V, 3)."""
        corners = vertices[self.body.faces]
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        total = self.around.sum(np.asarray(flat, np.float32))
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), np.float32)

    def dress(self, identity: Identity) -> "Person":
        outfit = dress(self.body, self.fields, self.atlas, identity.look)
        return Person(self, identity, outfit, self.body.uv_faces[outfit.faces])


@dataclass(frozen=True)
class Person:
    """A dressed identity. corners (F', 3): the drawn faces, as corners of the texture charts."""

    studio: Studio
    identity: Identity
    outfit: Outfit
    corners: NDArray[np.int32]

    def pose(self, pose: Pose) -> Posed:
        """The bare body in T frames; it stands on the floor z = 0 in at least one of them."""
        studio = self.studio
        still = dataclasses.replace(pose, translation=np.zeros_like(pose.translation))
        made = studio.body.pose(self.identity.phenotypes, still)
        lowest = made.vertices[:, studio.skin, 2].min(1) - _SOLE
        offset = stand(studio.skeleton, pose, made, lowest)[:, None]
        return Posed(made.vertices + offset, made.points + offset)

    def surface(self, bare: Floats) -> Surface:
        """What is seen of one frame: the body (V, 3) with clothes and hair."""
        studio, outfit = self.studio, self.outfit
        smooth = bare
        for _ in range(_SMOOTHING_ROUNDS):
            smooth = smooth + 0.8 * outfit.smooth[:, None] * (studio.neighbours.sum(smooth) / studio.degree - smooth)
        dressed = smooth + outfit.offset[:, None] * studio.normals(smooth)
        normals = studio.normals(dressed)
        corner = studio.corner_vertex
        parts = studio.parts[outfit.faces]
        return Surface(dressed[corner], normals[corner], studio.body.uv, self.corners, outfit.texture, parts)

"""Sparse products over a fixed mesh: vertex normals, and smoothing for cloth that hangs free of the body's shapes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.model import PARTS, BodyModel
from pipelines.synthesis.people.atlas import VertexFields
from pipelines.synthesis.scenes.scene import Floats

# Taubin (1995): a step of smoothing and a larger step back keep the volume.
_FORTH, _BACK = 0.85, -0.88
_CLOSE_ROUNDS, _LOOSE_ROUNDS = 1, 5
_FARTHEST_ARM = 1.12  # in arm lengths: no cloth is beyond


def least(values: Floats, faces: NDArray[np.integer]) -> Floats:
    """The least of the values (V,) at each face's corners, (F,)."""
    a, b, c = (values[faces[:, i]] for i in range(3))
    return np.asarray(np.minimum(np.minimum(a, b), c))


def most(values: Floats, faces: NDArray[np.integer]) -> Floats:
    """The greatest of the values (V,) at each face's corners, (F,)."""
    return -least(-values, faces)


def compact(used: NDArray[np.integer], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers below `count` that are used, in order, and what replaces each of `used` when these are renumbered."""
    there = np.zeros(count, bool)
    there[used.ravel()] = True
    renumbered = np.cumsum(there) - 1
    return np.flatnonzero(there), np.asarray(renumbered[used], np.int64)


@dataclass(frozen=True)
class Normals:
    """Unit vertex normals, weighted by the area of the faces around. faces (F, 3); sums: sparse (V, F)."""

    faces: NDArray[np.int32]
    sums: Any

    @classmethod
    def of(cls, faces: NDArray[np.integer], count: int) -> "Normals":
        from scipy.sparse import csr_array

        own = np.ascontiguousarray(faces, np.int32)
        by_face = np.arange(0, own.size + 1, 3, dtype=np.int32)
        sums = csr_array((np.ones(own.size, np.float32), own.ravel(), by_face), shape=(len(own), count)).T
        return cls(own, sums)

    def at(self, vertices: Floats) -> Floats:
        """(V, 3) for vertices (V, 3)."""
        a, b, c = (vertices[self.faces[:, i]] for i in range(3))
        (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
        flat = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], 1)
        total = self.sums @ flat
        return np.asarray(total / np.maximum(np.sqrt(np.square(total).sum(1)), 1e-12)[:, None], np.float32)


@dataclass(frozen=True)
class Smoothing:
    """The mean of each vertex's neighbours, over the vertices (R,) that cloth may cover: sparse (R, R)."""

    rows: NDArray[np.int64]
    means: Any

    @classmethod
    def of(cls, body: BodyModel, fields: VertexFields) -> "Smoothing":
        from scipy.sparse import csr_array, diags_array

        skin = body.faces[body.face_part == PARTS.index("body")]
        coverable = (fields.is_head < 0.9) & ~((fields.is_arm > 0.5) & (fields.arm > _FARTHEST_ARM))
        faces = skin[coverable[skin].all(1)]
        rows = np.unique(faces)
        number = np.zeros(len(body.template), np.int64)
        number[rows] = np.arange(len(rows))
        own = number[faces]
        first, second = own[:, [0, 1, 2, 1, 2, 0]].ravel(), own[:, [1, 2, 0, 0, 1, 2]].ravel()
        links = csr_array((np.ones(len(first), np.float32), (first, second)), shape=(len(rows), len(rows)))
        links.data[:] = 1
        means = csr_array(diags_array((1 / links.sum(1)).astype(np.float32)) @ links)
        return cls(rows.astype(np.int64), means.astype(np.float32))

    def of_cloth(self, vertices: Floats, loose: bool) -> Floats:
        """The body's vertices (V, 3), smoothed where cloth may be."""
        at = vertices[self.rows]
        for _ in range(_LOOSE_ROUNDS if loose else _CLOSE_ROUNDS):
            for amount in (_FORTH, _BACK):
                at = at + np.float32(amount) * (self.means @ at - at)
        smooth = vertices.copy()
        smooth[self.rows] = at
        return smooth

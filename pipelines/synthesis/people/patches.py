"""Things worn that are no part of the body's mesh: grids of points in template space that follow bones.

A grid is bound to anchors. An anchor is the affine map (least squares) that takes a stiff region of the template, as
the skull or the chest, to where it is in a frame: so what is worn follows pose and build of every identity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.model import BodyModel
from pipelines.synthesis.scenes.scene import Floats

# Anchor -> the bones whose stiff middle it follows.
_REGIONS: dict[str, tuple[str, ...]] = {
    "head": ("head",),
    "chest": ("spine01", "spine02", "clavicle"),
    "pelvis": ("root", "pelvis", "spine05", "spine04"),
    "thigh.L": ("upperleg01.L", "upperleg02.L"),
    "thigh.R": ("upperleg01.R", "upperleg02.R"),
    "shin.L": ("lowerleg01.L", "lowerleg02.L"),
    "shin.R": ("lowerleg01.R", "lowerleg02.R"),
    "foot.L": ("foot.L",),
    "foot.R": ("foot.R",),
}
ANCHORS = tuple(_REGIONS)
_SKULL = (-0.10, 0.745)  # of the head only what is behind this y or above this z: it does not move with the face
_MOST_ROWS = 160


@dataclass(frozen=True)
class Anchors:
    """rows: vertices of each anchor; solve: the map (4, rows) from their places to the affine map."""

    rows: list[NDArray[np.int64]]
    solve: list[Floats]

    @classmethod
    def of(cls, body: BodyModel, skin: NDArray[np.int64]) -> "Anchors":
        rows, solve = [], []
        for name, bones in _REGIONS.items():
            chosen = skin[body.weight_of(bones)[skin] > 0.8]
            if name == "head":
                at = body.template[chosen]
                chosen = chosen[(at[:, 1] > _SKULL[0]) & (at[:, 2] > 0.70) | (at[:, 2] > _SKULL[1])]
            chosen = chosen[np.linspace(0, len(chosen) - 1, min(_MOST_ROWS, len(chosen))).astype(np.int64)]
            at = np.concatenate([body.template[chosen], np.ones((len(chosen), 1))], 1)
            rows.append(chosen)
            solve.append(np.asarray(np.linalg.pinv(at), np.float32))
        return cls(rows, solve)

    def fit_one(self, name: str, vertices: Floats) -> Floats:
        """The affine map (4, 3) of one anchor."""
        i = ANCHORS.index(name)
        return np.asarray(self.solve[i] @ vertices[self.rows[i]], np.float32)

    def fit(self, vertices: Floats) -> Floats:
        """Affine maps (A, 4, 3) of one frame, from template points with a 1 appended, for vertices (V, 3)."""
        return np.stack([solve @ vertices[rows] for rows, solve in zip(self.rows, self.solve, strict=True)])


@dataclass(frozen=True)
class Patch:
    """points (R, C, 3) on the template; closed: the last column meets the first; weights: anchor -> share (R, C), which
    sum to 1; paint (h, w, 3) sRGB in [0, 1], its first row on the first row of points; label: what it
    covers, of `scene.PART_LABELS`, or `legs`."""

    points: Floats
    closed: bool
    weights: dict[str, Floats]
    paint: Floats
    label: str

    @classmethod
    def stiff(cls, anchor: str, points: NDArray[np.floating], closed: bool, paint: Floats, label: str) -> "Patch":
        """A patch that follows one anchor."""
        weights = {anchor: np.ones(points.shape[:2], np.float32)}
        return cls(np.asarray(points, np.float32), closed, weights, paint, label)

    def at(self, maps: Floats) -> Floats:
        """The points of one frame, (R * C, 3). maps (A, 4, 3): of `Anchors.fit`."""
        flat = self.points.reshape(-1, 3)
        total = np.zeros(flat.shape, np.float32)
        for name, share in self.weights.items():
            one = maps[ANCHORS.index(name)]
            total += share.reshape(-1, 1) * (flat @ one[:3] + one[3])
        return total


def grid_mesh(rows: int, columns: int, closed: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Triangles (F, 3) of a grid as corners, the point of each corner, and the corners' places (x, y down) in [0, 1].

    A closed grid has one more column of corners than of points, so that the texture does not run backwards.
    """
    across = columns + closed
    row, column = np.divmod(np.arange(rows * across), across)
    place = np.stack([column / (across - 1), row / (rows - 1)], 1).astype(np.float32)
    corner = np.arange(rows * across).reshape(rows, across)
    a, b, c, d = (corner[i : rows - 1 + i, j : across - 1 + j].ravel() for i, j in ((0, 0), (0, 1), (1, 1), (1, 0)))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    return faces, row * columns + column % columns, place


def tube(path: NDArray[np.floating], radius: NDArray[np.floating] | float, sides: int, loop: bool = False) -> Floats:
    """Points (N, sides, 3) around a path (N, 3) of given radius (N,) or one; rows run along it. A loop's last point
    is drawn onto its first."""
    path = np.asarray(path, np.float64)
    if loop:
        path = np.concatenate([path, path[:1]])
    ahead = np.gradient(path, axis=0)
    if loop:
        ahead[[0, -1]] = path[1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # One fixed helper for the whole path: it must not turn along it.
    helper = np.eye(3)[np.abs(ahead).max(0).argmin()]
    first = np.cross(ahead, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(ahead, first)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    return np.asarray(path[:, None] + np.broadcast_to(radius, len(path))[:, None, None] * ring, np.float32)


def flat_paint(colour: tuple[float, float, float], texels: int = 4) -> Floats:
    return np.broadcast_to(np.asarray(colour, np.float32), (texels, texels, 3))

"""Which place of one body's surface corresponds to each vertex of another's, both in the same pose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipelines.synthesis.scenes.scene import Floats

_SAMPLES = 5  # along an edge: candidates that find the triangle, on which the place is then exact
_NORMAL = 0.03  # metres that opposite normals count as, halved: the two sides of a finger are not near


@dataclass(frozen=True)
class Match:
    """For N vertices: corners (N, 3), the other mesh's vertices around the place, and weights (N, 3) that sum to 1."""

    corners: NDArray[np.int64]
    weights: Floats

    def carry(self, values: Floats) -> Floats:
        """Values (V, ...) of the other mesh's vertices at the N places."""
        picked = values[self.corners]
        shaped = self.weights.reshape(*self.weights.shape, *[1] * (values.ndim - 1))
        return np.asarray((picked * shaped).sum(1), np.float32)


def vertex_normals(vertices: Floats, faces: NDArray[np.integer]) -> Floats:
    """Unit normals (V, 3), weighted by area; 0 where a vertex has no face."""
    corners = vertices[faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], flat)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), np.float32)


def match(points: Floats, normals: Floats, vertices: Floats, faces: NDArray[np.integer]) -> Match:
    """The nearest place, in position and in normal, on the surface (vertices, faces) to each of N points."""
    first, second = np.meshgrid(np.arange(_SAMPLES), np.arange(_SAMPLES))
    inside = first + second < _SAMPLES
    grid = (np.stack([first[inside], second[inside]], 1) + 1 / 3) / _SAMPLES
    shares = np.concatenate([1 - grid.sum(1, keepdims=True), grid], 1)
    own = vertex_normals(vertices, faces)
    samples = np.einsum("kc,fcd->fkd", shares, vertices[faces]).reshape(-1, 3)
    facing = np.einsum("kc,fcd->fkd", shares, own[faces]).reshape(-1, 3)
    _, nearest = cKDTree(np.concatenate([samples, _NORMAL * facing], 1)).query(
        np.concatenate([points, _NORMAL * normals], 1)
    )
    corners = faces[nearest // len(shares)].astype(np.int64)
    return Match(corners, _barycentric(points, vertices[corners]))


def _barycentric(points: Floats, triangles: Floats) -> Floats:
    """Weights (N, 3) of the places in triangles (N, 3, 3) near points (N, 3): projected, then drawn inside."""
    along = triangles[:, 1:] - triangles[:, :1]
    gram = np.einsum("nid,njd->nij", along, along)
    gram += 1e-12 * np.eye(2)
    right = np.einsum("nid,nd->ni", along, points - triangles[:, 0])
    two = np.linalg.solve(gram, right[..., None])[..., 0]
    weights = np.clip(np.concatenate([1 - two.sum(1, keepdims=True), two], 1), 0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)

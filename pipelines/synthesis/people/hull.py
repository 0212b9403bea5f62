"""Convex hulls as garments see them: how far it is to the outside along a direction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import Floats


@dataclass(frozen=True)
class Hull:
    """normals (F, 3) point outwards; a point `p` is inside where `normals @ p + offsets <= 0` for all F facets."""

    normals: Floats
    offsets: Floats

    @classmethod
    def of(cls, points: NDArray[np.floating]) -> "Hull":
        from scipy.spatial import ConvexHull

        equations = np.unique(ConvexHull(np.asarray(points, np.float64)).equations.round(6), axis=0)
        return cls(np.asarray(equations[:, :3], np.float32), np.asarray(equations[:, 3], np.float32))

    def reach(self, origins: Floats, directions: Floats) -> Floats:
        """Distance (..., ) from points (..., 3) to where unit directions (..., 3) leave the hull; less than 0 where
        the point lies outside already and the direction leads away."""
        towards = directions @ self.normals.T
        behind = -(origins @ self.normals.T + self.offsets)
        ahead = np.where(towards > 1e-4, behind / np.maximum(towards, 1e-4), np.inf)
        return np.asarray(ahead.min(-1), np.float32)

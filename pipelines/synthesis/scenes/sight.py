"""What of a surface a camera sees: of points whether, and of a picture's cells where in another picture they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.engines import RenderEngine
from pipelines.synthesis.scenes.scene import Camera, Floats, Surface

CELL = 2  # pixels per side of a cell
_SLACK = 0.015  # metres behind the photo's surface within which a place still counts as seen there


def in_sight(camera: Camera, points: Floats, depth: Floats, slack: Floats | float) -> tuple[Floats, NDArray[np.bool_]]:
    """Pixel coordinates (N, 2) of world points (N, 3), and whether each is in the picture and unhidden (N,).

    depth: (S, S) of what was drawn. slack: metres, of all points or of each, that a point may lie behind it.
    """
    pixels, distance = camera.project(points), camera.to_camera(points)[:, 2]
    inside = (distance > 0) & ((pixels >= 0) & (pixels < camera.size)).all(1)
    column, row = np.floor(np.clip(pixels, 0, camera.size - 1)).astype(int).T
    surface = _deepest_near(depth, row, column)
    return pixels, inside & (surface > 0) & (distance < surface + slack)


def _deepest_near(depth: Floats, row: NDArray[np.int64], column: NDArray[np.int64]) -> Floats:
    """The largest depth in the 3 x 3 pixels around each place: a point on a silhouette lies between pixels."""
    padded = np.pad(depth, 1)
    return np.asarray(np.max([padded[row + i, column + j] for i in range(3) for j in range(3)], axis=0))


@dataclass(frozen=True)
class Cells:
    """The surface that is seen at the centres of a picture's cells, H per side: N of them see some.

    row, column (N,): which these are. corners (N, 3): vertices of the face that is there; weights (N, 3) of them, so
    that the weighted sum of what they have is what the surface has there. part (H, H) uint8, as in `Layers`.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    corners: NDArray[np.int32]
    weights: NDArray[np.float64]
    part: NDArray[np.uint8]

    @classmethod
    def of(cls, engine: RenderEngine, surface: Surface, camera: Camera) -> "Cells":
        """camera: of the picture, with an even number of pixels per side."""
        coarse = camera.scaled(1 / CELL)
        faces = engine.faces(surface, coarse)
        row, column = np.nonzero(faces >= 0)
        met = faces[row, column]
        part = np.zeros_like(faces, np.uint8)
        part[row, column] = surface.parts[met]
        corners = surface.faces[met]
        a, b, c = np.moveaxis(coarse.to_camera(surface.vertices[corners]).astype(np.float64), 1, 0)
        centre = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], 1)
        ray = centre @ np.linalg.inv(coarse.intrinsics.astype(np.float64)).T
        # Volumes of the ray with two corners each: weights in space, not in the picture.
        volumes = np.stack([(np.cross(*pair) * ray).sum(1) for pair in ((b, c), (c, a), (a, b))], 1)
        # Engines round corners to parts of a pixel: a centre may lie by so much outside of its face.
        weights = np.maximum(volumes * np.sign(volumes.sum(1, keepdims=True)), 0)
        total = weights.sum(1, keepdims=True)
        weights = np.where(total > 0, weights / np.maximum(total, np.finfo(np.float64).tiny), 1 / 3)
        return cls(row, column, corners, weights, part)

    def in_photo(self, vertices: Floats, camera: Camera, depth: Floats) -> Floats:
        """Where each cell's place on the person is in another picture, the photo: (H, H, 3) x, y in shares of the
        photo's sides, outside [0, 1] where it is off the photo, then 1 where it is visible there; 0 where there is no
        surface. What is behind the photo's camera has no place there: x and y tell nothing.

        vertices, camera, depth: of the photo; the surface must have the same faces.
        """
        points = (vertices[self.corners] * self.weights[..., None]).sum(1).astype(np.float32)
        pixels, seen = in_sight(camera, points, depth, _SLACK)
        placed = np.zeros((*self.part.shape, 3), np.float32)
        placed[self.row, self.column] = np.concatenate([pixels / camera.size, seen[:, None]], 1)
        return placed

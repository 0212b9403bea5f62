"""The shadow of a person on the floor and the wall, and the darkening where they touch the ground.

The mesh is flattened along the key light onto the floor and its triangles are summed into a coarse grid, by area; a
point of any surface then looks up where the light through it meets the floor. That costs a millisecond, whatever the
size of the picture, and needs no engine. Penumbrae: what is higher above the floor is blurred more, the softer the
light the more.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.synthesis.scenes.lights import key_share
from pipelines.synthesis.scenes.scene import Floats, Light, Surface

_CELLS = 64
_TRIANGLES = 6000
_LOW = 0.5  # metres: triangles below cast the sharper shadow
_TOUCH = 0.12  # metres above the floor up to which a surface darkens it


@dataclass(frozen=True)
class Grid:
    """Values in [0, 1] on the floor. origin (2,): x and y of the outer corner of cell (0, 0); cell (2,): metres."""

    values: Floats
    origin: Floats
    cell: Floats

    def at(self, xy: Floats) -> Floats:
        """Bilinear values (H, W) at floor points (H, W, 2), 0 outside."""
        import cv2

        place = (xy - self.origin) / self.cell - 0.5
        return np.asarray(
            cv2.remap(self.values, place.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT),
            np.float32,
        )


@dataclass(frozen=True)
class Shadow:
    """key: how much of the key light is kept away; touch: how much of the light from all sides."""

    key: Grid
    touch: Grid


def cast(surface: Surface, light: Light) -> Shadow:
    """The shadow of a surface that stands on the floor z = 0."""
    # The blur hides that only some of the triangles are looked at.
    every = max(1, len(surface.faces) // _TRIANGLES)
    corners = surface.vertices[surface.faces[::every]]
    height = corners[..., 2].mean(1)
    slope = light.direction[:2] / max(float(light.direction[2]), 0.1)
    flat = corners[..., :2] - corners[..., 2:] * slope
    low = height < _LOW
    # The penumbra of a light of half-angle a is a wide per metre of way.
    spread = (0.02 + 0.16 * (1 - key_share(light))) / max(float(light.direction[2]), 0.2)
    blurs = (0.3 * spread, spread * float(np.median(height)))
    origin, cell = _extent(flat, 0.1 + 2.5 * max(blurs))
    near, far = (_splat(flat[rows], every, origin, cell, blur) for rows, blur in zip((low, ~low), blurs, strict=True))
    touching = corners[height < _TOUCH][..., :2]
    ground, size = _extent(touching if len(touching) else corners[..., :2], 0.3)
    touch = _splat(touching, every, ground, size, 0.05)
    return Shadow(Grid(1 - (1 - near) * (1 - far), origin, cell), Grid(touch, ground, size))


def _extent(points: Floats, margin: float) -> tuple[Floats, Floats]:
    low, high = points.reshape(-1, 2).min(0) - margin, points.reshape(-1, 2).max(0) + margin
    return low.astype(np.float32), ((high - low) / _CELLS).astype(np.float32)


def _splat(triangles: Floats, every: int, origin: Floats, cell: Floats, blur: float) -> Floats:
    """Coverage (_CELLS, _CELLS) in [0, 1] by flat triangles (N, 3, 2), each of which stands for `every`, blurred by a
    deviation of `blur` metres."""
    import cv2

    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    # A closed surface covers every place twice.
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) * (every / 4)
    where = ((triangles.mean(1) - origin) / cell).astype(np.int64)
    total = np.bincount(where[:, 1] * _CELLS + where[:, 0], area, _CELLS * _CELLS)
    cover = (total.reshape(_CELLS, _CELLS) / (cell[0] * cell[1])).astype(np.float32)
    sigma = np.maximum(blur / cell, 0.7)
    blurred = cv2.GaussianBlur(cover, (0, 0), sigmaX=float(sigma[0]), sigmaY=float(sigma[1]))
    return np.asarray(np.clip(1.15 * blurred, 0, 1), np.float32)

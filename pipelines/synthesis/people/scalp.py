"""The skull as hair and hats see it: a convex surface around the head's middle, by azimuth and polar angle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.people.hull import Hull
from pipelines.synthesis.scenes.scene import Floats

MIDDLE = np.array([0.0, -0.04, 0.74], np.float32)
_COLUMNS, _POLES = 72, 61
_STEEPEST = 150.0  # degrees from the crown
# The hairline's height by y, from the forehead past the ears to the nape.
_LINE_Y = (-0.16, -0.13, -0.105, -0.085, -0.07, -0.055, -0.02, 0.02, 0.06)
_LINE_Z = (0.802, 0.797, 0.778, 0.752, 0.728, 0.712, 0.688, 0.652, 0.636)
_EAR_Y, _EAR_Z, _EAR_RADIUS, _EAR_X = -0.035, 0.712, 0.034, 0.066


def hairline_field(points: Floats, shift: float) -> Floats:
    """Metres inside the hair for points (..., 3) of the scalp. shift: how much higher the line is on the forehead."""
    x, y, z = np.moveaxis(points, -1, 0)
    line = np.interp(y, _LINE_Y, _LINE_Z) + shift * (y < -0.1)
    ear = np.hypot(y - _EAR_Y, z - _EAR_Z) - _EAR_RADIUS
    return np.asarray(np.where(np.abs(x) > _EAR_X, np.minimum(z - line, ear), z - line), np.float32)


@dataclass(frozen=True)
class Scalp:
    """reach (72, 61): distance from `MIDDLE` to the skull by azimuth (0 the front, then to the left) and polar angle (0
    the crown). chest: the trunk's hull, that long hair lies on."""

    reach: Floats
    chest: Hull

    @classmethod
    def of(cls, skin: Floats, is_head: Floats, is_arm: Floats) -> "Scalp":
        """skin (V, 3): the template's skin; is_head, is_arm (V,) as in `atlas.Texels`."""
        x, y, z = skin.T
        ear = (np.abs(x) > _EAR_X) & (np.hypot(y - _EAR_Y, z - _EAR_Z) < 0.055)
        face = (z < 0.745) & (y < -0.095)
        skull = (is_head > 0.5) & (z > 0.65) & ~ear & ~face
        hull = Hull.of(skin[skull])
        angles = directions(np.arange(_COLUMNS) * 2 * np.pi / _COLUMNS, np.radians(np.linspace(0, _STEEPEST, _POLES)))
        trunk = (z > 0.15) & (z < 0.585) & (is_arm < 0.5) & (np.abs(x) < 0.17)
        return cls(hull.reach(MIDDLE, angles), Hull.of(skin[trunk]))

    def radius(self, azimuth: NDArray[np.floating], polar: NDArray[np.floating]) -> Floats:
        """Distance from `MIDDLE` to the skull; angles of one shape, radians."""
        column = azimuth / (2 * np.pi) * _COLUMNS
        row = np.clip(np.degrees(polar) / _STEEPEST * (_POLES - 1), 0, _POLES - 1.001)
        c, r = np.floor(column).astype(int), np.floor(row).astype(int)
        fc, fr = column - c, row - r
        upper = self.reach[c % _COLUMNS, r] * (1 - fc) + self.reach[(c + 1) % _COLUMNS, r] * fc
        lower = self.reach[c % _COLUMNS, r + 1] * (1 - fc) + self.reach[(c + 1) % _COLUMNS, r + 1] * fc
        return np.asarray(upper * (1 - fr) + lower * fr, np.float32)

    def points(self, azimuth: NDArray[np.floating], polar: NDArray[np.floating], off: NDArray[np.floating]) -> Floats:
        """Points (R, C, 3), `off` (R, C) metres off the skull, for azimuths (C,) and polar angles (R, C)."""
        across = np.broadcast_to(azimuth, polar.shape)
        out = np.stack([np.sin(polar) * np.sin(across), -np.sin(polar) * np.cos(across), np.cos(polar)], -1)
        return np.asarray(MIDDLE + (self.radius(across, polar) + off)[..., None] * out, np.float32)

    def end_of(self, azimuth: NDArray[np.floating], inside: "Floats") -> Floats:
        """The polar angle (C,) where a field (60, C), sampled at `polar_grid`, first becomes negative."""
        grid = polar_grid()
        out = inside < 0
        first = np.where(out.any(0), out.argmax(0), len(grid) - 1).clip(1)
        across = np.arange(len(azimuth))
        high, low = inside[first - 1, across], inside[first, across]
        share = np.clip(high / np.maximum(high - low, 1e-6), 0, 1)
        return np.asarray(grid[first - 1] + share * (grid[first] - grid[first - 1]), np.float32)

    def on_grid(self, azimuth: NDArray[np.floating]) -> Floats:
        """The skull's points at `polar_grid`, (60, C, 3)."""
        polar = np.broadcast_to(polar_grid()[:, None], (len(polar_grid()), len(azimuth)))
        return self.points(azimuth, polar, np.zeros(polar.shape))


def polar_grid() -> Floats:
    return np.radians(np.linspace(10, _STEEPEST, 60)).astype(np.float32)


def directions(azimuth: NDArray[np.floating], polar: NDArray[np.floating]) -> Floats:
    """Unit vectors (azimuths, polar angles, 3)."""
    a, p = azimuth[:, None], polar[None]
    return np.asarray(np.stack([np.sin(p) * np.sin(a), -np.sin(p) * np.cos(a), np.cos(p) + 0 * a], -1), np.float32)

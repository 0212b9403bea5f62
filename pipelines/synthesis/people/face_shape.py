"""Faces that differ: smooth displacements of the template's head, one number each, on top of the body's phenotypes.

Each direction is a bump around a place on the template (metres; x to the left, -y forward, z up) that pushes one way.
The field is continuous, so the named points, hair and glasses are displaced by the same formula as the skin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import Floats

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Direction:
    """centre and spread of the bump, the push, in metres for a coefficient of 1. mirrored: the same on both sides.
    flat: like a plateau, so that what lies within (an eye) keeps its shape."""

    centre: Triple
    spread: Triple
    push: Triple
    mirrored: bool = False
    flat: bool = False


DIRECTIONS: dict[str, Direction] = {
    "nose_length": Direction((0, -0.158, 0.699), (0.013, 0.03, 0.014), (0, -0.0006, -0.0028)),
    "nose_out": Direction((0, -0.168, 0.702), (0.013, 0.03, 0.014), (0, -0.0032, 0)),
    "nose_width": Direction((0.013, -0.152, 0.697), (0.010, 0.02, 0.011), (0.0021, 0, 0), mirrored=True),
    "nose_bridge": Direction((0, -0.150, 0.722), (0.009, 0.025, 0.016), (0, -0.0021, 0)),
    "nose_bend": Direction((0, -0.160, 0.702), (0.014, 0.03, 0.016), (0.0010, 0, 0)),
    "jaw_width": Direction((0.055, -0.085, 0.652), (0.025, 0.05, 0.028), (0.0048, 0, 0), mirrored=True),
    "chin_length": Direction((0, -0.145, 0.622), (0.035, 0.05, 0.020), (0, 0, -0.0040)),
    "chin_out": Direction((0, -0.145, 0.628), (0.025, 0.05, 0.017), (0, -0.0035, 0)),
    "chin_width": Direction((0.022, -0.140, 0.628), (0.018, 0.04, 0.018), (0.0030, 0, 0), mirrored=True),
    "cheekbones": Direction((0.055, -0.110, 0.704), (0.021, 0.03, 0.018), (0.0022, -0.0016, 0), mirrored=True),
    "cheek_fullness": Direction((0.046, -0.115, 0.672), (0.020, 0.03, 0.020), (0.0022, -0.0026, 0), mirrored=True),
    "brow_ridge": Direction((0, -0.150, 0.752), (0.045, 0.03, 0.012), (0, -0.0019, 0)),
    "forehead": Direction((0, -0.120, 0.815), (0.060, 0.07, 0.035), (0, -0.0008, 0.0042)),
    "face_width": Direction((0.062, -0.080, 0.700), (0.030, 0.07, 0.060), (0.0032, 0, 0), mirrored=True),
    "upper_lip": Direction((0, -0.160, 0.668), (0.020, 0.02, 0.006), (0, -0.0011, 0.0009)),
    "lower_lip": Direction((0, -0.160, 0.653), (0.020, 0.02, 0.006), (0, -0.0012, -0.0009)),
    "mouth_width": Direction((0.026, -0.150, 0.662), (0.013, 0.02, 0.013), (0.0023, 0, 0), mirrored=True),
    "mouth_height": Direction((0, -0.160, 0.660), (0.036, 0.04, 0.013), (0, 0, 0.0022)),
    "eye_spacing": Direction((0.031, -0.130, 0.730), (0.026, 0.05, 0.028), (0.0015, 0, 0), mirrored=True, flat=True),
    "eye_height": Direction((0.031, -0.130, 0.730), (0.028, 0.05, 0.026), (0, 0, 0.0018), mirrored=True, flat=True),
    "eye_depth": Direction((0.031, -0.130, 0.730), (0.026, 0.05, 0.026), (0, 0.0018, 0), mirrored=True, flat=True),
    "ears_out": Direction((0.085, -0.040, 0.732), (0.013, 0.03, 0.035), (0.0035, 0.0006, 0), mirrored=True),
    "ears_length": Direction((0.083, -0.045, 0.700), (0.012, 0.03, 0.020), (0, 0, -0.0035), mirrored=True),
    "skull_depth": Direction((0, 0.060, 0.770), (0.090, 0.05, 0.070), (0, 0.0050, 0)),
}
# The template's lips are a little apart, and the teeth show: this closes them, the half above and the half below.
_MOUTH = (0.0, -0.155, 0.6616)
_MOUTH_SPREAD, _CLOSING = (0.020, 0.03, 0.009), 0.0008
_STILL = 2e-5  # metres: less is left out
_LOWEST, _FULL = 0.585, 0.62  # displacements fade out below the chin, between these heights


@dataclass(frozen=True)
class FaceBasis:
    """What each direction does to fixed points.

    moved (M,): the points that any of them moves; pushes (D + 1, M, 3): the last is the same for everybody; count: how
    many points there are.
    """

    moved: NDArray[np.int64]
    pushes: Floats
    count: int

    @classmethod
    def of(cls, points: Floats) -> "FaceBasis":
        """points (N, 3): on the template."""
        near = np.flatnonzero(points[:, 2] > _LOWEST)
        pushes = _pushes(points[near])
        there = np.abs(pushes).max((0, 2)) > _STILL
        return cls(near[there], np.ascontiguousarray(pushes[:, there]), len(points))

    def displacement(self, coefficients: tuple[float, ...]) -> Floats:
        """By how much the `moved` points are displaced, (M, 3). coefficients: one for each of `DIRECTIONS`, about
        normally distributed."""
        return np.asarray(np.tensordot(np.array([*coefficients, 1], np.float32), self.pushes, 1), np.float32)

    def of_all(self, coefficients: tuple[float, ...]) -> Floats:
        """The displacements of all points, (N, 3)."""
        whole = np.zeros((self.count, 3), np.float32)
        whole[self.moved] = self.displacement(coefficients)
        return whole


def displacement(coefficients: tuple[float, ...], points: Floats) -> Floats:
    """The same for points (N, 3) that are needed once, (N, 3)."""
    moved = np.zeros(points.shape, np.float32)
    near = np.flatnonzero(points[:, 2] > _LOWEST)
    moved[near] = np.tensordot(np.array([*coefficients, 1], np.float32), _pushes(points[near]), 1)
    return moved


def _pushes(at: Floats) -> Floats:
    """Displacements (D + 1, N, 3) of points (N, 3) for coefficients of 1."""
    folded = at.copy()
    folded[:, 0] = np.abs(at[:, 0])
    # Between the halves a sideways push passes through 0.
    sign = np.clip(at[:, 0] / 0.008, -1, 1)
    fade = np.clip((at[:, 2] - _LOWEST) / (_FULL - _LOWEST), 0, 1)
    found = np.zeros((len(DIRECTIONS) + 1, len(at), 3), np.float32)
    for row, direction in zip(found, DIRECTIONS.values(), strict=False):
        centre, spread = np.array(direction.centre, np.float32), np.array(direction.spread, np.float32)
        distance = np.square(((folded if direction.mirrored else at) - centre) / spread).sum(1)
        amount = fade * np.exp(-np.square(distance) if direction.flat else -distance)
        row[:] = amount[:, None] * np.array(direction.push, np.float32)
        if direction.mirrored:
            row[:, 0] *= sign
    near_mouth = np.exp(-np.square((at - _MOUTH) / _MOUTH_SPREAD).sum(1))
    found[-1, :, 2] = -_CLOSING * near_mouth * np.sign(at[:, 2] - _MOUTH[2])
    return found

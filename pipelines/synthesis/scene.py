"""What an engine draws, and the conventions that all engines share.

World: right-handed, metres, z up; a person at rest faces -y, so their left is +x.
Camera: OpenCV axes, x right, y down, z forward. A world point `p` is `rotation @ p + translation` in camera space.
Pixels: the image spans [0, size] in both directions, pixel (column i, row j) has its centre at (i + 0.5, j + 0.5).
Depth: the camera-space z in metres, 0 where there is no surface.
Normals: camera space, unit length, turned towards the camera; 0 where there is no surface.
Colour: shading is done in linear light with gamma 2.2; every engine but `pyrender` uses the formula of `SHADING`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NEAR, FAR = 0.05, 50.0
GAMMA = 2.2
# Linear colour = albedo x (ambient mixed by the normal's z between ground and sky
#                           + key x max(0, n.l) + fill x max(0, n.v)) + gloss of the key light.
GLOSS, GLOSS_POWER = 0.06, 24.0
_SIDED = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
# Regions of the body, the same on every identity: clothes and hair belong to what they cover.
PART_LABELS = (
    *("background", "face", "head", "neck", "torso"),
    *(f"{side}_{limb}" for side in ("left", "right") for limb in _SIDED),
)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. rotation (3, 3), translation (3,), intrinsics (3, 3) in pixels, size: pixels per side."""

    rotation: Floats
    translation: Floats
    intrinsics: Floats
    size: int

    @property
    def centre(self) -> Floats:
        """Position in the world, (3,)."""
        return np.asarray(-self.rotation.T @ self.translation, np.float32)

    def to_camera(self, points: Floats) -> Floats:
        """World points (..., 3) in camera space."""
        return np.asarray(points @ self.rotation.T + self.translation, np.float32)

    def project(self, points: Floats) -> Floats:
        """Pixel coordinates (..., 2) of world points (..., 3)."""
        projected = self.to_camera(points) @ self.intrinsics.T
        return np.asarray(projected[..., :2] / np.maximum(projected[..., 2:], 1e-6), np.float32)

    def scaled(self, factor: int) -> "Camera":
        """The same view with `factor` times as many pixels per side."""
        intrinsics = self.intrinsics * np.array([[factor], [factor], [1]], np.float32)
        return Camera(self.rotation, self.translation, intrinsics, self.size * factor)

    def clip_matrix(self) -> Floats:
        """World to OpenGL clip space with row 0 of the frame buffer as the image's top row, (4, 4)."""
        focal_x, focal_y = self.intrinsics[0, 0], self.intrinsics[1, 1]
        centre_x, centre_y = self.intrinsics[0, 2], self.intrinsics[1, 2]
        projection = np.array(
            [
                [2 * focal_x / self.size, 0, 2 * centre_x / self.size - 1, 0],
                [0, 2 * focal_y / self.size, 2 * centre_y / self.size - 1, 0],
                [0, 0, (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
                [0, 0, 1, 0],
            ]
        )
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = self.rotation, self.translation
        return np.asarray(projection @ view, np.float32)


def look_at(eye: Floats, target: Floats, focal: float, size: int) -> Camera:
    """A level camera at `eye` that has `target` in the middle. focal: in units of the image's side."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward]).astype(np.float32)
    intrinsics = np.array([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1]], np.float32)
    return Camera(rotation, np.asarray(-rotation @ eye, np.float32), intrinsics, size)


@dataclass(frozen=True)
class Light:
    """One key light, a fill from the camera, and an ambient that changes from ground to sky; linear colours (3,).

    direction: unit vector in the world from the scene towards the key light.
    """

    direction: Floats
    key: Floats
    fill: Floats
    sky: Floats
    ground: Floats


@dataclass(frozen=True)
class Surface:
    """A textured mesh in the world.

    vertices, normals (V, 3); uv (V, 2), v up; faces (F, 3) int32; texture (H, W, 3) uint8, row 0 at v = 1;
    parts (F,) uint8: index into `PART_LABELS` of each face.
    """

    vertices: Floats
    normals: Floats
    uv: Floats
    faces: NDArray[np.int32]
    texture: NDArray[np.uint8]
    parts: NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """One picture to draw. background (size, size, 3) uint8."""

    surface: Surface
    camera: Camera
    light: Light
    background: NDArray[np.uint8]


@dataclass(frozen=True)
class Layers:
    """What an engine returns, S = camera size.

    rgb (S, S, 3) uint8, antialiased; at pixel centres: mask (S, S) bool, depth (S, S) and normals (S, S, 3) float32,
    part (S, S) uint8, index into `PART_LABELS`.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    depth: Floats
    normals: Floats
    part: NDArray[np.uint8]


def coverage(covered: Floats) -> Floats:
    """Share of each pixel (S, S) that is covered, from 2 x 2 samples (2S, 2S) that are 0 or 1."""
    size = len(covered) // 2
    return np.asarray(covered.reshape(size, 2, size, 2).mean((1, 3)), np.float32)


def composite(samples: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average 2 x 2 samples (2S, 2S, 4) with coverage in the last channel over the background (S, S, 3)."""
    size = len(background)
    colour = samples[..., :3].astype(np.uint16) * (samples[..., 3:] > 0)
    rows = colour.reshape(size, 2, size, 2, 3)
    total = rows[:, 0, :, 0] + rows[:, 0, :, 1] + rows[:, 1, :, 0] + rows[:, 1, :, 1]
    covered = (samples[..., 3] > 0).reshape(size, 2, size, 2).sum((1, 3), dtype=np.uint16)[..., None]
    return np.asarray((total + background.astype(np.uint16) * (4 - covered) + 2) // 4, np.uint8)

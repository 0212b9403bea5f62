"""What an engine draws, and the conventions that all engines share.

World: right-handed, metres, z up; a person at rest faces -y, so their left is +x.
Camera: OpenCV axes, x right, y down, z forward. A world point `p` is `rotation @ p + translation` in camera space.
Pixels: the image spans [0, size] in both directions, pixel (column i, row j) has its centre at (i + 0.5, j + 0.5).
Depth: the camera-space z in metres, 0 where there is no surface.
Normals: camera space, unit length, turned towards the camera; 0 where there is no surface.
Colour: shading is done in linear light with gamma 2 (a root is cheap). Every engine but `pyrender` uses the formula
that stands before `GLOSS`.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NEAR, FAR = 0.05, 50.0
GAMMA = 2.0
# Linear colour = albedo x (ambient mixed by the normal's z between ground and sky
#                           + key x max(0, n.l) + fill x max(0, n.v)) + gloss of the key light.
GLOSS, GLOSS_POWER = 0.06, 24.0
SAMPLES_PER_SIDE = 3  # of the picture that holds the samples, see `sampling`
_SIDED = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
# Regions of the body, the same on every identity: clothes and hair belong to what they cover.
PART_LABELS = (
    *("background", "face", "head", "neck", "torso"),
    *(f"{side}_{limb}" for side in ("left", "right") for limb in _SIDED),
)
_OTHER = {"left": "right", "right": "left"}


def _mirrored(label: str) -> str:
    side, _, limb = label.partition("_")
    return f"{_OTHER[side]}_{limb}" if side in _OTHER else label


# Which label each is in a mirror.
MIRRORED_LABELS = tuple(PART_LABELS.index(_mirrored(label)) for label in PART_LABELS)


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

    def scaled(self, factor: float) -> "Camera":
        """The same view with `factor` times as many pixels per side, which must be a whole number."""
        intrinsics = self.intrinsics * np.array([[factor], [factor], [1]], np.float32)
        return Camera(self.rotation, self.translation, intrinsics, round(self.size * factor))

    def clip_matrix(self) -> Floats:
        """World to OpenGL clip space with row 0 of the frame buffer as the image's top row, (4, 4)."""
        projection = np.zeros((4, 4))
        projection[:2, :3] = 2 * self.intrinsics[:2] / self.size
        projection[:2, 2] -= 1
        projection[2, 2:] = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        projection[3, 2] = 1
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
    """A textured mesh in the world. Engines keep what frames share: these arrays must not change once drawn.

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


def sampling(camera: Camera) -> Camera:
    """The camera whose pixel centres are the samples of `camera`'s pixels, five each.

    It sees the picture turned and enlarged: pixel coordinates (x, y) become (2x + y, 2y - x + size). Pixel (i, j) has
    its centre on sample (2i + j + 1, 2j - i + size), so that sample is exact for depth and normals; its colour is the
    mean of that one and its four neighbours. In the picture those are (0, 0), (.4, -.2), (.2, .4), (-.4, .2),
    (-.2, -.4): five different places along both axes, which smooths edges near the axes better than 2 x 2 samples.
    """
    turn = np.array([[2, 1, 0], [-1, 2, camera.size], [0, 0, 1]], np.float32)
    return Camera(camera.rotation, camera.translation, turn @ camera.intrinsics, SAMPLES_PER_SIDE * camera.size)


@functools.cache
def sample_places(size: int) -> NDArray[np.int64]:
    """Where the samples of each pixel lie in the flattened picture of `sampling`, (5, size, size), the centre first."""
    side = SAMPLES_PER_SIDE * size
    j, i = np.mgrid[:size, :size]
    middle = (2 * j - i + size) * side + 2 * i + j + 1
    return np.asarray(middle + np.array([0, 1, -1, side, -side])[:, None, None], np.int64)

"""pyrender, for who knows and extends it: its own physically based shading, so colours differ from the other engines.

Slower than `gl`; normals come from a second pass in 8 bits per channel.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import FAR, NEAR, Camera, Floats, Layers, Scene, Surface

# pyrender looks along -z with y up.
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
_PART_STEP = 12  # between the grey values of two part labels


class PyrenderEngine:
    """Engine `pyrender`. Raises: whatever PyOpenGL raises where there is no usable EGL."""

    name = "pyrender"

    def __init__(self) -> None:
        os.environ["PYOPENGL_PLATFORM"] = "egl"
        os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")
        if not hasattr(np, "infty"):
            np.infty = np.inf  # type: ignore[attr-defined]  # removed in numpy 2, still used by pyrender 0.1.45
        import pyrender
        from OpenGL.GL import glRenderbufferStorageMultisample

        # Multisampling is most of its cost, and blends depth and normals at edges.
        pyrender.renderer.glRenderbufferStorageMultisample = lambda target, _samples, *rest: (
            glRenderbufferStorageMultisample(target, 0, *rest)
        )
        self._pyrender = pyrender
        self._renderer: Any = None
        self._renderer = self._sized(64)

    def _sized(self, size: int) -> Any:
        # One renderer per process: a second context would be killed by the first one's end.
        if self._renderer is None:
            self._renderer = self._pyrender.OffscreenRenderer(size, size)
        self._renderer.viewport_width = self._renderer.viewport_height = size
        return self._renderer

    def render(self, scene: Scene) -> Layers:
        camera, surface = scene.camera, scene.surface
        plain = self._pyrender.RenderFlags.SKIP_CULL_FACES | self._pyrender.RenderFlags.RGBA
        flat = plain | self._pyrender.RenderFlags.FLAT
        colour, _ = self._draw(self._lit(scene), camera.scaled(2), plain)
        turned = self._mesh(positions=surface.vertices, indices=surface.faces, color_0=(surface.normals + 1) / 2)
        normal_colour, depth = self._draw(self._unlit(turned), camera, flat)
        shade = np.repeat(surface.parts, 3)[:, None] * np.full(3, _PART_STEP / 255)
        labelled = self._mesh(positions=surface.vertices[surface.faces.ravel()], color_0=shade)
        part_colour, _ = self._draw(self._unlit(labelled), camera, flat)

        normals = (normal_colour[..., :3].astype(np.float32) / 127.5 - 1) @ camera.rotation.T
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        mask = (depth > 0) & (depth < FAR)
        normals = np.where(mask[..., None], normals / np.maximum(length, 1e-6), 0)
        normals = np.where(np.sum(normals * _rays(scene), -1, keepdims=True) > 0, -normals, normals)
        covered = np.where(colour[..., 3:] > 127, 255, 0).astype(np.uint8)
        return Layers(
            _composite(np.concatenate([colour[..., :3], covered], -1), scene.background),
            mask,
            np.where(mask, depth, 0).astype(np.float32),
            normals.astype(np.float32),
            np.where(mask, np.rint(part_colour[..., 0] / _PART_STEP), 0).astype(np.uint8),
        )

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        flags = self._pyrender.RenderFlags
        mesh = self._mesh(positions=vertices, indices=faces)
        _, depth = self._draw(self._unlit(mesh), camera.scaled(2), flags.SKIP_CULL_FACES | flags.RGBA | flags.FLAT)
        return _coverage((depth > 0).astype(np.float32))

    def faces(self, surface: Surface, camera: Camera) -> NDArray[np.int32]:
        flags = self._pyrender.RenderFlags
        # The number of a face, plus one, in the 24 bits of its colour.
        number = np.arange(1, len(surface.faces) + 1)[:, None] >> np.array([0, 8, 16]) & 255
        mesh = self._mesh(positions=surface.vertices[surface.faces.ravel()], color_0=np.repeat(number, 3, 0) / 255)
        colour, _ = self._draw(self._unlit(mesh), camera, flags.SKIP_CULL_FACES | flags.RGBA | flags.FLAT)
        return np.asarray(colour[..., :3].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32) - 1, np.int32)

    def _mesh(self, **look: Any) -> Any:
        return self._pyrender.Mesh([self._pyrender.Primitive(mode=4, **look)])

    def _unlit(self, mesh: Any) -> Any:
        world = self._pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=(1.0, 1.0, 1.0))
        world.add(mesh)
        return world

    def _lit(self, scene: Scene) -> Any:
        pyrender, light, surface = self._pyrender, scene.light, scene.surface
        ambient = np.sqrt((light.sky + light.ground) / 2)
        world = pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=ambient)
        texture = pyrender.Texture(source=surface.texture, source_channels="RGB")
        material = pyrender.MetallicRoughnessMaterial(
            baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=0.9, doubleSided=True
        )
        world.add(
            self._mesh(
                positions=surface.vertices,
                normals=surface.normals,
                texcoord_0=surface.uv,
                indices=surface.faces,
                material=material,
            )
        )
        world.add(pyrender.DirectionalLight(color=light.key, intensity=3.0), pose=_aimed(light.direction))
        return world

    def _draw(self, world: Any, camera: Camera, flags: int) -> tuple[Any, Any]:
        k, view = camera.intrinsics, np.eye(4)
        view[:3, :3], view[:3, 3] = camera.rotation, camera.translation
        lens = self._pyrender.IntrinsicsCamera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], znear=NEAR, zfar=FAR)
        world.add(lens, pose=np.linalg.inv(view) @ _FLIP)
        return self._sized(camera.size).render(world, flags=flags)  # type: ignore[no-any-return]


def _rays(scene: Scene) -> Floats:
    """Directions from the camera through each pixel's centre in camera space, (S, S, 3)."""
    camera = scene.camera
    row, column = np.mgrid[: camera.size, : camera.size] + 0.5
    k = camera.intrinsics
    x, y = (column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1]
    return np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)


def _aimed(direction: Floats) -> Floats:
    """A pose whose -z axis points against `direction`."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 0.0, 1.0], z) + np.array([1e-6, 0, 0])
    x /= np.linalg.norm(x)
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    return pose


def _coverage(covered: Floats) -> Floats:
    """Share of each pixel (S, S) that is covered, from 2 x 2 samples (2S, 2S) that are 0 or 1."""
    size = len(covered) // 2
    return np.asarray(covered.reshape(size, 2, size, 2).mean((1, 3)), np.float32)


def _composite(samples: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average 2 x 2 samples (2S, 2S, 4) with coverage in the last channel over the background (S, S, 3)."""
    size = len(background)
    colour = samples[..., :3].astype(np.uint16) * (samples[..., 3:] > 0)
    rows = colour.reshape(size, 2, size, 2, 3)
    total = rows[:, 0, :, 0] + rows[:, 0, :, 1] + rows[:, 1, :, 0] + rows[:, 1, :, 1]
    covered = (samples[..., 3] > 0).reshape(size, 2, size, 2).sum((1, 3), dtype=np.uint16)[..., None]
    return np.asarray((total + background.astype(np.uint16) * (4 - covered) + 2) // 4, np.uint8)

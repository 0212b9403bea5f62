"""pyrender, for who knows and extends it: its own physically based shading, so colours differ from the other engines.

Slower than `gl`; normals come from a second pass in 8 bits per channel.
"""

import os
from typing import Any

import numpy as np

from pipelines.synthesis.scene import FAR, NEAR, Floats, Layers, Scene, composite

# pyrender looks along -z with y up.
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


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
        size = scene.camera.size
        flags = self._pyrender.RenderFlags
        plain = flags.SKIP_CULL_FACES | flags.RGBA
        colour, _ = self._draw(scene, 2 * size, plain, lit=True)
        normal_colour, depth = self._draw(scene, size, plain | flags.FLAT, lit=False)
        normals = normal_colour[..., :3].astype(np.float32) / 127.5 - 1
        normals = normals @ scene.camera.rotation.T
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        mask = (depth > 0) & (depth < FAR)
        normals = np.where(mask[..., None], normals / np.maximum(length, 1e-6), 0)
        normals = np.where(np.sum(normals * _rays(scene), -1, keepdims=True) > 0, -normals, normals)
        covered = np.where(colour[..., 3:] > 127, 255, 0).astype(np.uint8)
        samples = np.concatenate([colour[..., :3], covered], -1)
        return Layers(
            composite(samples, scene.background),
            mask,
            np.where(mask, depth, 0).astype(np.float32),
            normals.astype(np.float32),
        )

    def _draw(self, scene: Scene, size: int, flags: int, lit: bool) -> tuple[Any, Any]:
        pyrender, camera, light = self._pyrender, scene.camera.scaled(size // scene.camera.size), scene.light
        ambient = np.sqrt((light.sky + light.ground) / 2) if lit else (1.0, 1.0, 1.0)
        world = pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=ambient)
        surface, k = scene.surface, camera.intrinsics
        look: dict[str, Any] = {}
        if lit:
            texture = pyrender.Texture(source=surface.texture, source_channels="RGB")
            look["texcoord_0"] = surface.uv
            look["material"] = pyrender.MetallicRoughnessMaterial(
                baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=0.9, doubleSided=True
            )
        else:
            look["color_0"] = (surface.normals + 1) / 2
        primitive = pyrender.Primitive(
            positions=surface.vertices, normals=surface.normals, indices=surface.faces, mode=4, **look
        )
        world.add(pyrender.Mesh([primitive]))
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = camera.rotation, camera.translation
        pose = np.linalg.inv(view) @ _FLIP
        world.add(pyrender.IntrinsicsCamera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], znear=NEAR, zfar=FAR), pose=pose)
        if lit:
            world.add(pyrender.DirectionalLight(color=light.key, intensity=3.0), pose=_aimed(light.direction))
        return self._sized(size).render(world, flags=flags)  # type: ignore[no-any-return]


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

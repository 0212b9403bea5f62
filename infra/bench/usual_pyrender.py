"""pyrender the way most people use it: an OffscreenRenderer with its default multisampling, a textured mesh with a
directional light for colour and depth, and a second pass with normals as vertex colours."""

import os
from typing import Any

import numpy as np

from pipelines.synthesis.scenes.scene import FAR, NEAR, Floats, Scene

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # pyrender looks along -z with y up


class UsualPyrender:
    """size: pixels per side."""

    def __init__(self, size: int) -> None:
        os.environ["PYOPENGL_PLATFORM"] = "egl"
        os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")
        if not hasattr(np, "infty"):
            np.infty = np.inf  # type: ignore[attr-defined]  # removed in numpy 2, still used by pyrender 0.1.45
        import pyrender

        self._pyrender: Any = pyrender
        self._renderer = pyrender.OffscreenRenderer(size, size)

    def render(self, scene: Scene) -> tuple[Any, Floats, Floats]:
        """Colour (S, S, 3) before a plain background, depth (S, S), camera-space normals (S, S, 3)."""
        pyrender, surface = self._pyrender, scene.surface
        background = scene.background[0, 0] / 255
        lit = pyrender.Scene(bg_color=background, ambient_light=(scene.light.sky + scene.light.ground) / 2)
        material = pyrender.MetallicRoughnessMaterial(
            baseColorTexture=pyrender.Texture(source=surface.texture, source_channels="RGB"),
            metallicFactor=0.0,
            roughnessFactor=0.9,
            doubleSided=True,
        )
        lit.add(self._mesh(surface, texcoord_0=surface.uv, normals=surface.normals, material=material))
        lit.add(pyrender.DirectionalLight(color=scene.light.key, intensity=3.0), pose=np.eye(4))
        rgb, depth = self._draw(lit, scene, pyrender.RenderFlags.NONE)
        flat = pyrender.Scene(bg_color=(0.5, 0.5, 0.5), ambient_light=(1.0, 1.0, 1.0))
        flat.add(self._mesh(surface, color_0=(surface.normals + 1) / 2))
        colours, _ = self._draw(flat, scene, pyrender.RenderFlags.FLAT)
        normals = (colours / np.float32(127.5) - 1) @ scene.camera.rotation.T
        return rgb, depth, normals

    def silhouette(self, scene: Scene) -> Floats:
        """A white person before black, (S, S) in [0, 1]: what its edges look like."""
        world = self._pyrender.Scene(bg_color=(0.0, 0.0, 0.0), ambient_light=(1.0, 1.0, 1.0))
        world.add(self._mesh(scene.surface, color_0=np.ones_like(scene.surface.normals)))
        colours, _ = self._draw(world, scene, self._pyrender.RenderFlags.FLAT)
        return np.asarray(colours[..., 0] / np.float32(255))

    def _mesh(self, surface: Any, **look: Any) -> Any:
        primitive = self._pyrender.Primitive(positions=surface.vertices, indices=surface.faces, mode=4, **look)
        return self._pyrender.Mesh([primitive])

    def _draw(self, world: Any, scene: Scene, flags: int) -> tuple[Any, Any]:
        k, view = scene.camera.intrinsics, np.eye(4)
        view[:3, :3], view[:3, 3] = scene.camera.rotation, scene.camera.translation
        lens = self._pyrender.IntrinsicsCamera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], znear=NEAR, zfar=FAR)
        world.add(lens, pose=np.linalg.inv(view) @ _FLIP)
        return self._renderer.render(world, flags=flags | self._pyrender.RenderFlags.SKIP_CULL_FACES)

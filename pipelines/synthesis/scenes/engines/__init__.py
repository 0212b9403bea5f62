"""Rendering engines: one protocol, several ways to draw, chosen by what the machine can do."""

import functools
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UsageError
from pipelines.synthesis.scenes.scene import Camera, Floats, Layers, Scene, Surface

NAMES = ("gl", "raster", "pyrender")


class RenderEngine(Protocol):
    """Draws scenes. The same scene, engine and machine give the same bytes."""

    name: str

    def render(self, scene: Scene) -> Layers: ...

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        """The share of each pixel that a mesh covers, (S, S) in [0, 1]. vertices (V, 3) in the world, faces (F, 3)."""
        ...

    def faces(self, surface: Surface, camera: Camera) -> NDArray[np.int32]:
        """Which face of a surface is the nearest at each pixel's centre, (S, S); -1 where there is none."""
        ...


def choose_engine(name: str = "auto") -> tuple[RenderEngine, str]:
    """An engine that works on this machine, and one sentence on which and why.

    name: of `NAMES`, or `auto`: `gl` where OpenGL through EGL works, else `raster`.
    Raises: UsageError for an unknown name, or a named engine that cannot start here.
    """
    from pipelines.synthesis.scenes.engines.raster import RasterEngine

    if name not in {"auto", *NAMES}:
        raise UsageError(f"engine {name!r}: is not one of auto, {', '.join(NAMES)}; choose one of these")
    if name == "raster":
        return RasterEngine(), "engine raster: chosen by name"
    try:
        engine = _start("gl" if name == "auto" else name)
    except Exception as error:  # each driver fails in its own way, and auto must work without any
        reason = " ".join(str(error).split()) or type(error).__name__
        if name != "auto":
            raise UsageError(
                f"engine {name!r}: cannot start here ({reason}); install libegl1 and libgl1-mesa-dri, or choose raster"
            ) from error
        return RasterEngine(), f"engine raster: OpenGL through EGL does not work here ({reason})"
    return engine, f"engine {engine.name}: " + ("OpenGL through EGL works here" if name == "auto" else "chosen by name")


@functools.cache
def _start(name: str) -> RenderEngine:
    # Once per process: contexts of OpenGL that are made again and again are not all given back.
    if name == "gl":
        from pipelines.synthesis.scenes.engines.gl import GlEngine

        return GlEngine()
    from pipelines.synthesis.scenes.engines.pyrender import PyrenderEngine

    return PyrenderEngine()

"""One body and one engine for all tests of rendering: both take a second to make."""

import numpy as np
import pytest

from pipelines.engine import pin_threads
from pipelines.synthesis.body.model import AnnyBody
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines import RenderEngine, choose_engine
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from pipelines.synthesis.scenes.scene import Camera, Floats, Light, Scene, Surface, look_at


@pytest.fixture(scope="session")
def studio() -> Studio:
    pin_threads()
    return Studio.open(128)


@pytest.fixture(scope="session")
def skeleton() -> Skeleton:
    pin_threads()
    return Skeleton.of(AnnyBody())


@pytest.fixture(scope="session")
def raster() -> RasterEngine:
    pin_threads()
    return RasterEngine()


@pytest.fixture(scope="session")
def gl() -> RenderEngine:
    pin_threads()
    engine, why = choose_engine("auto")
    if engine.name != "gl":
        pytest.skip(why)
    return engine


def plain_light() -> Light:
    def grey(value: float) -> Floats:
        return np.full(3, value, np.float32)

    direction = np.array([0.3, -0.8, 0.5], np.float32)
    return Light(direction / np.linalg.norm(direction), grey(0.7), grey(0.1), grey(0.4), grey(0.2))


def plain_scene(surface: Surface, camera: Camera) -> Scene:
    return Scene(surface, camera, plain_light(), np.full((camera.size, camera.size, 3), 90, np.uint8))


def front_camera(size: int = 96, distance: float = 3.6) -> Camera:
    eye, target = np.array([0.2, -distance, 1.2], np.float32), np.array([0, 0, 0.9], np.float32)
    return look_at(eye, target, 1.6, size)

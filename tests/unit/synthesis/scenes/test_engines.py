"""Engines agree on geometry, keep the conventions of `scene`, and repeat themselves byte by byte."""

import subprocess
import sys

import numpy as np
import pytest

from pipelines.errors import UsageError, WorkError
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes import engines
from pipelines.synthesis.scenes.engines import RenderEngine, choose_engine
from pipelines.synthesis.scenes.engines.raster import RasterEngine, rasterise
from pipelines.synthesis.scenes.scene import PART_LABELS, Camera, Layers, Scene, Surface, look_at
from tests.unit.synthesis.conftest import front_camera, plain_scene


def person_scene(studio: Studio, seed: int, size: int = 96) -> Scene:
    rng = np.random.default_rng(seed)
    person = studio.dress(sample_identity(rng))
    posed = person.pose(sample_motion(rng, studio.skeleton, 1).at(np.zeros(1), studio.skeleton))
    return plain_scene(person.surface(posed.vertices[0]), front_camera(size))


def sphere(radius: float = 0.5, centre: tuple[float, float, float] = (0, 0, 1)) -> Surface:
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 129), np.linspace(0, np.pi, 65))
    normals = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], -1).reshape(-1, 3)
    index = np.arange(65 * 129).reshape(65, 129)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    uv = np.stack([u / (2 * np.pi), 1 - v / np.pi], -1).reshape(-1, 2)
    grey = np.full((4, 4, 3), 128, np.uint8)
    vertices = radius * normals + np.array(centre)
    return Surface(
        vertices.astype(np.float32),
        normals.astype(np.float32),
        uv.astype(np.float32),
        faces.astype(np.int32),
        grey,
        np.full(len(faces), PART_LABELS.index("torso"), np.uint8),
    )


def check_agreement(a: Layers, b: Layers, degrees: float) -> None:
    both, either = a.mask & b.mask, a.mask | b.mask
    assert both.sum() / either.sum() > 0.99
    assert np.percentile(np.abs(a.depth - b.depth)[both], 98) < 2e-4
    cosine = np.clip((a.normals * b.normals).sum(-1)[both], -1, 1)
    assert np.percentile(np.degrees(np.arccos(cosine)), 98) < degrees
    assert (a.part == b.part)[both].mean() > 0.998
    for layers in (a, b):
        assert ((layers.part > 0) == layers.mask).all()
        assert ((layers.depth > 0) == layers.mask).all()


@pytest.mark.parametrize("name", ["raster", "gl"])
def test_sphere_is_where_geometry_says(name: str, request: pytest.FixtureRequest) -> None:
    engine: RenderEngine = request.getfixturevalue(name)
    size, distance, radius = 128, 3.0, 0.5
    camera = look_at(np.array([0, -distance, 1], np.float32), np.array([0, 0, 1], np.float32), 2.0, size)
    drawn = engine.render(plain_scene(sphere(radius), camera))
    # The silhouette of a sphere: tan of its half-angle is r / sqrt(d^2 - r^2).
    seen = 2.0 * size * radius / np.sqrt(distance**2 - radius**2)
    assert np.sqrt(drawn.mask.sum() / np.pi) == pytest.approx(seen, rel=0.01)
    middle = size // 2
    assert drawn.depth[middle, middle] == pytest.approx(distance - radius, abs=1e-3)
    assert np.allclose(drawn.normals[middle, middle], [0, 0, -1], atol=0.02)
    assert drawn.normals[middle, middle + 40][0] > 0.5  # x right
    assert drawn.normals[middle + 40, middle][1] > 0.5  # y down
    assert np.allclose(np.linalg.norm(drawn.normals[drawn.mask], axis=1), 1, atol=1e-4)
    assert (drawn.depth[~drawn.mask] == 0).all()
    assert (drawn.normals[~drawn.mask] == 0).all()
    assert (drawn.rgb[0, 0] == 90).all()


@pytest.mark.parametrize("name", ["raster", "gl"])
def test_silhouette_is_the_share_of_each_pixel_that_is_covered(name: str, request: pytest.FixtureRequest) -> None:
    engine: RenderEngine = request.getfixturevalue(name)
    camera = Camera(np.eye(3, dtype=np.float32)[[0, 2, 1]], np.zeros(3, np.float32), _intrinsics(32), 32)
    # A square from pixel 8 to pixel 20.5 in both directions.
    corners = (np.array([[8, 8], [20.5, 8], [8, 20.5], [20.5, 20.5]]) - 16) / 32
    square = np.stack([corners[:, 0], np.ones(4), corners[:, 1]], 1).astype(np.float32)
    covered = engine.silhouette(square, np.array([[0, 1, 2], [1, 3, 2]], np.int32), camera)
    assert covered.shape == (32, 32)
    assert covered.dtype == np.float32
    assert (covered[8:20, 8:20] == 1).all()
    assert np.allclose(covered[8:20, 20], 0.5, atol=0.1 + 1e-6)
    assert covered[:8].max() == covered[21:].max() == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_gl_and_raster_draw_the_same(studio: Studio, raster: RasterEngine, gl: RenderEngine, seed: int) -> None:
    scene = person_scene(studio, seed)
    a, b = raster.render(scene), gl.render(scene)
    check_agreement(a, b, degrees=0.1)
    assert np.abs(a.rgb.astype(int) - b.rgb)[a.mask].mean() < 1


_PYRENDER = """
from pipelines.engine import pin_threads
pin_threads()
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from tests.unit.synthesis.scenes.test_engines import check_agreement, person_scene
from pipelines.synthesis.people.person import Studio
studio = Studio.open(128)
engine, _ = choose_engine("pyrender")
for size in (96, 128):
    scene = person_scene(studio, 1, size)
    drawn = engine.render(scene)
    check_agreement(drawn, RasterEngine().render(scene), degrees=1.0)
    assert (engine.render(scene).rgb == drawn.rgb).all()
    assert drawn.rgb[drawn.mask].std() > 10
    outline = engine.silhouette(scene.surface.vertices, scene.surface.faces, scene.camera)
    expected = RasterEngine().silhouette(scene.surface.vertices, scene.surface.faces, scene.camera)
    assert abs(outline - expected).mean() < 5e-3  # four samples there, five here
    assert abs(outline.sum() / expected.sum() - 1) < 0.005
    numbers = [one.faces(scene.surface, scene.camera) for one in (engine, RasterEngine())]
    assert (numbers[0] == numbers[1]).mean() > 0.995, (numbers[0] == numbers[1]).mean()
    assert numbers[0].max() > 2**12
"""


def test_pyrender_draws_the_same_geometry(gl: RenderEngine) -> None:
    assert gl.name == "gl"  # the fixture skips where OpenGL does not work
    # A process of its own: pyrender takes over the state of OpenGL.
    done = subprocess.run([sys.executable, "-c", _PYRENDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["raster", "gl"])
def test_same_scene_gives_the_same_bytes(studio: Studio, name: str, request: pytest.FixtureRequest) -> None:
    engine: RenderEngine = request.getfixturevalue(name)
    scene = person_scene(studio, 2)
    first = engine.render(scene)
    engine.render(person_scene(studio, 3, 64))
    again = engine.render(scene)
    for layer in ("rgb", "mask", "depth", "normals", "part"):
        assert (getattr(first, layer) == getattr(again, layer)).all()


def test_reprojection_of_points_is_exact() -> None:
    rng = np.random.default_rng(4)
    camera = front_camera(128)
    vertices = rng.uniform([-0.5, -0.3, 0.3], [0.5, 0.3, 1.6], (40, 3)).astype(np.float32)
    size = 0.012
    corners = np.array([[-1, 0, -1], [1, 0, -1], [0, 0, 1.0]], np.float32) * size
    triangles = (vertices[:, None] + corners).reshape(-1, 3)
    for i in range(40):
        found = rasterise(triangles[3 * i : 3 * i + 3], np.array([[0, 1, 2]]), camera.scaled(16))
        row, column = np.divmod(found.pixels.numpy(), 128 * 16)
        centroid = np.array([column.mean(), row.mean()]) / 16 + 0.5 / 16
        expected = camera.project(triangles[3 * i : 3 * i + 3]).mean(0)
        assert np.abs(centroid - expected).max() < 0.1


def test_nearer_face_hides_the_farther() -> None:
    near = np.array([[-1, 1, -1], [1, 1, -1], [0, 1, 1.5]], np.float32)
    camera = Camera(np.eye(3, dtype=np.float32)[[0, 2, 1]], np.zeros(3, np.float32), _intrinsics(32), 32)
    both = np.concatenate([near + np.array([0, 1, 0]), near]).astype(np.float32)
    found = rasterise(both, np.array([[0, 1, 2], [3, 4, 5]]), camera)
    assert set(found.faces.tolist()) == {0, 1} or set(found.faces.tolist()) == {1}
    assert found.depth.min() == pytest.approx(1)
    overlap = found.faces[found.depth < 1.5]
    assert (overlap == 1).all()
    behind = rasterise((both - np.array([0, 5, 0])).astype(np.float32), np.array([[0, 1, 2]]), camera)
    assert len(behind.pixels) == 0


def _intrinsics(size: int) -> np.ndarray:
    return np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1]], np.float32)


def test_choice_is_explained() -> None:
    engine, why = choose_engine("raster")
    assert engine.name == "raster"
    assert "chosen by name" in why
    with pytest.raises(UsageError, match="vulkan"):
        choose_engine("vulkan")


def test_without_opengl_auto_falls_back_and_a_named_engine_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> RenderEngine:
        raise OSError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(engines, "_start", broken)
    engine, why = choose_engine("auto")
    assert engine.name == "raster"
    assert "libEGL.so.1" in why
    with pytest.raises(UsageError, match="libegl1"):
        choose_engine("gl")


def test_a_picture_that_the_driver_refuses_is_told_in_one_sentence(gl: RenderEngine) -> None:
    camera = front_camera(40_000)
    with pytest.raises(WorkError, match="40000 px"):
        gl.silhouette(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32), camera)
    assert gl.silhouette(sphere().vertices, sphere().faces, front_camera(32)).max() == 1

"""The layers say what is so: against rays traced through every triangle, and against points that are projected."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines import RenderEngine
from pipelines.synthesis.scenes.scene import Camera, Layers, Scene
from tests.unit.synthesis.conftest import front_camera
from tests.unit.synthesis.scenes.test_engines import person_scene

_ENGINES = pytest.mark.parametrize("name", ["raster", "gl"])


def rays(camera: Camera) -> NDArray[np.float64]:
    """Directions through the pixels' centres in camera space with z = 1, (S, S, 3)."""
    row, column = np.mgrid[: camera.size, : camera.size] + 0.5
    plane = np.stack([column, row, np.ones_like(row)], -1)
    return np.asarray(plane @ np.linalg.inv(camera.intrinsics.astype(np.float64)).T)


def trace(scene: Scene, pixel: tuple[int, int]) -> tuple[float, int, NDArray[np.float64]]:
    """Depth, face and normal of what the ray through a pixel (row, column) meets first; depth 0 where nothing.

    Moeller and Trumbore, Fast, minimum storage ray-triangle intersection, 1997, in double precision.
    """
    camera, surface = scene.camera, scene.surface
    space = surface.vertices.astype(np.float64) @ camera.rotation.T + camera.translation
    a, b, c = space[surface.faces].transpose(1, 0, 2)
    ray = rays(camera)[pixel]
    edge, other = b - a, c - a
    p = np.cross(ray, other)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / (edge * p).sum(1)
        u = -(a * p).sum(1) * inverse
        q = np.cross(-a, edge)
        v, t = (q @ ray) * inverse, (other * q).sum(1) * inverse
        met = np.flatnonzero((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0))
    if not len(met):
        return 0.0, -1, np.zeros(3)
    first = met[t[met].argmin()]
    weights = np.array([1 - u[first] - v[first], u[first], v[first]])
    normal = camera.rotation @ (weights @ surface.normals[surface.faces[first]])
    normal /= np.linalg.norm(normal)
    return float(t[first]), int(first), -normal if normal @ ray > 0 else normal


def draw(engine: RenderEngine, studio: Studio, seed: int) -> tuple[Scene, Layers]:
    scene = person_scene(studio, seed, 128)
    return scene, engine.render(scene)


@_ENGINES
@pytest.mark.parametrize("seed", [5, 6])
def test_layers_are_what_rays_meet(studio: Studio, name: str, seed: int, request: pytest.FixtureRequest) -> None:
    scene, drawn = draw(request.getfixturevalue(name), studio, seed)
    rng = np.random.default_rng(seed)
    inside = rng.permutation(np.argwhere(drawn.mask))[:60]
    outside = rng.permutation(np.argwhere(~drawn.mask))[:10]
    depth_mm, degrees, part = [], [], []
    for row, column in inside:
        depth, face, normal = trace(scene, (row, column))
        depth_mm.append(1000 * abs(drawn.depth[row, column] - depth))
        degrees.append(np.degrees(np.arccos(np.clip(drawn.normals[row, column] @ normal, -1, 1))))
        part.append(drawn.part[row, column] == scene.surface.parts[face])
    # An edge may be met on its other side by arithmetic in single precision: at most one in sixty here.
    assert np.sort(depth_mm)[-2] < 0.05
    assert np.sort(degrees)[-2] < 0.2
    assert np.sum(part) >= len(part) - 1
    assert [trace(scene, (row, column))[0] for row, column in outside] == [0] * 10


@_ENGINES
def test_normals_have_unit_length_and_face_the_camera(
    studio: Studio, name: str, request: pytest.FixtureRequest
) -> None:
    scene, drawn = draw(request.getfixturevalue(name), studio, 7)
    length = np.linalg.norm(drawn.normals, axis=-1)
    assert np.allclose(length[drawn.mask], 1, atol=1e-5)
    assert (length[~drawn.mask] == 0).all()
    assert ((drawn.normals * rays(scene.camera)).sum(-1)[drawn.mask] < 1e-3).all()


@_ENGINES
def test_mask_depth_and_parts_begin_and_end_together(studio: Studio, name: str, request: pytest.FixtureRequest) -> None:
    _, drawn = draw(request.getfixturevalue(name), studio, 8)
    assert drawn.mask.mean() > 0.05
    assert (drawn.mask == (drawn.depth > 0)).all()
    assert (drawn.mask == (drawn.part > 0)).all()
    assert drawn.part.dtype == np.uint8
    assert (drawn.depth.dtype, drawn.normals.dtype) == (np.float32, np.float32)


@_ENGINES
def test_points_are_drawn_where_they_project(studio: Studio, name: str, request: pytest.FixtureRequest) -> None:
    """Each of the 88 points as a small disc parallel to the picture: the middle of what is drawn, to .1 pixels."""
    engine: RenderEngine = request.getfixturevalue(name)
    camera = front_camera(128)
    points = studio.body.points_at_rest() + np.array([0, 0, 0.85], np.float32)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)[:, None]
    rim = np.asarray(0.06 * (np.cos(turn) * camera.rotation[0] + np.sin(turn) * camera.rotation[1]), np.float32)
    faces = np.array([[0, i, i + 1] for i in range(1, 39)], np.int32)
    columns = np.arange(camera.size) + 0.5
    seen = camera.project(points)
    inside = np.flatnonzero(((seen > 4) & (seen < camera.size - 4)).all(1))
    assert len(inside) > 60
    for point in inside:
        covered = engine.silhouette(points[point] + rim, faces, camera)
        middle = np.array([columns @ covered.sum(0), columns @ covered.sum(1)]) / covered.sum()
        assert np.abs(middle - seen[point]).max() < 0.1
    # The same points through the stored 3D positions and intrinsics.
    again = camera.to_camera(points) @ camera.intrinsics.T
    assert np.abs(again[:, :2] / again[:, 2:] - seen).max() < 1e-3

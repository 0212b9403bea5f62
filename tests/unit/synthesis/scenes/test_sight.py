"""Where a picture's cells are in the photo: against rays traced through both pictures in double precision."""

import dataclasses

import numpy as np
import pytest

from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines import RenderEngine
from pipelines.synthesis.scenes.scene import PART_LABELS, Camera, Layers, Scene, look_at
from pipelines.synthesis.scenes.sight import Cells
from tests.unit.synthesis.conftest import front_camera, plain_scene
from tests.unit.synthesis.scenes.test_engines import sphere
from tests.unit.synthesis.scenes.test_truth import rays, trace

_ENGINES = pytest.mark.parametrize("name", ["raster", "gl"])
_SIZE = 256


def two_takes(studio: Studio, seed: int) -> tuple[Scene, Scene]:
    """One person in two poses, seen from two sides."""
    rng = np.random.default_rng(seed)
    person = studio.dress(sample_identity(rng))
    posed = person.pose(sample_motion(rng, studio.skeleton, 1).at(np.array([0.0, 0.9]), studio.skeleton))
    eye, middle = np.array([2.9, -1.5, 1.3], np.float32), np.array([0, 0, 0.95], np.float32)
    cameras = (front_camera(_SIZE), look_at(eye, middle, 1.7, _SIZE))
    first, second = (plain_scene(person.surface(v), c) for v, c in zip(posed.vertices, cameras, strict=True))
    return first, second


def drawn(engine: RenderEngine, target: Scene, photo: Scene) -> tuple[Cells, np.ndarray, Layers]:
    cells = Cells.of(engine, target.surface, target.camera)
    layers = engine.render(photo)
    return cells, cells.in_photo(photo.surface.vertices, photo.camera, layers.depth), layers


@_ENGINES
@pytest.mark.parametrize("seed", [5, 6])
def test_cells_are_where_rays_find_them(studio: Studio, name: str, seed: int, request: pytest.FixtureRequest) -> None:
    target, photo = two_takes(studio, seed)
    cells, source, _ = drawn(request.getfixturevalue(name), target, photo)
    coarse = dataclasses.replace(target, camera=target.camera.scaled(0.5))
    space = photo.camera.to_camera(photo.surface.vertices).astype(np.float64)
    rng, pixels, parts, hidden, found = np.random.default_rng(seed), [], [], [], []
    for row, column in rng.permutation(np.argwhere(cells.part > 0))[:100]:
        depth, face, _ = trace(coarse, (row, column))
        corners = coarse.camera.to_camera(target.surface.vertices)[target.surface.faces[face]].astype(np.float64)
        weights = np.linalg.solve(corners.T, depth * rays(coarse.camera)[row, column])
        point = weights @ space[photo.surface.faces[face]]
        place = (photo.camera.intrinsics @ point)[:2] / point[2]
        pixels.append(np.abs(source[row, column, :2] * _SIZE - place).max())
        parts.append(cells.part[row, column] == target.surface.parts[face])
        if ((place > 1) & (place < _SIZE - 1)).all():
            # A camera whose first pixel has its centre on the place.
            moved = photo.camera.intrinsics.copy()
            moved[:2, 2] += 0.5 - place
            lens = Camera(photo.camera.rotation, photo.camera.translation, moved, 1)
            hidden.append(point[2] - trace(dataclasses.replace(photo, camera=lens), (0, 0))[0])
            found.append(source[row, column, 2])
    # An edge may be met on its other side by arithmetic in single precision.
    assert np.sort(pixels)[-3] < 0.02
    assert np.sum(parts) >= len(parts) - 2
    behind, seen = np.array(hidden), np.array(found)
    # Where a surface is seen edge-on, its depth changes by more than the slack within a pixel.
    assert (seen[behind < 0.005] == 1).mean() > 0.97
    # What is hidden counts as seen only beside something farther, as points on a silhouette lie between pixels.
    assert (seen[behind > 0.05] == 0).mean() > 0.7
    assert 10 < (behind > 0.05).sum() < len(behind) - 30


@_ENGINES
def test_in_the_photo_itself_every_cell_is_where_it_is(
    studio: Studio, name: str, request: pytest.FixtureRequest
) -> None:
    _, photo = two_takes(studio, 7)
    cells, source, layers = drawn(request.getfixturevalue(name), photo, photo)
    row, column = np.nonzero(cells.part)
    assert len(row) > 200
    centres = np.stack([column + 0.5, row + 0.5], 1) * 2 / _SIZE
    assert np.abs(source[row, column, :2] - centres).max() * _SIZE < 0.02
    assert (source[row, column, 2] == 1).mean() > 0.995
    # The cell's centre is the corner of four pixels: it has the part of one of them, but for single edges.
    four = np.stack([layers.part[2 * row + i, 2 * column + j] for i in (0, 1) for j in (0, 1)])
    assert (four == cells.part[row, column]).any(0).mean() > 0.98


@_ENGINES
def test_there_is_nothing_where_nobody_is(studio: Studio, name: str, request: pytest.FixtureRequest) -> None:
    cells, source, _ = drawn(request.getfixturevalue(name), *two_takes(studio, 8))
    assert cells.part.shape == (_SIZE // 2, _SIZE // 2)
    assert (cells.part.dtype, source.dtype) == (np.uint8, np.float32)
    assert 0.03 < (cells.part > 0).mean() < 0.9
    assert (source[cells.part == 0] == 0).all()
    assert 0.1 < source[cells.part > 0, 2].mean() < 0.999


@_ENGINES
def test_what_is_off_the_photo_is_told_beyond_its_sides(name: str, request: pytest.FixtureRequest) -> None:
    """A sphere that in the photo has moved to the left by two of its diameters."""
    engine: RenderEngine = request.getfixturevalue(name)
    target, photo = (plain_scene(sphere(0.4, (x, 0, 1)), front_camera(_SIZE)) for x in (0.0, -1.6))
    cells, source, _ = drawn(engine, target, photo)
    there = cells.part == PART_LABELS.index("torso")
    assert there.sum() > 100
    assert source[there, 0].min() < -0.2
    assert (source[..., 2][source[..., 0] < 0] == 0).all()
    again, whole, _ = drawn(engine, target, plain_scene(sphere(0.4, (0.3, 0, 1)), front_camera(_SIZE)))
    assert (again.part == cells.part).all()
    assert (whole[there, 2] == 1).mean() > 0.95


def test_gl_and_raster_see_the_same_faces(studio: Studio, raster: RenderEngine, gl: RenderEngine) -> None:
    for seed in (9, 10):
        target, photo = two_takes(studio, seed)
        (a, ours, _), (b, theirs, _) = (drawn(engine, target, photo) for engine in (raster, gl))
        both, either = (a.part > 0) & (b.part > 0), (a.part > 0) | (b.part > 0)
        assert both.sum() / either.sum() > 0.99
        assert (a.part == b.part)[both].mean() > 0.995
        assert np.percentile(np.abs(ours - theirs)[both][:, :2], 98) * _SIZE < 0.05
        assert (ours[both][:, 2] == theirs[both][:, 2]).mean() > 0.99


@_ENGINES
def test_same_surface_gives_the_same_faces(studio: Studio, name: str, request: pytest.FixtureRequest) -> None:
    """Whatever was drawn in between, by either method, of whomever."""
    engine: RenderEngine = request.getfixturevalue(name)
    (target, photo), (other, _) = two_takes(studio, 11), two_takes(studio, 12)
    first = engine.faces(target.surface, target.camera)
    assert first.dtype == np.int32
    assert first.min() == -1
    colours = engine.render(photo).rgb
    for between in (photo, other):
        engine.render(between)
        assert (engine.faces(target.surface, target.camera) == first).all()
        assert (engine.render(photo).rgb == colours).all()
    engine.faces(other.surface, other.camera)
    assert (engine.faces(target.surface, target.camera) == first).all()

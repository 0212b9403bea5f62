"""What is worn follows the bones, and hulls and meshes are what geometry says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.synthesis.body.mesh import Normals, compact, least, most
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.people.hull import Hull
from pipelines.synthesis.people.identity import GLASSES, HAIR, HEADWEAR, SHOES, sample_identity
from pipelines.synthesis.people.patches import ANCHORS, Patch, flat_paint, grid_mesh, tube
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.scene import Floats

NUMBERS = st.floats(-0.9, 0.9)


def turned(degrees: float) -> Pose:
    """The whole body, turned about the vertical."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    root = np.array([[[c, -s, 0], [s, c, 0], [0, 0, 1]]], np.float32)
    return Pose({"root": root}, np.zeros((1, 3), np.float32), {})


def still() -> Pose:
    return turned(0)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_hull_is_left_where_its_walls_are(origin: tuple[float, ...], towards: tuple[float, ...]) -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    length = np.linalg.norm(towards)
    if length < 1e-3:
        return
    way = (np.array(towards) / length).astype(np.float32)
    start = np.array(origin, np.float32)
    end = start + Hull.of(corners).reach(start, way) * way
    assert abs(np.abs(end).max() - 1) < 1e-3


def test_normals_of_a_tube_point_outwards_and_are_whole_where_it_closes() -> None:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    path = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    points = tube(path, 0.1, 8, loop=True)
    rows, columns = points.shape[:2]
    faces, point, place = grid_mesh(rows, columns, closed=True)
    assert place.min() == 0
    assert place.max() == 1
    flat = points.reshape(-1, 3)
    normals = Normals.of(point[faces], len(flat)).at(flat).reshape(rows, columns, 3)
    spine = np.concatenate([path, path[:1]])[:, None]
    outwards = (points - spine) / 0.1
    # One way round or the other: surfaces are seen from both sides.
    assert (np.abs((normals * outwards).sum(-1))[1:-1] > 0.95).all()
    assert np.abs(points[0] - points[-1]).max() < 1e-6


def test_compact_and_extremes_of_faces() -> None:
    faces = np.array([[5, 2, 9], [2, 9, 7]])
    kept, renumbered = compact(faces, 12)
    assert kept.tolist() == [2, 5, 7, 9]
    assert (kept[renumbered] == faces).all()
    values = np.arange(12, dtype=np.float32) ** 2
    assert least(values, faces).tolist() == [4, 4]
    assert most(values, faces).tolist() == [81, 81]


@pytest.mark.parametrize("degrees", [0.0, 75.0, 180.0])
def test_anchors_turn_with_the_body(studio: Studio, degrees: float) -> None:
    who = sample_identity(np.random.default_rng([9, 5]))
    person = studio.dress(who)
    before, after = (person.pose(pose).vertices[0] for pose in (still(), turned(degrees)))
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)
    point = np.array([[0.1, -0.1, 0.3]], np.float32)
    for anchor in range(len(ANCHORS)):
        one, other = (studio.anchors.fit(vertices)[anchor] for vertices in (before, after))
        linear = one[:3] @ turn.T
        assert np.abs(linear - other[:3]).max() < 1e-3
        assert np.abs(point @ linear - point @ other[:3]).max() < 1e-3


def test_glasses_stay_before_the_eyes(studio: Studio) -> None:
    wearers = (sample_identity(np.random.default_rng([9, i])) for i in range(200))
    for who in [who for who in wearers if who.look.glasses == "round"][:4]:
        person = studio.dress(who)
        for pose in (still(), turned(60)):
            posed = person.pose(pose).vertices[0]
            maps = studio.anchors.fit(posed)
            eyes = posed[np.unique(studio.body.faces[studio.body.face_part == 1])]
            rims = [patch.at(maps) for patch in person.outfit.patches if patch.points.shape[0] == 29]
            assert len(rims) == 2
            for rim in rims:
                nearest = np.linalg.norm(eyes - rim.mean(0), axis=1).min()
                assert 0.005 < nearest < 0.035


def test_every_kind_of_thing_is_worn_by_somebody() -> None:
    looks = [sample_identity(np.random.default_rng([9, i])).look for i in range(400)]
    assert {look.hair for look in looks} == set(HAIR)
    assert {look.glasses for look in looks} == set(GLASSES)
    assert {look.headwear for look in looks} == set(HEADWEAR)
    assert {look.shoe for look in looks} == set(SHOES)


def test_a_patch_between_two_anchors_moves_with_both() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    points: Floats = np.zeros((2, 2, 3), np.float32)
    patch = Patch(points, False, {"head": half, "chest": half}, flat_paint((1.0, 1.0, 1.0)), "head")
    maps = np.zeros((len(ANCHORS), 4, 3), np.float32)
    maps[ANCHORS.index("head"), 3] = (0, 0, 2)
    assert np.abs(patch.at(maps) - (0, 0, 1)).max() < 1e-6

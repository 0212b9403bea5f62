"""People are adults of ordinary size, look different from each other, and are dressed where they should be."""

import numpy as np
import pytest

from pipelines.synthesis.body.landmarks import FACE_CENTRE
from pipelines.synthesis.body.model import PARTS, Pose, Posed
from pipelines.synthesis.people.garments import bottom_field, top_field
from pipelines.synthesis.people.identity import HAIR, TOPS, Identity, sample_identity
from pipelines.synthesis.people.paint import hair_field
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.scene import PART_LABELS, Floats


def rest() -> Pose:
    return Pose({"root": np.eye(3, dtype=np.float32)[None]}, np.zeros((1, 3), np.float32), {})


@pytest.fixture(scope="module")
def people() -> list[Identity]:
    return [sample_identity(np.random.default_rng([9, i])) for i in range(64)]


@pytest.fixture(scope="module")
def posed(studio: Studio, people: list[Identity]) -> list[Posed]:
    return [studio.dress(who).pose(rest()) for who in people]


def test_nobody_is_a_giant_or_a_child(studio: Studio, posed: list[Posed]) -> None:
    for made in posed:
        assert 1.47 < np.ptp(made.vertices[0, studio.skin, 2]) < 1.93


def test_people_differ_and_are_reproducible(people: list[Identity]) -> None:
    assert len({who.id for who in people}) == len(people)
    assert sample_identity(np.random.default_rng([9, 4])) == people[4]
    assert {who.sex for who in people} == {"man", "woman"}
    assert len({who.look.hair for who in people}) > len(HAIR) // 2
    assert {who.look.top.kind for who in people} == set(TOPS)
    tones = np.array([np.mean(who.look.skin) for who in people])
    assert np.ptp(tones) > 0.3


def test_no_two_faces_are_twins(studio: Studio, posed: list[Posed]) -> None:
    face = studio.skin[studio.body.vertex_labels()[studio.skin] == "face"]
    shapes = np.stack([_shape(made.vertices[0, face]) for made in posed])
    distance = np.sqrt(np.square(shapes[:, None] - shapes[None]).sum(-1).mean(-1))
    np.fill_diagonal(distance, np.inf)
    # Millimetres on a face of ordinary size; phenotypes alone leave a pair at 0.2.
    assert distance.min() > 1.5e-3


def _shape(vertices: Floats) -> Floats:
    """Vertices (N, 3) without place and size."""
    centred = vertices - vertices.mean(0)
    return np.asarray(centred * (0.08 / np.sqrt(np.square(centred).sum(1).mean())), np.float32)


def test_faces_move_the_named_points_with_the_skin(studio: Studio, people: list[Identity]) -> None:
    for who in people[:8]:
        person = studio.dress(who)
        bare, given = studio.body.pose(who.phenotypes, rest()), person.pose(rest())
        for point in range(66, 88):
            vertex = np.linalg.norm(bare.vertices[0] - bare.points[0, point], axis=1).argmin()
            assert np.linalg.norm(given.vertices[0, vertex] - given.points[0, point]) < 1e-4


def test_clothes_cover_the_trunk_and_leave_face_and_hands_bare(studio: Studio, people: list[Identity]) -> None:
    labels = studio.body.vertex_labels()
    chest = (np.abs(studio.body.template[:, 0] - 0.1) < 0.03) & (np.abs(studio.body.template[:, 2] - 0.3) < 0.05)
    hips = (np.abs(studio.body.template[:, 2] - 0.0) < 0.03) & (labels == "body") & (studio.fields.is_arm < 0.5)
    bare = np.isin(labels, ["left_hand", "right_hand", "face"])
    for who in people:
        top, bottom = top_field(who.look, studio.fields), bottom_field(who.look, studio.fields)
        assert (top[chest] > 0).all()
        assert (bottom[hips] > 0).all()
        beyond_cuff = bare & (studio.fields.arm > 1.05) | (labels == "face")
        assert (top[beyond_cuff] < 0).all()
        back = labels != "face"
        assert (hair_field(who.look, studio.fields)[back][studio.fields.is_head[back] < 0.4] < 0).all()


def test_outfits_keep_skin_colour_on_the_face(studio: Studio, people: list[Identity]) -> None:
    cheek = np.linalg.norm(studio.atlas.face_texels.position - (0.05, -0.12, FACE_CENTRE[1] - 0.015), axis=1).argmin()
    placed = np.flatnonzero(studio.atlas.nearest == studio.atlas.face[cheek])[0]
    row, column = divmod(int(placed), studio.atlas.width)
    for who in people[:12]:
        texture = studio.dress(who).outfit.texture
        assert texture.shape == (128, 320, 3)
        assert texture.std() > 5
        difference = texture[row, column] / 255 - np.array(who.look.skin)
        assert np.abs(difference).max() < 0.25


def test_the_smallest_texture_holds_every_kind_of_thing(people: list[Identity]) -> None:
    studio = Studio.open(16)
    for who in people[:24]:
        assert studio.dress(who).outfit.texture.shape == (16, 40, 3)


def test_surfaces_are_sound_meshes(studio: Studio, people: list[Identity], posed: list[Posed]) -> None:
    eyes = int((studio.body.face_part == PARTS.index("eye")).sum())
    for who, made in list(zip(people, posed, strict=True))[:24]:
        person = studio.dress(who)
        surface = person.surface(made.vertices[0])
        assert surface.faces.max() < len(surface.vertices) == len(surface.normals) == len(surface.uv)
        assert len(surface.parts) == len(surface.faces)
        assert np.isfinite(surface.vertices).all()
        assert surface.uv.min() >= 0
        assert surface.uv.max() <= 1
        length = np.linalg.norm(surface.normals, axis=1)
        assert (np.abs(length - 1) < 1e-3).mean() > 0.995
        # What is worn stays near the body.
        low, high = made.vertices[0, studio.skin].min(0) - 0.08, made.vertices[0, studio.skin].max(0) + 0.08
        assert (surface.vertices > low).all()
        assert (surface.vertices < high).all()
        assert (surface.parts == PART_LABELS.index("face")).sum() > 1000 > eyes


def test_cloth_lies_outside_the_skin_and_hides_what_it_covers(studio: Studio, people: list[Identity]) -> None:
    for who in people[:8]:
        outfit = studio.dress(who).outfit
        assert all(cloth.offset.min() >= 0 for cloth in outfit.cloths)
        assert max(cloth.offset.max() for cloth in outfit.cloths) < 0.06
        chest = (np.abs(studio.body.template[:, 0] - 0.1) < 0.03) & (np.abs(studio.body.template[:, 2] - 0.3) < 0.04)
        assert not np.isin(np.flatnonzero(chest), outfit.skin).any()

"""People are adults of ordinary size, look different from each other, and are dressed where they should be."""

import numpy as np
import pytest

from pipelines.synthesis.appearance import bottom_field, shoe_field, top_field
from pipelines.synthesis.body import PARTS
from pipelines.synthesis.identity import Identity, sample_identity
from pipelines.synthesis.paint import hair_field
from pipelines.synthesis.person import Studio
from tests.unit.synthesis.test_body import rest


@pytest.fixture(scope="module")
def people() -> list[Identity]:
    return [sample_identity(np.random.default_rng([9, i])) for i in range(24)]


def test_nobody_is_a_giant_or_a_child(studio: Studio, people: list[Identity]) -> None:
    for who in people:
        vertices = studio.body.pose(who.phenotypes, rest()).vertices[0, studio.skin]
        assert 1.48 < np.ptp(vertices[:, 2]) < 1.92


def test_people_differ_and_are_reproducible(people: list[Identity]) -> None:
    assert len({who.id for who in people}) == len(people)
    assert sample_identity(np.random.default_rng([9, 4])) == people[4]
    assert {who.sex for who in people} == {"man", "woman"}
    assert len({who.look.hair for who in people}) > 3
    tones = np.array([np.mean(who.look.skin) for who in people])
    assert np.ptp(tones) > 0.3


def test_clothes_cover_the_trunk_and_leave_face_and_hands_bare(studio: Studio, people: list[Identity]) -> None:
    labels = studio.body.vertex_labels()
    chest = (np.abs(studio.body.template[:, 0]) < 0.1) & (np.abs(studio.body.template[:, 2] - 0.35) < 0.05)
    hips = (np.abs(studio.body.template[:, 2] - 0.03) < 0.05) & (labels == "body") & (studio.fields.is_arm < 0.5)
    for who in people:
        top, bottom = top_field(who.look, studio.fields), bottom_field(who.look, studio.fields)
        assert (top[chest] > 0).all()
        assert (bottom[hips] > 0).all()
        bare = np.isin(labels, ["left_hand", "right_hand", "face"])
        beyond_cuff = bare & (studio.fields.arm > 1.05) | (labels == "face")
        assert (top[beyond_cuff] < 0).all()
        assert (
            hair_field(who.look, studio.fields)[labels != "face"][studio.fields.is_head[labels != "face"] < 0.4] < 0
        ).all()
    toes = studio.body.weight_of(("toe",)) > 0.5
    assert (shoe_field(studio.fields)[toes] > 0).all()


def test_outfits_keep_skin_colour_on_the_face(studio: Studio, people: list[Identity]) -> None:
    for who in people[:6]:
        outfit = studio.dress(who).outfit
        texture = outfit.texture
        assert texture.shape == (128, 192, 3)
        assert texture.std() > 5
        assert outfit.offset.min() >= 0
        assert outfit.offset.max() < 0.03
        shown = np.zeros(len(studio.body.faces), bool)
        shown[outfit.faces] = True
        assert shown[studio.body.face_part == PARTS.index("eye")].all()
        skirts = studio.body.face_part == PARTS.index("skirt")
        assert shown[skirts].any() == (who.look.bottom.kind == "skirt")
        cheek = np.linalg.norm(studio.atlas.face_texels.position - (0.05, -0.12, 0.70), axis=1).argmin()
        placed = np.flatnonzero(studio.atlas.nearest == studio.atlas.face[cheek])[0]
        difference = texture.reshape(-1, 3)[placed] / 255 - np.array(who.look.skin)
        assert np.abs(difference).max() < 0.2

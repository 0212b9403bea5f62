"""Regions of the body are where a person would point, on both sides alike."""

import numpy as np

from pipelines.synthesis.body.model import PARTS
from pipelines.synthesis.body.parts import face_parts, vertex_shares
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.scene import PART_LABELS


def test_every_face_has_a_region_and_every_region_faces(studio: Studio) -> None:
    parts = face_parts(studio.body)
    assert parts.shape == (len(studio.body.faces),)
    assert set(parts.tolist()) == set(range(1, len(PART_LABELS)))


def test_labels_share_out_all_of_the_skin(studio: Studio) -> None:
    assert np.allclose(vertex_shares(studio.body)[studio.skin].sum(1), 1, atol=1e-3)


def test_regions_lie_in_order_along_the_body(studio: Studio) -> None:
    body = studio.body
    parts, centre = face_parts(body), body.template[body.faces].mean(1)
    skin = body.face_part == PARTS.index("body")

    def middle(label: str) -> np.ndarray:
        chosen = skin & (parts == PART_LABELS.index(label))
        return np.asarray(centre[chosen].mean(0))

    heights = [middle(label)[2] for label in ("head", "neck", "torso", "left_thigh", "left_shin", "left_foot")]
    assert heights == sorted(heights, reverse=True)
    reach = [middle(f"left_{limb}")[0] for limb in ("upper_arm", "forearm", "hand")]
    assert 0 < reach[0] < reach[1] < reach[2]
    assert middle("face")[1] < middle("head")[1]
    for limb in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot"):
        assert np.allclose(middle(f"left_{limb}"), middle(f"right_{limb}") * (-1, 1, 1), atol=0.01)

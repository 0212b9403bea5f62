import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.identities.face import _TARGET
from pipelines.evaluation.seen.identity import (
    Face,
    face_distance,
    frontal_picture,
    rank_one_share,
)
from pipelines.evaluation.seen.reading import NOBODY, Reading

SIDE = 256


def reading(width: float, turned: float = 0.0) -> Reading:
    """A face as wide as so many pixels; turned: how far its nose is off the middle, in widths."""
    names = [f"{side}_eye_{end}" for side in ("left", "right") for end in ("outer", "inner")]
    found = np.zeros((kp.COUNT, 3), np.float32)
    scale = width / 100 / SIDE  # the face's box in dlib's chip is 100 pixels wide
    for name, place in zip((*names, "nose_tip"), _TARGET, strict=True):
        found[kp.FACE_SLICE.start + kp.FACE.index(name)] = (*(place * scale), 1)
    nose = kp.FACE_SLICE.start + kp.FACE.index("nose_tip")
    found[nose, 0] += turned * width / SIDE
    found[kp.FACE_SLICE.start + kp.FACE.index("upper_lip_outer")] = found[nose]
    return Reading(found, None)


def face(*values: float) -> Face:
    return np.array(values, np.float32)


def test_the_face_that_looks_most_straight_ahead_is_looked_at() -> None:
    assert frontal_picture([NOBODY, reading(40, 0.1), reading(40), reading(40, 0.05)], SIDE) == 2


def test_small_and_turned_faces_tell_nothing() -> None:
    assert frontal_picture([NOBODY, reading(12), reading(40, 0.5)], SIDE) is None


def test_distances_need_two_faces() -> None:
    assert face_distance(face(0, 3), face(4, 0)) == 5
    assert face_distance(face(0, 3), None) is None


def test_a_face_is_right_where_its_own_person_is_nearest() -> None:
    gallery, people = [face(0, 0), face(1, 0)], ["ann", "bob"]
    faces = [face(0.1, 0), face(0.2, 0), None, face(0.5, 0.5)]
    share = rank_one_share(faces, ["ann", "bob", "bob", "stranger"], gallery, people)
    assert share == pytest.approx(1 / 3)
    assert rank_one_share(faces, ["stranger"] * 4, gallery, people) is None

"""The first limit that is missed names the reason, and every limit has a name and a place in the documentation."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from pipelines.curation.quality.scores import Scores, Thresholds, criteria, judge

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "quality.md"
GOOD = Scores(2.0, 300.0, 40.0, 30.0, 0.9, 0.8, 1.0, 0.1, 1.0, 0.3, motion=0.3, camera_motion=0.0, sharpness=900.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"seconds": 0.4}, "too_short: 0.4 of 1 s"),
        ({"person_px": 50.0}, "too_small: 50 of 120 px"),
        ({"body_visibility": 0.1, "face_visibility": 0.3}, "low_visibility: body 0.1 of 0.25"),
        ({"body_visibility": 0.2, "face_visibility": 0.9}, None),
        ({"face_gap": 0.8}, "landmarks_disagree: 0.8 of at most 0.3 faces"),
        ({"speed": 5.0}, "landmarks_jump: 5 of at most 3 sizes/s"),
        ({"motion": 0.001}, "no_motion: 0.001 of 0.02 sizes/s"),
        ({"camera_motion": 3.0}, "camera_motion: 3 of at most 0.3 heights/s"),
        ({"sharpness": 3.0}, "blurred: 3 of 65"),
        ({"sharpness": None}, None),
        ({"seconds": 0.4, "sharpness": 3.0}, "too_short: 0.4 of 1 s"),
    ],
)
def test_judge(change: dict[str, float], reason: str | None) -> None:
    assert judge(replace(GOOD, **change), Thresholds()) == reason


def test_hands_and_face_can_be_asked_for() -> None:
    strict = Thresholds(min_hand_visibility=0.9, min_face_visibility=0.9)
    assert judge(GOOD, strict) == "low_visibility: hands 0.8 of 0.9"
    assert judge(replace(GOOD, hand_visibility=1.0, face_visibility=0.5), strict) == "low_visibility: face 0.5 of 0.9"


def test_none_switches_a_limit_off() -> None:
    off = Thresholds(**dict.fromkeys((field.name for field in fields(Thresholds)), None))
    assert judge(replace(GOOD, seconds=0.0, sharpness=0.0, camera_motion=99.0), off) is None


def test_every_score_has_exactly_one_limit() -> None:
    assert sorted(c.score for c in criteria(Thresholds())) == sorted(field.name for field in fields(Scores))


def test_the_documentation_has_every_score_with_its_default_limit() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    documented = {cells[1].strip(" `"): cells[3].strip() for cells in (row.split("|") for row in rows)}
    expected = {
        c.score: "none" if c.limit is None else f"{'≥' if c.least else '≤'} {c.limit:g} {c.unit}".rstrip()
        for c in criteria(Thresholds())
    }
    assert documented == expected

"""The published tables say what was measured, and which goals were missed."""

from tests.labelled.run import numbers
from tests.labelled.score import Agreement
from tests.labelled.tables import markdown


def test_missed_goals_and_errors_are_said() -> None:
    figures = {"cuts_f1": 1.0, "soft_cuts_f1": None, "people_exact": 0.95, "pck": 0.5, "swapped_hands": 0.02}
    figures |= {"rejected_f1": 0.96, "rejected_precision": 1.0, "rejected_recall": 0.9}
    report = {
        "videos": 3,
        "seconds": 9.0,
        "seed": 1,
        "whole": figures,
        "copies": {"recall": 0.99, "precision": 0.98},
        "by_factor": {"blur": figures},
    }
    text = markdown(report, {("dark", "kept"): 2.0, ("dark", "dark"): 1.0}, {"dark": Agreement(1.0, 0.0, 2.0)})
    assert "3 videos, 9.0 s, seed 1." in text
    assert "| hard cuts: F1 at ±2 frames | ≥ .98 | 1.000 | yes |" in text
    assert "gradual" not in text
    assert "| body, PCK@0.1 | ≥ .90 of visible points | .500 | **no** |" in text
    assert "| hands on the other arm | ≤ .01 of looks | .020 | **no** |" in text
    assert "| copies: precision | ≥ .99 | .980 | **no** |" in text
    assert "| blur | .950 | .500 | .020 | 1.000 | .900 | .960 |" in text
    assert "| dark | 3.0 | 1.000 | .333 | kept 2.0 |" in text


def test_nothing_to_count_is_no_figure() -> None:
    from tests.labelled.compare import Tally

    empty = numbers(Tally())
    assert empty["pck"] is empty["people_exact"] is empty["cuts_f1"] is None

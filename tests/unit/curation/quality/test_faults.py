"""A clip ends where a fault begins that stands out in it."""

from dataclasses import replace

import numpy as np

from pipelines.curation.quality.faults import faults
from pipelines.curation.quality.scores import Thresholds

LIMITS = Thresholds(min_sharpness=65.0, max_repeated=0.2)
NONE = np.zeros(39, np.bool_)


def codes(sharpness: np.ndarray, repeats: np.ndarray = NONE, limits: Thresholds = LIMITS) -> str:
    """A letter per frame: . for good."""
    found = faults(sharpness, repeats, limits, longest=4)
    return "".join("." if reason is None else reason[0] for reason in found)


def test_a_stretch_out_of_focus_is_cut_out() -> None:
    sharpness = np.full(40, 400.0)
    sharpness[10:30] = 20.0
    assert codes(sharpness) == "." * 10 + "b" * 20 + "." * 10
    assert codes(sharpness, limits=replace(LIMITS, min_sharpness=None)) == "." * 40


def test_a_blink_is_no_fault() -> None:
    sharpness = np.full(40, 400.0)
    sharpness[10:14] = 20.0
    assert codes(sharpness) == "." * 40


def test_a_clip_that_is_soft_from_end_to_end_has_no_fault_that_stands_out() -> None:
    sharpness = np.linspace(40, 66, 40)
    assert codes(sharpness) == "." * 40


def test_a_held_picture_is_cut_out_but_for_its_first_frame() -> None:
    repeats = NONE.copy()
    repeats[9:29] = True  # frame 10 shows frame 9 again
    repeats[15] = False  # a key frame made it anew
    assert codes(np.full(40, 400.0), repeats) == "." * 10 + "r" * 20 + "." * 10
    assert codes(np.full(40, 400.0), repeats, replace(LIMITS, max_repeated=None)) == "." * 40


def test_a_stutter_is_judged_as_a_whole() -> None:
    assert codes(np.full(40, 400.0), np.arange(39) % 3 == 0) == "." * 40

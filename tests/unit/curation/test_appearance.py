"""Who wears what."""

import numpy as np
import pytest

from pipelines.curation.appearance import UNKNOWN, Look, difference, lies_on_paint, look_of, painted_out
from pipelines.curation.tracking import Points

RED, BLUE, GREY = (200, 40, 40), (40, 60, 190), (120, 120, 120)


def standing(x: float = 0.5) -> Points:
    """Arms and legs hang straight down."""
    pose = np.full((33, 3), 0.9, np.float32)
    pose[:, :2] = x, 0.15
    for side, sign in ((0, 1), (1, -1)):
        for joint, (across, y) in {11: (0.05, 0.25), 13: (0.08, 0.4), 15: (0.08, 0.5), 23: (0.04, 0.5)}.items():
            pose[joint + side, :2] = x + sign * across, y
        pose[25 + side, :2], pose[27 + side, :2] = (x + sign * 0.04, 0.7), (x + sign * 0.04, 0.9)
    return pose


def picture(top: tuple[int, int, int], legs: tuple[int, int, int], light: float = 1.0) -> np.ndarray:
    frame = np.empty((120, 160, 3), np.float64)
    frame[:60], frame[60:] = top, legs
    return np.clip(frame * light, 0, 255).astype(np.uint8)


def test_clothes_tell_people_apart_and_light_does_not() -> None:
    here = look_of(picture(RED, BLUE), standing())
    dimmer = look_of(picture(RED, BLUE, 0.92), standing())
    swapped = look_of(picture(BLUE, RED), standing())
    assert difference(here, here) == pytest.approx(0, abs=1e-3)
    assert difference(here, dimmer) < 0.25
    assert difference(here, swapped) > 0.5
    assert difference(here, swapped) == pytest.approx(difference(swapped, here))


def test_only_what_both_show_is_compared() -> None:
    upper = standing()
    upper[25:, 1] += 1
    close, whole = look_of(picture(RED, GREY), upper), look_of(picture(RED, BLUE), standing())
    np.testing.assert_allclose(close.weight, [1, 1, 0])
    np.testing.assert_allclose(whole.weight, 1)
    assert difference(close, whole) < 0.1
    hidden = standing()
    hidden[:, 2] = 0.1
    assert difference(look_of(picture(RED, BLUE), hidden), whole) == UNKNOWN


def test_a_mean_look_moves_to_the_new_one_and_learns_what_it_had_not_seen() -> None:
    legless = look_of(picture(RED, BLUE), standing())
    legless = Look(legless.colours, np.array([1, 1, 0], np.float32))
    blended = legless.blended(look_of(picture(BLUE, GREY), standing()), 0.25)
    before, new = legless.colours, look_of(picture(BLUE, GREY), standing()).colours
    np.testing.assert_allclose(blended.colours[:2], 0.75 * before[:2] + 0.25 * new[:2], atol=1e-6)
    np.testing.assert_allclose(blended.colours[2], new[2], atol=1e-6)
    np.testing.assert_allclose(blended.weight, 1)


def test_who_is_painted_out_is_gone_and_nobody_else() -> None:
    frame = picture(RED, BLUE)
    canvas = painted_out(frame, [standing(0.25)])
    changed = (canvas != frame).any(2)
    # Head, torso and legs of the one, nothing of somebody beside them, and the frame itself stays.
    assert changed[[18, 45, 90], [40, 40, 46]].all()
    assert not changed[:, 90:].any()
    assert (frame == picture(RED, BLUE)).all()
    assert painted_out(frame, []) is frame


def test_a_pose_on_paint_is_told_from_one_beside_it() -> None:
    frame = picture(RED, BLUE)
    canvas = painted_out(frame, [standing(0.25)])
    assert lies_on_paint(standing(0.26), frame, canvas)
    assert not lies_on_paint(standing(0.6), frame, canvas)
    assert not lies_on_paint(standing(0.25), frame, frame)

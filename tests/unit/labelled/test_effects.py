"""Effects change pictures and labels together."""

import numpy as np
import pytest

from pipelines import keypoints as kp
from tests.labelled import effects
from tests.labelled.footage import KEPT, OUT
from tests.unit.labelled.still_footage import SIZE, footage


def test_mirrored_twice_is_as_before_and_once_swaps_sides() -> None:
    one = footage(0.5)
    once = effects.mirrored(one)
    left, right = (kp.NAMES.index(f"hand.{side}_wrist") for side in ("left", "right"))
    assert once.points[0, 0, left, 0] == pytest.approx(SIZE[0] - one.points[0, 0, right, 0])
    assert once.boxes[0, 0].tolist() == [SIZE[0] - 32, 4, SIZE[0] - 20, 32]
    twice = effects.mirrored(once)
    assert np.array_equal(twice.frames, one.frames)
    np.testing.assert_allclose(twice.points, one.points, atol=1e-4)
    assert np.array_equal(twice.boxes, one.boxes)


def test_points_and_boxes_follow_the_scaled_picture() -> None:
    one = footage(0.3)
    one.frames[:, 10:12, 30:32] = 255
    half = effects.scaled(one, 0.5)
    assert half.size == (32, 18)
    assert half.frames[0, 5, 15].min() > 200
    np.testing.assert_allclose(half.points[..., :2], one.points[..., :2] / 2, atol=1e-4)
    close = effects.cropped(one, 0.25)
    assert close.size == SIZE
    assert close.frames[0, 3:5, 29:31].min() > 200
    np.testing.assert_allclose(close.points[..., :2], one.points[..., :2] * 2 - [32, 18], atol=1e-3)
    inside = (close.points[..., :2] >= 0).all(-1) & (close.points[..., :2] < SIZE).all(-1)
    assert np.array_equal(close.points[..., 2] > 0, inside)
    assert 0 < inside.mean() < 1
    assert close.boxes[0, 0].tolist() == [8, 0, 32, 36]


def test_who_is_cropped_away_is_gone() -> None:
    gone = effects.cropped(footage(0.3, box=(1, 4, 8, 32)), 0.2)
    assert (gone.there == OUT).all()
    assert not gone.boxes.any()


def test_bars_are_a_reason_where_they_reach_into_a_persons_square() -> None:
    near, away = (effects.barred(footage(0.3, box=box), 0.75) for box in ((20, 1, 32, 35), (28, 16, 32, 22)))
    assert set(near.right.ravel()) == {"borders"}
    assert set(away.right.ravel()) == {KEPT}
    assert near.frames[0, 0].max() == 0


def test_time_is_held_doubled_and_halved() -> None:
    one = footage(2.0)
    held = effects.frozen(one, 0.5, 1.0)
    assert len(held.frames) == 25
    assert (held.frames[5:11] == one.frames[5]).all()
    assert np.array_equal(held.frames[11:], one.frames[6:])
    assert held.right[:, 0].tolist() == [KEPT] * 5 + ["frozen"] * 5 + [KEPT] * 15
    slow = effects.slowed(one)
    assert (slow.frames[::2] == slow.frames[1::2]).all()
    assert set(slow.right.ravel()) == {KEPT}
    assert np.array_equal(effects.hastened(one).source, one.source[::2])
    assert effects.from_second(one, 0.7).source[0] == one.source[7]


def test_light_blur_and_marks_change_what_they_should() -> None:
    one = footage(0.5)
    one.frames[:, 18:] = 250
    dark, bright = effects.exposed(one, 0.01, code="exposure"), effects.exposed(one, 9.0, code="exposure")
    assert dark.frames.max() < 30
    assert bright.frames[:, :18].max() > 250
    soft = effects.defocused(one, 2.0, "blurred", 0.2, 0.4)
    changed = [not np.array_equal(a, b) for a, b in zip(soft.frames, one.frames, strict=True)]
    assert changed == [False, False, True, True, False]
    assert soft.right[:, 0].tolist() == [KEPT, KEPT, "blurred", "blurred", KEPT]
    flash = effects.flashed(one, (0.1,))
    assert [frame[:10].min() > 200 for frame in flash.frames] == [False, True, True, False, False]
    assert set(flash.right.ravel()) == {KEPT}

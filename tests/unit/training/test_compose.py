"""A made window is put back so that what is outside of it stays and no seam shows."""

import numpy as np
import pytest

from pipelines.curation.watch import Portrait
from training.compose import LONGEST, Canvas, fitted, side_by_side

POINTS = np.zeros((88, 3), np.float32)


def portrait(corner: tuple[int, int], side: int, size: tuple[int, int] = (160, 120)) -> Portrait:
    image = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Portrait(image, np.array(corner), side, POINTS)


def test_outside_of_the_window_every_pixel_is_the_photos() -> None:
    given = portrait((40, 20), 80)
    made = Canvas(given, crop=False).filled(np.full((80, 80, 3), 255, np.uint8))
    outside = np.ones((120, 160), bool)
    outside[20:100, 40:120] = False
    assert np.array_equal(made[outside], given.image[outside])
    # All of the window's middle is new.
    assert (made[24:96, 44:116] == 255).all()


def test_the_window_goes_over_into_the_photo_without_a_seam() -> None:
    grey = Portrait(np.full((400, 400, 3), 100, np.uint8), np.array((100, 100)), 200, POINTS)
    line = Canvas(grey, crop=False).filled(np.full((200, 200, 3), 180, np.uint8))[200, :, 0].astype(int)
    assert (line[99], line[200]) == (100, 180)
    assert np.abs(np.diff(line)).max() <= 16
    assert (np.diff(line[:200]) >= 0).all()


@pytest.mark.parametrize(
    ("corner", "side", "edges"),
    [
        ((0, 40), 80, ["left", "lower"]),
        ((80, 0), 80, ["right", "upper"]),
        ((-20, -40), 200, ["left", "right", "upper"]),
    ],
)
def test_at_the_photos_own_edges_nothing_of_the_old_picture_shows(
    corner: tuple[int, int], side: int, edges: list[str]
) -> None:
    made = Canvas(portrait(corner, side), crop=False).filled(np.full((side, side, 3), 255, np.uint8))
    middle = 120 // 2 if side == 200 else corner[1] + 40
    lines = {
        "left": made[middle, :5],
        "right": made[middle, -5:],
        "upper": made[:5, corner[0] + side // 2],
        "lower": made[-5:, corner[0] + side // 2],
    }
    for name in edges:
        assert (lines[name] == 255).all(), name


def test_a_window_beyond_the_photo_puts_every_place_where_it_was() -> None:
    given = portrait((-20, -40), 200)
    window = given.cut(200)
    assert np.array_equal(Canvas(given, crop=False).filled(window), given.image)


def test_a_small_painting_is_enlarged() -> None:
    ramp = np.tile(np.linspace(0, 240, 20).astype(np.uint8)[:, None, None], (1, 20, 3))
    made = Canvas(portrait((40, 20), 80), crop=False).filled(ramp)
    assert (np.diff(made[30:90, 80, 0].astype(int)) >= 0).all()


def test_only_the_window() -> None:
    canvas = Canvas(portrait((40, 20), 81), crop=True)
    made = canvas.filled(np.full((81, 81, 3), 7, np.uint8))
    assert made.shape == canvas.still.shape == (80, 80, 3)
    assert (made == 7).all()


def test_sizes_are_even_and_not_larger_than_players_take() -> None:
    assert fitted(portrait((10, 10), 50, (161, 121))).image.shape == (120, 160, 3)
    large = fitted(portrait((1000, 40), 401, (8192, 502)))
    assert large.image.shape == (250, LONGEST, 3)
    assert (large.corner.tolist(), large.side) == ([500, 20], 200)
    wide = np.zeros((300, 2000, 3), np.uint8)
    beside = side_by_side(wide, wide, wide)
    assert beside.shape[1] <= LONGEST
    assert not any(side % 2 for side in beside.shape[:2])


def test_three_panels_of_one_height_with_bars_around_the_driver() -> None:
    still, made = np.full((120, 100, 3), 10, np.uint8), np.full((120, 100, 3), 30, np.uint8)
    beside = side_by_side(still, np.full((90, 160, 3), 20, np.uint8), made)
    assert beside.shape == (120, 300, 3)
    assert (beside[:, :100] == 10).all()
    assert (beside[:, 200:] == 30).all()
    driver = beside[:, 100:200]
    assert (driver[60] == 20).all()
    assert not driver[:30].any()
    assert not driver[-30:].any()

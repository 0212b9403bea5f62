import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.evaluation.seen import picture

SIDE = 96
Pictures = NDArray[np.uint8]


def texture(seed: int = 0) -> Pictures:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def mask_of(rows: slice, columns: slice) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[rows, columns] = True
    return mask


PERSON = mask_of(slice(20, 80), slice(30, 70))


def blurred(image: Pictures, sigma: float) -> Pictures:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (slice(40, 60), slice(40, 60), (slice(38, 61), slice(38, 61))),
        (slice(0, 20), slice(90, 96), (slice(0, 23), slice(73, 96))),
        (slice(0, 96), slice(10, 20), (slice(0, 96), slice(0, 96))),
    ],
)
def test_the_square_is_around_the_person_and_in_the_picture(
    rows: slice, columns: slice, expected: tuple[slice, slice]
) -> None:
    assert picture.person_square(mask_of(rows, columns)) == expected


def test_without_a_person_there_is_no_square() -> None:
    assert picture.person_square(np.zeros((SIDE, SIDE), np.bool_)) is None


def test_sharpness_falls_with_blur_and_is_one_for_the_truth() -> None:
    truth = blurred(texture(), 1)
    values = [
        picture.sharpness(output[None], truth[None], PERSON[None])
        for output in (truth, blurred(truth, 1), blurred(truth, 3))
    ]
    assert values[0] == 1
    assert values[0] > 2 * values[1] > 8 * values[2] > 0  # type: ignore[operator]


def test_an_outline_is_no_sharpness() -> None:
    """A flat figure before a flat ground has the truth's outline, and no detail."""
    flat = np.where(PERSON[..., None], 200, 30).astype(np.uint8).repeat(3, 2)
    assert picture.sharpness(flat[None], texture()[None], PERSON[None]) == 0


def test_a_thin_or_flat_truth_says_nothing_of_sharpness() -> None:
    thin = mask_of(slice(20, 80), slice(30, 33))
    assert picture.sharpness(texture()[None], texture()[None], thin[None]) is None
    flat = np.full((1, SIDE, SIDE, 3), 90, np.uint8)
    assert picture.sharpness(texture()[None], flat, PERSON[None]) is None


def test_the_background_is_judged_where_nobody_is_in_either_picture() -> None:
    truth = texture()
    reference_mask = mask_of(slice(0, 96), slice(0, 10))
    output = truth.copy()
    output[PERSON | reference_mask] = 0
    figures = picture.background_figures(output[None], truth[None], PERSON[None], reference_mask)
    assert figures == {"background_error": 0, "background_psnr": 99}
    output = np.where(truth > 127, truth - 10, truth + 10).astype(np.uint8)
    figures = picture.background_figures(output[None], truth[None], PERSON[None], reference_mask)
    assert figures["background_error"] == 10
    assert figures["background_psnr"] == pytest.approx(20 * np.log10(25.5))


def test_a_person_everywhere_leaves_no_background() -> None:
    everywhere = np.ones((1, SIDE, SIDE), np.bool_)
    figures = picture.background_figures(texture()[None], texture()[None], everywhere, PERSON)
    assert figures == {"background_error": None, "background_psnr": None}


def sliding(pictures: int = 4) -> Pictures:
    """A smooth texture that moves by two pixels at a time."""
    wide = blurred(np.concatenate([texture(1), texture(2)], 1), 2)
    return np.stack([wide[:, 2 * number : 2 * number + SIDE] for number in range(pictures)])


def test_flicker_is_one_for_the_truth_and_none_for_a_still() -> None:
    truth = sliding()
    assert picture.flicker_figures(truth, truth) == {"flicker": 1, "flicker_unmoved": 1}
    still = np.broadcast_to(truth[0], truth.shape)
    assert picture.flicker_figures(still, truth)["flicker"] == 0


def test_what_glimmers_remains_along_the_motion() -> None:
    truth = sliding()
    light = np.array([0, 12, 0, 12])[:, None, None, None]
    glimmering = np.clip(truth.astype(int) + light, 0, 255).astype(np.uint8)
    figures = picture.flicker_figures(glimmering, truth)
    assert figures["flicker"] is not None
    assert figures["flicker_unmoved"] is not None
    assert figures["flicker_unmoved"] > 2 * figures["flicker"] > 2


def test_one_picture_and_a_still_truth_say_nothing_of_flicker() -> None:
    nothing = {"flicker": None, "flicker_unmoved": None}
    assert picture.flicker_figures(sliding(1), sliding(1)) == nothing
    still = np.broadcast_to(texture(), (3, SIDE, SIDE, 3))
    assert picture.flicker_figures(sliding(3), still) == nothing


def test_motion_that_cannot_be_followed_says_nothing_of_glimmer() -> None:
    jumping = np.stack([texture(seed) for seed in range(3)])
    assert picture.flicker_figures(jumping, jumping) == {"flicker": 1, "flicker_unmoved": None}

"""Scores of pictures see what they are named after, and only that."""

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.quality import picture
from pipelines.curation.quality.scores import Thresholds

_TRUNK = [kp.BODY.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]


def scene(height: int = 360, width: int = 480) -> NDArray[np.uint8]:
    """Something smooth with edges and grain, as photographs are."""
    rng = np.random.default_rng(3)
    coarse = cv2.resize(rng.integers(40, 215, (9, 12, 3), dtype=np.uint8), (width, height))
    for _ in range(12):
        x, y = rng.integers(0, width), rng.integers(0, height)
        cv2.circle(coarse, (int(x), int(y)), int(rng.integers(10, 60)), rng.integers(30, 225, 3).tolist(), -1)
    grain = rng.normal(0, 3, coarse.shape)
    return np.clip(coarse + grain, 0, 255).astype(np.uint8)


def test_blur_lowers_sharpness() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    sharp = cv2.resize(noise, (128, 128))
    values = [picture.sharpness(p) for p in (sharp, *(cv2.GaussianBlur(sharp, (0, 0), s) for s in (0.5, 2, 8)))]
    assert values == sorted(values, reverse=True)
    assert values[-1] < Thresholds().min_sharpness < values[0]


def test_a_blurred_hand_is_told_in_a_sharp_picture() -> None:
    grey = picture.luma(scene())
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    grid = np.stack(np.meshgrid(np.linspace(200, 250, 7), np.linspace(100, 150, 3)), -1).reshape(-1, 2)
    keypoints[kp.LEFT_HAND_SLICE] = np.concatenate([grid, np.ones((21, 1))], 1)
    sharp = picture.part_sharpness(grey, keypoints, "left_hand")
    smeared = grey.copy()
    smeared[60:190, 160:290] = cv2.GaussianBlur(grey, (0, 0), 5)[60:190, 160:290]
    blurred = picture.part_sharpness(smeared, keypoints, "left_hand")
    assert sharp is not None
    assert blurred is not None
    assert blurred < 0.3 * sharp
    assert picture.part_sharpness(grey, keypoints, "right_hand") is None


@pytest.mark.parametrize(("level", "brightness", "clipped"), [(120, 0.47, 0), (2, 0.01, 1), (255, 1.0, 1)])
def test_exposure_looks_at_the_person_and_their_skin(level: int, brightness: float, clipped: float) -> None:
    grey = np.full((200, 200), 255, np.uint8)
    grey[50:150, 80:120] = level
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    keypoints[_TRUNK] = [(119, 50, 1), (80, 50, 1), (119, 149, 1), (80, 149, 1)]
    keypoints[kp.LEFT_HAND_SLICE] = [(90 + 3 * (i % 7), 80 + 10 * (i // 7), 1) for i in range(21)]
    found = picture.exposure(grey, keypoints, grey)
    assert found is not None
    assert found == (pytest.approx(brightness, abs=0.01), clipped)
    assert picture.exposure(grey, np.zeros((kp.COUNT, 3), np.float32), grey) is None


def test_black_clothes_are_no_bad_exposure() -> None:
    grey = np.full((200, 200), 130, np.uint8)
    grey[50:150, 80:120] = 0
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    keypoints[_TRUNK] = [(119, 50, 1), (80, 50, 1), (119, 149, 1), (80, 149, 1)]
    found = picture.exposure(grey, keypoints, grey)
    assert found is not None
    assert found[1] < Thresholds().max_clipped
    grey[:60] = 0
    barred = picture.exposure(grey, keypoints, picture.without_bars(grey, np.array([0, 60, 0, 0])))
    assert barred is not None
    assert barred[1] < Thresholds().max_clipped


@pytest.mark.parametrize("shift", [0, 3])
def test_blocks_are_seen_wherever_their_grid_begins(shift: int) -> None:
    clean = scene()
    coded = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(clean, quality=8))
    limit = Thresholds().max_blockiness
    assert picture.blockiness(picture.luma(clean)[shift:, shift:]) < 1.1
    assert picture.blockiness(picture.luma(coded)[shift:, shift:]) > limit


def test_bars_have_an_edge_and_a_plain_wall_has_none() -> None:
    grey = picture.luma(scene())
    boxed = grey.copy()
    boxed[:40], boxed[-30:] = 0, 0
    assert picture.bars(boxed).tolist() == [0, 40, 0, 30]
    pillars = grey.copy()
    pillars[:, :50] = 255
    assert picture.bars(pillars).tolist() == [50, 0, 0, 0]
    wall = np.full((300, 300), 230, np.uint8)
    cv2.ellipse(wall, (150, 200), (40, 140), 0, 0, 360, 40, -1)  # somebody before it
    assert picture.bars(wall).tolist() == [0, 0, 0, 0]
    assert picture.bars(np.zeros((90, 90), np.uint8)).tolist() == [0, 0, 0, 0]


def test_the_edge_of_a_bar_is_no_block() -> None:
    grey = cv2.GaussianBlur(picture.luma(scene()), (0, 0), 3)
    grey[:39] = grey[-39:] = 0
    grey[39] //= 2
    grey[-40] //= 2
    assert picture.blockiness(grey) > 1.2
    assert picture.blockiness(picture.without_bars(grey, picture.bars(grey))) < 1.1


def test_only_bars_inside_the_window_count() -> None:
    inset = np.array([0, 40, 0, 40])
    corner = np.array([100, 60])
    assert picture.window_borders(inset, corner, 200, (480, 360)) == 0
    assert picture.window_borders(inset, np.array([100, 0]), 360, (480, 360)) == pytest.approx(80 / 360)
    assert picture.window_borders(inset, np.array([0, -60]), 480, (480, 360)) == pytest.approx(80 / 360)

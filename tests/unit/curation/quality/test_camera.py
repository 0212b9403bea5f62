"""A moving camera is told from a moving person."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.curation.quality.camera import Camera, camera_motion, motion

RATE = 16
SIZE = (640, 360)


def place(seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (45, 80, 3), dtype=np.uint8)
    return cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC)


def film(camera_speed: float, person_speed: float, count: int = 17) -> tuple[Camera, NDArray, NDArray]:
    """A grey square walks over a place, both by pixels per second. Returns times and the square's boxes, too."""
    camera, times, boxes = Camera(), np.arange(count) / RATE, []
    for time in times:
        left = round(200 + camera_speed * time)
        frame = place()[180 : 180 + SIZE[1], left : left + SIZE[0]].copy()
        x = round(300 + person_speed * time - camera_speed * time)
        frame[100:260, x : x + 80] = 128
        boxes.append([x, 100, x + 80, 260])
        camera.see(float(time), frame, [np.array(boxes[-1], np.float64)])
    return camera, times, np.array(boxes, np.float64)


def measure(camera_speed: float, person_speed: float) -> tuple[float, float]:
    camera, times, boxes = film(camera_speed, person_speed)
    steps = [camera.step(float(a), float(b)) for a, b in pairwise(times)]
    points = np.concatenate([boxes.reshape(-1, 2, 2), np.ones((len(boxes), 2, 1))], axis=2).astype(np.float32)
    return camera_motion(steps, times, SIZE), motion(points, np.full(len(times), 160.0), times, steps)


@pytest.mark.parametrize("camera_speed", [0, 160, -80])
@pytest.mark.parametrize("person_speed", [0, 96])
def test_both_are_measured_apart(camera_speed: float, person_speed: float) -> None:
    of_camera, of_person = measure(camera_speed, person_speed)
    assert of_camera == pytest.approx(abs(camera_speed) / 360, abs=0.03)
    assert of_person == pytest.approx(person_speed / 160, abs=0.06)


def test_steps_add_up_and_end_where_pictures_are_missing() -> None:
    camera, times, _ = film(160, 0)
    assert camera.step(float(times[0]), float(times[8]))[0, 2] == pytest.approx(-80, abs=4)
    assert camera.step(-5.0, float(times[8])) is None


@pytest.mark.parametrize("noise", [0, 2])
def test_a_plain_wall_says_nothing_of_the_camera(noise: int) -> None:
    camera, draw = Camera(), np.random.default_rng(0)
    for time in (0.0, 0.1):
        camera.see(time, (90 + noise * draw.standard_normal((360, 640, 3))).astype(np.uint8), [])
    assert camera.step(0.0, 0.1) is None
    assert camera_motion([None], np.array([0.0, 0.1]), SIZE) is None
    aside = np.array([[1.0, 0, 36], [0, 1, 0]])
    assert camera_motion([None, None, aside], np.arange(4) / 10, SIZE) is None, "two thirds are not known"
    assert camera_motion([None, aside], np.arange(3) / 10, SIZE) == pytest.approx(1.0)


def test_before_a_plain_wall_only_what_moves_within_the_person_counts() -> None:
    times, sizes = np.array([0.0, 0.1]), np.full(2, 100.0)
    points = np.ones((2, 5, 3), np.float32)
    points[1, :, 0] += 20  # the whole person, or the camera
    assert motion(points, sizes, times, [None]) == 0
    points[1, 4, 1] += 10
    assert motion(points, sizes, times, [None]) == pytest.approx(10 / 5 / 100 / 0.1)


def test_what_moves_in_several_ways_is_not_the_camera() -> None:
    camera, wide = Camera(), place()
    for time, step in ((0.0, 0), (0.1, 12)):
        bands = [wide[100 + 120 * k :, 100 + shift :][:120, :640] for k, shift in enumerate((0, step, -step))]
        camera.see(time, np.concatenate(bands), [])
    assert camera.step(0.0, 0.1) is None

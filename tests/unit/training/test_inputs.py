import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_shards import keypoints_of

from pipelines.keypoints import BODY_SLICE, HEAD_SLICE, LEFT_HAND_SLICE, RIGHT_HAND_SLICE
from training.config import ModelConfig
from training.inputs import crop, driver_of, head_path, local_points, person_box, prepare_driver, relative_box

CONFIG = ModelConfig()


def figure() -> tuple[np.ndarray, np.ndarray]:
    keypoints = np.stack([keypoints_of(np.full(10, x), np.ones(3)) for x in (-0.5, 0.5)])
    frames = np.random.default_rng(0).integers(0, 255, (2, 90, 120, 3), dtype=np.uint8)
    return frames, keypoints


def test_a_crop_is_the_named_pixels() -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert np.array_equal(crop(image, np.array([0.2, 0.3, 0.6, 0.7], np.float32), 4), image[3:7, 2:6])
    beyond = crop(image, np.array([-0.2, 0.8, 0.2, 1.2], np.float32), 4)
    assert np.array_equal(beyond[:2, 2:], image[8:, :2])
    assert not beyond[2:].any()
    assert not beyond[:, :2].any()


@given(st.tuples(*[st.floats(-3, 3)] * 4))
def test_a_crop_has_its_size_whatever_the_box(box: tuple[float, ...]) -> None:
    image = np.zeros((9, 7, 4), np.uint8)
    assert crop(image, np.array(box, np.float32), 5).shape == (5, 5, 4)


def test_one_box_holds_the_person_in_all_frames() -> None:
    _, keypoints = figure()
    x0, y0, x1, y1 = person_box(keypoints, aspect=120 / 90)
    points = keypoints[..., :2].reshape(-1, 2)
    assert (points > [x0, y0]).all()
    assert (points < [x1, y1]).all()
    assert np.isclose((x1 - x0) * 120, (y1 - y0) * 90)
    nobody = np.zeros((2, 88, 3), np.float32)
    assert np.allclose(person_box(nobody), [-0.08, -0.08, 1.08, 1.08])


def test_the_right_hand_is_mirrored() -> None:
    """A mirrored picture with its hands exchanged gives the same hand crops."""
    frames, keypoints = figure()
    swapped = keypoints.copy()
    swapped[:, LEFT_HAND_SLICE], swapped[:, RIGHT_HAND_SLICE] = (
        keypoints[:, RIGHT_HAND_SLICE],
        keypoints[:, LEFT_HAND_SLICE],
    )
    swapped[..., 0] = 1 - swapped[..., 0]
    person = person_box(keypoints)
    plain = driver_of(
        frames, keypoints, np.tile(person, (len(frames), 1)), np.zeros((len(frames), 2), np.float32), CONFIG
    )
    other = driver_of(
        np.ascontiguousarray(frames[:, :, ::-1]),
        swapped,
        np.tile(person, (len(frames), 1)),
        np.zeros((len(frames), 2), np.float32),
        CONFIG,
    )
    # Half a pixel of rounding may go either way.
    difference = (plain.hands.float() - other.hands.flip(1).float()).abs().mean()
    assert difference < (plain.hands.float() - other.hands.float()).abs().mean() / 1.5


def test_the_path_of_a_head_has_no_gaps_and_no_jumps() -> None:
    keypoints = np.ones((5, 88, 3), np.float32)
    keypoints[:, HEAD_SLICE, :2] = np.linspace(0, 1, 5)[:, None, None]
    whole = head_path(keypoints)
    assert np.allclose(whole, np.linspace(0, 1, 5)[:, None].repeat(2, 1))
    keypoints[1:3, HEAD_SLICE, 2] = 0
    keypoints[1:3, HEAD_SLICE, :2] = 0.9
    keypoints[3, 1:4, 2] = 0  # an ear and both eyes
    assert np.allclose(head_path(keypoints), whole)
    keypoints[:, HEAD_SLICE, 2] = 0
    assert np.allclose(head_path(keypoints), 1)  # the trunk's
    assert np.allclose(head_path(np.zeros((2, 88, 3), np.float32)), 0.5)


def test_a_place_is_told_from_the_middle_of_the_video_in_half_sides_of_the_box() -> None:
    frames, keypoints = figure()
    keypoints[1, :, 0] += 0.1
    side = np.diff(person_box(keypoints, 120 / 90).reshape(2, 2), axis=0)[0]
    place = prepare_driver(frames, keypoints, CONFIG).place.numpy()
    assert np.allclose(place.mean(0), 0, atol=1e-6)
    moved = head_path(keypoints)
    assert np.allclose(place[1] - place[0], (moved[1] - moved[0]) / (side / 2), atol=1e-5)


def test_a_hand_that_is_not_visible_has_no_crop() -> None:
    frames, keypoints = figure()
    keypoints[0, RIGHT_HAND_SLICE, 2] = 0
    driver = prepare_driver(frames, keypoints, CONFIG)
    assert driver.hand_visible.tolist() == [[True, False], [True, True]]
    assert (driver.hands[0, 1] == -1).all()
    assert driver.body.shape == (2, 3, CONFIG.body_size, CONFIG.body_size)
    assert driver.body.dtype == torch.float32


def test_local_points_are_shares_of_their_crops() -> None:
    _, keypoints = figure()
    person = person_box(keypoints)
    local = local_points(keypoints[0], person, 1.0)
    assert np.abs(local[..., :2]).max() <= 1
    back = (local[BODY_SLICE, :2] + 1) / 2 * (person[2:] - person[:2]) + person[:2]
    assert np.allclose(back, keypoints[0, BODY_SLICE, :2], atol=1e-5)
    keypoints[0, LEFT_HAND_SLICE, 2] = 0
    assert not local_points(keypoints[0], person, 1.0)[LEFT_HAND_SLICE].any()


def test_the_face_box_is_told_in_the_persons_box() -> None:
    person = np.array([0.2, 0.2, 0.6, 0.6], np.float32)
    box = np.array([0.5, 0.2, 0.6, 0.3], np.float32)
    assert np.allclose(relative_box(box, person), [0.75, -0.75, 0.25])

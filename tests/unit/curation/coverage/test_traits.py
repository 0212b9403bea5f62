"""Poses are told apart by name, and a cap keeps as much of each kind of motion as it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.coverage.traits import CELL, TRAITS, capped, cell_of, describe

FPS = 16.0


def standing(frames: int = 8) -> NDArray[np.float32]:
    """Somebody who faces the camera with hanging arms; all of the body is seen, no hands."""
    places = {
        "nose": (0.5, 0.1), "left_shoulder": (0.6, 0.25), "right_shoulder": (0.4, 0.25), "left_wrist": (0.62, 0.55),
        "right_wrist": (0.38, 0.55), "left_hip": (0.56, 0.55), "right_hip": (0.44, 0.55), "left_knee": (0.56, 0.72),
        "right_knee": (0.44, 0.72), "left_ankle": (0.56, 0.9), "right_ankle": (0.44, 0.9),
    }  # fmt: skip
    keypoints = np.zeros((frames, kp.COUNT, 3), np.float32)
    keypoints[:, kp.BODY_SLICE] = (0.5, 0.4, 1)
    for name, place in places.items():
        keypoints[:, kp.BODY.index(name), :2] = place
    return keypoints


def kind(keypoints: NDArray[np.float32], trait: str) -> str:
    return TRAITS[trait][int(np.argmax(describe(keypoints, FPS)[trait]))]


def move(keypoints: NDArray[np.float32], **places: tuple[float, float]) -> NDArray[np.float32]:
    for name, place in places.items():
        keypoints[:, kp.BODY.index(name), :2] = place
    return keypoints


def test_somebody_who_stands() -> None:
    found = {trait: kind(standing(), trait) for trait in TRAITS}
    assert found == {
        "turn": "front", "left_arm": "down", "right_arm": "down", "legs": "standing", "left_hand": "unseen",
        "right_hand": "unseen", "distance": "full body", "pace": "still",
    }  # fmt: skip
    assert cell_of(describe(standing(), FPS)) == "front, arms down and down, legs standing, full body, still"


@pytest.mark.parametrize(
    ("trait", "expected", "places"),
    [
        ("turn", "back", {"left_shoulder": (0.4, 0.25), "right_shoulder": (0.6, 0.25)}),
        ("turn", "left", {"left_shoulder": (0.5, 0.25), "right_shoulder": (0.49, 0.25), "nose": (0.55, 0.1)}),
        ("turn", "right", {"left_shoulder": (0.5, 0.25), "right_shoulder": (0.49, 0.25), "nose": (0.45, 0.1)}),
        ("left_arm", "raised", {"left_wrist": (0.65, 0.05)}),
        ("right_arm", "level", {"right_wrist": (0.1, 0.25)}),
        ("legs", "raised", {"left_ankle": (0.7, 0.6)}),
        ("legs", "bent", {"left_knee": (0.8, 0.72), "right_knee": (0.2, 0.72)}),
    ],
)
def test_poses_have_names(trait: str, expected: str, places: dict[str, tuple[float, float]]) -> None:
    assert kind(move(standing(), **places), trait) == expected


@pytest.mark.parametrize(("reach", "expected"), [(2.0, "open"), (1.0, "fist")])
def test_hands_are_open_or_not(reach: float, expected: str) -> None:
    keypoints = standing()
    hand = keypoints[:, kp.LEFT_HAND_SLICE]
    hand[..., 2] = 1
    for finger, (knuckle, tip) in enumerate(((5, 8), (9, 12), (13, 16), (17, 20))):
        hand[:, knuckle, :2] = (0.01 * finger, 0.05)
        hand[:, tip, :2] = (0.01 * finger * reach, 0.05 * reach)
    assert kind(keypoints, "left_hand") == expected


@pytest.mark.parametrize(("speed", "expected"), [(0.01, "still"), (0.1, "slow"), (0.9, "fast")])
def test_pace_is_in_torsos_per_second(speed: float, expected: str) -> None:
    keypoints = standing()
    keypoints[..., 0] += np.arange(len(keypoints))[:, None] * speed / FPS
    assert kind(keypoints, "pace") == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.5, 5)), max_size=40), st.floats(0.05, 1))
def test_a_cap_is_kept_and_says_the_same_whatever_the_order(clips: list[tuple[str, float]], share: float) -> None:
    cells, seconds = [cell for cell, _ in clips], [length for _, length in clips]
    dropped = capped(cells, seconds, lambda index: f"{index * 7919 % 1000:04}", share)
    for cell in set(cells):
        kept = sum(s for i, s in enumerate(seconds) if cells[i] == cell and i not in dropped)
        assert kept <= share * sum(seconds) + 1e-6
    back = list(range(len(clips)))[::-1]
    again = capped(
        [cells[i] for i in back], [seconds[i] for i in back], lambda place: f"{back[place] * 7919 % 1000:04}", share
    )
    assert {back[i] for i in again} == dropped


def test_cells_name_traits_that_there_are() -> None:
    assert set(CELL) <= set(TRAITS)
    empty = np.zeros((1, kp.COUNT, 3), np.float32)
    assert all(sum(shares) == pytest.approx(1) for shares in describe(empty, FPS).values())

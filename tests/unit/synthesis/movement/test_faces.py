"""Faces do what faces can: blinks are events, eyes move together, nothing contradicts itself, the head goes along."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.synthesis.movement.faces import ACTIONS, OPPOSED, REST, agree, sample_face
from pipelines.synthesis.movement.skeleton import Angles

FINE = np.arange(0, 20, 1 / 120)


@pytest.fixture(scope="module")
def face() -> tuple[Angles, Angles]:
    return sample_face(np.random.default_rng(5), FINE, speaking=False)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=20)
def test_actions_are_in_range_and_agree(seed: int, speaking: bool) -> None:
    actions, _ = sample_face(np.random.default_rng(seed), np.arange(60) / 30, speaking)
    assert set(actions) == set(ACTIONS)
    assert all(((values >= 0) & (values <= 1)).all() for values in actions.values())
    for first, second in OPPOSED:
        assert np.minimum(actions[first], actions[second]).max() <= 1.01 * REST, (first, second)


def test_a_smile_and_a_frown_give_way_to_each_other() -> None:
    actions = {name: np.zeros(3) for name in ACTIONS}
    actions["mouthSmileLeft"], actions["mouthFrownLeft"] = np.array([0.8, 0.5, 0.0]), np.array([0.2, 0.5, 0.9])
    agree(actions)
    assert actions["mouthSmileLeft"] == pytest.approx([0.63, 0.075, 0.0])
    assert actions["mouthFrownLeft"] == pytest.approx([0.03, 0.075, 0.9])


def test_blinks_are_short_events_of_both_eyes(face: tuple[Angles, Angles]) -> None:
    lids = face[0]["eyeBlinkLeft"]
    closed = lids > 0.5
    starts, ends = np.flatnonzero(np.diff(closed.astype(int)) == 1), np.flatnonzero(np.diff(closed.astype(int)) == -1)
    spans = (ends[: len(starts)] - starts[: len(ends)]) / 120
    assert 3 <= len(spans) <= 14
    assert (spans < 0.3).mean() > 0.6
    both = face[0]["eyeBlinkRight"] > 0.5
    assert (both == closed).mean() > 0.95


def test_eyes_jump_together_and_rest_in_between(face: tuple[Angles, Angles]) -> None:
    actions, head = face
    left = actions["eyeLookOutLeft"] - actions["eyeLookInLeft"]
    right = actions["eyeLookInRight"] - actions["eyeLookOutRight"]
    assert np.corrcoef(left, right)[0, 1] > 0.97
    assert np.abs(left - right).max() < 0.2
    speed = np.abs(np.diff(left)) * 120 * 30
    assert speed.max() > 100
    assert np.median(speed) < 15
    assert np.abs(np.diff(head["head_turn"])).max() * 120 < 60


def test_the_head_takes_a_part_of_the_gaze(face: tuple[Angles, Angles]) -> None:
    actions, head = face
    eyes = 30 * (actions["eyeLookOutLeft"] - actions["eyeLookInLeft"])
    whole = eyes + head["head_turn"]
    assert 0.15 < np.std(head["head_turn"]) / np.std(whole) < 0.6
    assert np.corrcoef(whole, head["head_turn"])[0, 1] > 0.5


def test_lids_follow_the_eyes_down(face: tuple[Angles, Angles]) -> None:
    actions, _ = face
    low, level = actions["eyeLookDownLeft"] > 0.3, actions["eyeLookDownLeft"] < 0.02
    assert np.median(actions["eyeBlinkLeft"][low]) > np.median(actions["eyeBlinkLeft"][level]) + 0.05


def test_speech_moves_the_jaw() -> None:
    times = np.arange(0, 6, 1 / 30)
    spoken, silent = (
        sample_face(np.random.default_rng(7), times, speaking)[0]["jawOpen"] for speaking in (True, False)
    )
    assert np.abs(np.diff(spoken)).sum() > 3 * np.abs(np.diff(silent)).sum()

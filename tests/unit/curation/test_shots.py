"""Cuts become shots, and windows predict every frame exactly once."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.shots import CutDetector, shots_of, windows


@pytest.mark.parametrize(
    ("cuts", "shots"),
    [
        ("00000", [(0, 4)]),
        ("00100", [(0, 2), (3, 4)]),
        ("01100", [(0, 1), (3, 4)]),
        ("00001", [(0, 4)]),
        ("10010", [(1, 3), (4, 4)]),
        ("11111", [(0, 4)]),
    ],
)
def test_shots_of(cuts: str, shots: list[tuple[int, int]]) -> None:
    assert shots_of(np.array([c == "1" for c in cuts])) == shots


@given(st.integers(1, 700))
def test_windows_predict_each_frame_once(count: int) -> None:
    frames = (np.full((2, 2, 3), index % 256, np.uint8) for index in range(count))
    predicted = [
        int(frame[0, 0, 0]) for window, first, number in windows(frames) for frame in window[first : first + number]
    ]
    assert predicted == [index % 256 for index in range(count)]


def test_probabilities_equal_the_published_inference() -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 255, (2, 4, 6, 3), dtype=np.uint8)
    scenes = [cv2.resize(scene, (64, 27), interpolation=cv2.INTER_CUBIC) for scene in coarse]
    # The camera pans over each of two scenes in turn.
    frames = np.stack([scenes[index // 60][:, index % 60 // 4 : index % 60 // 4 + 48] for index in range(110)])
    before = torch.are_deterministic_algorithms_enabled()
    detector = CutDetector()
    assert torch.are_deterministic_algorithms_enabled() == before
    found = detector.probabilities(iter(frames))
    with torch.inference_mode():
        published = detector.network.predict_frames(torch.from_numpy(frames), quiet=True)[0].numpy()
    assert np.abs(found - published).max() < 0.05
    assert shots_of(found > 0.5) == shots_of(published > 0.5) == [(0, 59), (60, 109)]

"""What the source repeats, and what only the clip shows twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.cut import Window, frames_to_show
from pipelines.curation.quality.meter import Meter, Subject

SIZE, RATE, SECONDS = (128, 96), 16.0, 2


def repeated(fps: float, slower_from: int = 1000) -> float | None:
    """Score of a clip of a pattern that moves on with every frame; from one on they come at half of the rate."""
    steps = np.where(np.arange(round(SECONDS * fps)) < slower_from, 1, 2) / fps
    times = np.cumsum(steps) - steps[0]
    points = np.ones((len(times), kp.COUNT, 3), np.float32)
    points[..., :2] = np.random.default_rng(0).uniform(20, 70, (kp.COUNT, 2))
    boxes = np.tile([20.0, 20, 70, 70], (len(times), 1))
    window = Window(times, np.zeros((len(times), 2), np.int64), 96, list(range(len(times))))
    subject = Subject.of(window, points, boxes, fps, SIZE)
    text = SimpleNamespace(look=lambda _: np.zeros((12, 16), np.bool_))
    meter = Meter({0: subject}, [], SIZE, text)  # type: ignore[arg-type]
    place = np.random.default_rng(1).integers(0, 255, (96, 400, 3), dtype=np.uint8)
    pictures = [place[:, 2 * i :][:, :128].copy() for i in range(len(times))]
    for index in window.chosen:
        picture = SimpleNamespace(quantiser=lambda: 20.0)
        meter.see(float(times[index]), picture, pictures[index], [(0, index)])  # type: ignore[arg-type]
    frames = [pictures[index][:, :96] for index in window.chosen]
    shown, rate = frames_to_show(times, RATE)
    scores = meter.measured(0, frames).scores(subject, 0, len(frames), shown, rate)
    assert scores.quantiser == 20.0
    return scores.repeated


@pytest.mark.parametrize("fps", [10.0, 12.0, 16.0])
def test_a_slow_source_repeats_nothing(fps: float) -> None:
    assert repeated(fps) == 0


def test_a_source_that_becomes_slower_repeats() -> None:
    """At the rate of its first half, the clip shows every frame of the second one twice."""
    assert repeated(16.0, slower_from=16) == pytest.approx(1 / 3, abs=0.05)

"""What the source repeats, and what only the clip shows twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.cut import Window, nearest_frames
from pipelines.curation.quality.meter import Meter, Subject

SIZE, RATE, SECONDS = (128, 96), 16.0, 2


def repeated(fps: float, shown_twice: bool) -> float | None:
    """Score of a clip of a pattern that moves on with every frame of the source, or with every other one."""
    times = np.arange(round(SECONDS * fps)) / fps
    points = np.ones((len(times), kp.COUNT, 3), np.float32)
    points[..., :2] = np.random.default_rng(0).uniform(20, 70, (kp.COUNT, 2))
    boxes = np.tile([20.0, 20, 70, 70], (len(times), 1))
    window = Window(times, np.zeros((len(times), 2), np.int64), 96, nearest_frames(times, RATE))
    subject = Subject.of(window, points, boxes, fps, SIZE)
    text = SimpleNamespace(look=lambda _: np.zeros((12, 16), np.bool_))
    meter = Meter({0: subject}, [], SIZE, text)  # type: ignore[arg-type]
    place = np.random.default_rng(1).integers(0, 255, (96, 400, 3), dtype=np.uint8)
    pictures = [place[:, 2 * (i // 2 if shown_twice else i) :][:, :128].copy() for i in range(len(times))]
    for index in dict.fromkeys(window.chosen):
        picture = SimpleNamespace(quantiser=lambda: 20.0)
        meter.see(float(times[index]), picture, pictures[index], [(0, index)])  # type: ignore[arg-type]
    frames = [pictures[index][:, :96] for index in window.chosen]
    measured = meter.measured(0, frames, RATE)
    scores = measured.scores(subject, 0, len(frames))
    assert scores.quantiser == 20.0
    return scores.repeated


@pytest.mark.parametrize("fps", [10.0, 12.0, 25.0])
def test_a_slow_source_repeats_nothing(fps: float) -> None:
    assert repeated(fps, shown_twice=False) == 0


@pytest.mark.parametrize(("fps", "share"), [(24.0, 0.25), (25.0, 0.22)])
def test_a_source_that_shows_every_picture_twice_repeats(fps: float, share: float) -> None:
    assert repeated(fps, shown_twice=True) == pytest.approx(share, abs=0.05)

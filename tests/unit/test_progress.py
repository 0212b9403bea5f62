"""What people read in a log while work of hours goes on."""

import pytest

from pipelines import progress
from pipelines.progress import Pulse


def test_a_line_every_half_minute_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    said: list[str] = []
    pulse = Pulse(said.append, total=1000, done=100)
    for step in range(101, 301):
        clock[0] += 0.5
        pulse.beat(step, f"loss {step}")
    assert said == [
        "step 160 of 1000, loss 160, 2 steps per second, about 7 min left",
        "step 220 of 1000, loss 220, 2 steps per second, about 6 min left",
        "step 280 of 1000, loss 280, 2 steps per second, about 6 min left",
    ]


def test_slow_steps_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    said: list[str] = []
    pulse = Pulse(said.append, total=3, done=0)
    for step in (1, 2, 3):
        clock[0] += 100
        pulse.beat(step, "loss 1")
    assert [sentence.rsplit(", about ", 1)[1] for sentence in said] == ["3 min left", "2 min left", "0 s left"]

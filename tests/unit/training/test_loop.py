"""A run as its user sees it: what it leaves, what it measures, and how it ends when it goes wrong."""

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines import progress
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import EngineConfig, Phase, Preset
from training.history import read_history
from training.loop import Alone, Job, divergence, fit
from training.meter import throughput
from training.validate import Found, Validation


def run(workspace: Workspace, preset: Preset = TINY) -> None:
    fit(Job(workspace.url, "train/run", preset, 0, 1, False), Alone())


@pytest.fixture
def data(workspace: Workspace) -> Workspace:
    write_toy_shards(workspace)
    return workspace


def test_held_out_samples_are_measured_at_every_checkpoint(data: Workspace) -> None:
    run(data)
    rows = {row["step"]: row for row in read_history(data, "train/run")}
    measured = {step: row["validation_loss"] for step, row in rows.items() if row["validation_loss"] is not None}
    assert list(measured) == [1, 3, 5, 7]
    best = min(measured, key=measured.__getitem__) + 1
    assert checkpoint.best_step(data, "train/run") == best
    assert best in checkpoint.complete_steps(data, "train/run")
    picture = cv2.imread(str(data.local("train/run/samples/00000008.jpg")))
    # A sample per row; reference, driver, output and truth in four columns of 128 pixels.
    assert picture.shape[1] == 4 * 128
    assert picture.shape[0] % 128 == 0


def test_the_best_checkpoint_stays_beside_the_last(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.1, 0.4, 0.3])
    monkeypatch.setattr(Validation, "measure", lambda *_: Found(next(values), np.zeros((8, 8, 3), np.uint8)))
    run(data, replace(TINY, engine=EngineConfig(keep=1)))
    assert checkpoint.complete_steps(data, "train/run") == [4, 8]
    assert checkpoint.best_step(data, "train/run") == 4


def test_nothing_is_measured_without_held_out_samples(workspace: Workspace) -> None:
    write_toy_shards(workspace, validation_pairs=0)
    run(workspace)
    assert all("validation_loss" not in row for row in read_history(workspace, "train/run"))
    assert checkpoint.best_step(workspace, "train/run") == TINY.steps
    assert workspace.children("train/run/samples") == []


def test_a_run_that_diverges_stops_and_lists_its_samples(data: Workspace) -> None:
    wild = replace(TINY, phases=(Phase("frames", 150, batch=2, rate=50.0, warm=1),), clip_norm=1e9, validation=0)
    run(data, wild)
    reason = divergence(data, "train/run")
    assert reason is not None
    assert "diverged at step" in reason
    assert "lower the learning rate" in reason
    about = json.loads(data.local("train/run/diverged.json").read_text())
    assert len(about["samples"]) == 2
    assert {"position", "id", "shard", "driver", "target"} == about["samples"][0].keys()
    # It goes the same way again, from the last checkpoint before.
    run(data, wild)
    assert divergence(data, "train/run") == reason


def test_a_write_that_fails_once_is_tried_again(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([True, False, True])
    publish = checkpoint.Saver._publish
    monkeypatch.setattr(checkpoint.time, "sleep", lambda _: None)

    def flaky(self: checkpoint.Saver, relative: str, rows: object) -> str:
        if next(failures, False):
            raise OSError("connection reset")
        return publish(self, relative, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint.Saver, "_publish", flaky)
    run(data)
    assert checkpoint.complete_steps(data, "train/run")[-1] == TINY.steps
    assert next(failures, None) is None


def test_a_long_run_says_where_it_is(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PULSE_S", 0.0)
    said: list[str] = []
    fit(Job(data.url, "train/run", TINY, 0, 1, None), Alone(), said.append)
    losses = [row["loss"] for row in read_history(data, "train/run")]
    assert len(said) == len(losses) == TINY.steps == 8
    for step, (sentence, loss) in enumerate(zip(said, losses, strict=True), start=1):
        expected = rf"step {step} of 8, loss {loss:.4g}, [\d.e+-]+ steps per second, about \d+ s left"
        assert re.fullmatch(expected, sentence), sentence


def test_rates_follow_from_steps_and_seconds() -> None:
    rows = [{"step": step, "seconds": 0.5, "waited": 0.1} for step in range(8)]
    found = throughput(rows, TINY, 1, torch.device("cpu"))
    assert found["samples_per_second"] == pytest.approx((3 * 4 + 3 * 4 + 1 * 4 + 1 * 2) / 4)
    assert found["waiting_share"] == pytest.approx(0.2)
    assert found["ms_per_step"] == 500
    assert found["tflops_per_second"] > 0
    assert found["memory_gb"] > 0.05
    assert "mfu" not in found

"""Workers together do what one does alone: whole models or rows of them, in one pass or several, resumed by others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from team import Gloo, together
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.workspace import Workspace
from training import checkpoint
from training.config import EngineConfig, Phase, Preset
from training.history import read_history, read_taken
from training.loop import Alone, Job, fit
from training.model.animator import Animator
from training.objective import Objective
from training.parallel import rows_here
from training.step import Learner

STEPS = 10
FRAMES = Phase("frames", 7, batch=12, final=1.0)
LONG = replace(TINY, phases=(Phase("warm-up", 3, batch=12, learn="retargeting"), FRAMES), save_every=5)
EVERY_SAMPLE = list(range(12 * STEPS))


def sharded(preset: Preset, accumulate: int = 1) -> Preset:
    return replace(preset, engine=EngineConfig(shard=True, accumulate=accumulate))


def job(url: str, preset: Preset) -> Job:
    return Job(url, "train/run", preset, 0, 1, False)


def train(team: Gloo, url: str, preset: Preset) -> None:
    fit(job(url, preset), team)


def taken(url: str) -> list[int]:
    return [row["position"] for row in read_taken(Workspace(url), "train/run")]


def losses(url: str) -> list[float]:
    return [row["loss"] for row in read_history(Workspace(url), "train/run")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_toy_shards(Workspace(str(folder)))
    return folder


@pytest.fixture
def place(data: Path, tmp_path: Path) -> str:
    """A workspace of its own over the shared shards."""
    for name in data.iterdir():
        (tmp_path / name.name).symlink_to(name)
    return str(tmp_path)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses and running means of one worker."""
    folder = tmp_path_factory.mktemp("alone")
    for name in data.iterdir():
        (folder / name.name).symlink_to(name)
    fit(job(str(folder), LONG), Alone())
    return losses(str(folder)), checkpoint.load_ema(Workspace(str(folder)), "train/run", STEPS)


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(LONG, id="whole"),
        pytest.param(sharded(LONG), id="rows", marks=pytest.mark.slow),
        pytest.param(replace(LONG, engine=EngineConfig(accumulate=2)), id="whole-two-passes", marks=pytest.mark.slow),
        pytest.param(sharded(LONG, 2), id="rows-two-passes"),
    ],
)
def test_two_workers_do_what_one_does(
    place: str, alone: tuple[list[float], dict[str, torch.Tensor]], preset: Preset
) -> None:
    together(2, train, place, preset)
    assert losses(place) == pytest.approx(alone[0], abs=1e-4)
    assert taken(place) == EVERY_SAMPLE
    means = checkpoint.load_ema(Workspace(place), "train/run", STEPS)
    assert means.keys() == alone[1].keys()
    for name, mean in means.items():
        assert torch.allclose(mean, alone[1][name], atol=2e-3), name


@pytest.mark.parametrize(("first", "second"), [(2, 1), pytest.param(1, 3, marks=pytest.mark.slow)])
def test_another_number_of_workers_goes_on(
    place: str, alone: tuple[list[float], dict[str, torch.Tensor]], first: int, second: int
) -> None:
    for workers, until in ((first, 5), (second, STEPS)):
        cut = replace(LONG, phases=(LONG.phases[0], replace(FRAMES, steps=until - 3)))
        if workers == 1:
            fit(job(place, cut), Alone())
        else:
            together(workers, train, place, sharded(cut))
    assert checkpoint.complete_steps(Workspace(place), "train/run") == [5, STEPS]
    assert losses(place) == pytest.approx(alone[0], abs=1e-4)
    assert taken(place) == EVERY_SAMPLE


def held(team: Gloo, preset: Preset) -> dict[str, int]:
    """Bytes of parameters, gradients, optimiser state and running means in this worker after a step."""
    torch.manual_seed(0)
    animator = Animator(preset.model)
    wrapped = team.wrap(Objective(animator, preset, 0), animator, preset.engine)
    learner = Learner.fresh(animator, preset)
    for parameter in wrapped.parameters():
        parameter.grad = parameter.detach().clone()
    learner.optimizer.step()
    kinds: dict[str, list[Any]] = {
        "weights": list(animator.parameters()),
        "gradients": [p.grad for p in animator.parameters() if p.grad is not None],
        "moments": [v for s in learner.optimizer.state.values() for k, v in s.items() if k != "step"],
        "means": list(learner.ema.values()),
    }
    return {kind: sum(rows_here(tensor).nbytes for tensor in tensors) for kind, tensors in kinds.items()}


@pytest.mark.slow
def test_each_of_two_workers_holds_half() -> None:
    whole, rows = together(2, held, LONG)[0], together(2, held, sharded(LONG))[0]
    for kind, count in whole.items():
        assert rows[kind] < 0.6 * count, kind

"""The training loop of one worker: resume, step, record, save. It knows its team only as a few functions."""

import json
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from simplejpeg import encode_jpeg
from torch import nn

from pipelines.evaluation.seen.lpips import Lpips
from pipelines.progress import Pulse
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.workspace import Workspace
from training import checkpoint, spool
from training.config import EngineConfig, Preset
from training.data import Plan, Stream
from training.estimate import phase_costs
from training.export import load_weights, local_model
from training.history import write_history
from training.latents import Latents
from training.losses import LookLoss
from training.meter import throughput
from training.model.animator import Animator
from training.objective import Objective
from training.records import Records
from training.step import Learner, train_step
from training.tensors import usual_device
from training.validate import Validation

if TYPE_CHECKING:
    from training.machine import Machine

_DIVERGED = "diverged.json"
_USUAL, _FAR = 100, 20.0  # a loss of so many times the median of so many steps is no accident


@dataclass(frozen=True)
class Job:
    """What to train.

    run: its folder in the workspace. threads: of each worker. tracked: whether MLflow is going to hear of it. started:
    whether the folder `start` in `run` holds a model to start from.
    """

    workspace_url: str
    run: str
    preset: Preset
    seed: int
    threads: int
    tracked: bool
    started: bool = False


class Team(Protocol):
    """The workers of a run, as one of them sees it."""

    rank: int
    world: int
    device: torch.device

    def wrap(self, module: nn.Module, animator: Animator, engine: EngineConfig) -> nn.Module:
        """Make a module, which contains the animator, share its gradients with the team."""

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Average numbers over the team, once all have come so far."""

    def gather(self, numbers: list[int]) -> list[int]:
        """The numbers of all, one worker's after another's; each gives equally many."""


class Alone:
    """A team of one, in this process, on its GPU if there is one."""

    rank, world = 0, 1

    def __init__(self) -> None:
        self.device = usual_device()

    def wrap(self, module: nn.Module, animator: Animator, engine: EngineConfig) -> nn.Module:  # noqa: ARG002
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        return values

    def gather(self, numbers: list[int]) -> list[int]:
        return numbers


def fit(job: Job, team: Team, say: Callable[[str], None] = lambda _: None) -> None:
    """Train to the last step, from the last whole checkpoint on.

    say: is told by the first worker, every half minute, where it is.
    A run that diverges ends early, and says why in `diverged.json`: going on from a checkpoint would only repeat it.
    """
    with _watched(job, team) as machine:
        _fit(job, team, machine, say)


def _fit(job: Job, team: Team, machine: "Machine | None", say: Callable[[str], None]) -> None:
    torch.set_num_threads(job.threads)
    workspace, preset = Workspace(job.workspace_url), job.preset
    train, held_out = (ShardIndex.load(workspace, split) for split in ("train", "validation"))
    records = Records(Reader(workspace), preset.model, preset.data.cache_mb * 2**20)
    # Before the network is there, whose memory encoding can use.
    measured = held_out.samples if preset.validation else ()
    latents = _keep_latents(workspace, [*train.samples, *measured], records, preset, team)
    learner, objective = _set_up(job, team)
    if team.rank == 0:
        checkpoint.sweep(workspace, job.run)
        workspace.remove(f"{job.run}/{_DIVERGED}")
    team.mean({"ready": 1.0})
    if steps := checkpoint.complete_steps(workspace, job.run):
        checkpoint.load(workspace, job.run, learner, steps[-1])
    plan = Plan(train, preset, job.seed)
    plan.check()
    stream = Stream(plan, records, preset, team.rank, team.world, latents, pin=team.device.type == "cuda")
    validation = Validation.of(held_out, records, preset, team.rank, team.world, latents)
    writers = team.world if preset.engine.shard else 1
    saver = checkpoint.Saver(workspace, job.run, team.rank, writers, preset.engine.keep)
    rows: list[dict[str, Any]] = []
    taken: list[int] = []
    usual: deque[float] = deque(maxlen=_USUAL)
    began, waited = time.monotonic(), 0.0
    pulse = Pulse(say if team.rank == 0 else lambda _: None, preset.steps, learner.step)
    for step, batch in stream.batches(range(learner.step, preset.steps)):
        saver.check()
        try:
            values = team.mean(train_step(objective, learner, batch.to(team.device), preset))
            _check(step, values["loss"], usual, preset)
        except FloatingPointError as error:
            saver.wait()
            if team.rank == 0:
                _publish_divergence(workspace, job.run, str(error), plan, step)
            break
        pulse.beat(learner.step, f"loss {values['loss']:.4g}")
        now = time.monotonic()
        rows.append({"step": step, **values, "seconds": now - began, "waited": stream.waited - waited})
        taken += [number for position in batch.position.tolist() for number in (step, position)]
        if learner.step % preset.save_every == 0 or learner.step == preset.steps:
            value, picture = _measure(validation, objective, learner, team)
            if value is not None:
                rows[-1]["validation_loss"] = value
            samples = partial(_samples, plan, team.gather(taken))
            rates = partial(throughput, rows, preset, team.world, team.device)
            saver.save(learner, value, partial(_record, workspace, job, rows, samples, rates, picture, machine))
            rows, taken, now = [], [], time.monotonic()
        began, waited = now, stream.waited
    saver.wait()
    team.mean({"done": 1.0})


def _keep_latents(
    workspace: Workspace, refs: list[SampleRef], records: Records, preset: Preset, team: Team
) -> Latents | None:
    """None where the codec encodes in the step."""
    if not preset.data.latents:
        return None
    latents = Latents(workspace, refs, preset, team.device)
    latents.sweep(team.rank, team.world)
    # What is there from now on is whole.
    team.mean({"swept": 1.0})
    latents.encode(records, team.rank, team.world)
    return latents


def _set_up(job: Job, team: Team) -> tuple[Learner, nn.Module]:
    """A fresh learner, and the objective around its animator as the team shares it."""
    engine = job.preset.engine
    torch.manual_seed(job.seed)
    animator = Animator(job.preset.model)
    if job.started:
        load_weights(animator, local_model(Workspace(job.workspace_url), f"{job.run}/start"))
    animator = animator.to(team.device)
    if engine.recompute:
        animator.dit.transformer.enable_gradient_checkpointing()
    if engine.compile:
        for block in animator.dit.transformer.blocks:
            block.compile()
    look = None
    if job.preset.looks:
        look = LookLoss(Lpips.of(Workspace(job.workspace_url), "alex").to(team.device))
    objective = team.wrap(Objective(animator, job.preset, job.seed, look), animator, engine)
    return Learner.fresh(animator, job.preset), objective


def _measure(
    validation: Validation | None, objective: nn.Module, learner: Learner, team: Team
) -> tuple[float | None, NDArray[np.uint8] | None]:
    """The loss of held-out samples, over the team, and a picture of some; nothing where there are none."""
    if not validation:
        return None, None
    found = validation.measure(objective, learner, team.device)
    return team.mean({"loss": found.loss})["loss"], found.picture


@contextmanager
def _watched(job: Job, team: Team) -> "Iterator[Machine | None]":
    """Measures what the machine does inside, in the first worker."""
    if team.rank or not job.tracked:
        yield None
        return
    # Kept for the rates. Counting hooks every module of the process: the saver's thread must not do it beside a step.
    phase_costs(job.preset)
    from training.machine import Machine

    machine = Machine()
    try:
        yield machine
    finally:
        machine.stop()


def _check(step: int, loss: float, usual: deque[float], preset: Preset) -> None:
    """Raises: FloatingPointError for a loss far from those of the steps before in the same phase."""
    if preset.phase_at(step)[1] == 0:
        usual.clear()
    if len(usual) == _USUAL and loss > _FAR * statistics.median(usual):
        raise FloatingPointError(f"step {step}: loss {loss:.4g} after a median of {statistics.median(usual):.4g}")
    usual.append(loss)


def _publish_divergence(workspace: Workspace, run: str, reason: str, plan: Plan, step: int) -> None:
    samples = [plan.describe(step, position) for position in plan.positions(step, 0, 1)[1]]
    with workspace.publish(f"{run}/{_DIVERGED}") as path:
        path.write_text(json.dumps({"reason": reason, "step": step, "samples": samples}, indent=1))


def divergence(workspace: Workspace, run: str) -> str | None:
    """Why a run ended early, in a sentence; None where it did not."""
    if not workspace.exists(f"{run}/{_DIVERGED}"):
        return None
    found = json.loads(workspace.local(f"{run}/{_DIVERGED}").read_text())
    return (
        f"training diverged at {found['reason']}; the {len(found['samples'])} samples of that step are listed in "
        f"{run}/{_DIVERGED}; look at them, or lower the learning rate"
    )


def _samples(plan: Plan, taken: list[int]) -> list[dict[str, str | int]]:
    """taken: step and position in turn."""
    return [{"step": step, **plan.describe(step, at)} for step, at in zip(taken[::2], taken[1::2], strict=True)]


def _record(
    workspace: Workspace,
    job: Job,
    rows: list[dict[str, Any]],
    samples: Callable[[], list[dict[str, str | int]]],
    rates: Callable[[], dict[str, float]],
    picture: NDArray[np.uint8] | None,
    machine: "Machine | None",
) -> None:
    """Store what came since the checkpoint before, ahead of the checkpoint: a resumed run finds all of it."""
    shown = None
    if picture is not None:
        shown = f"{job.run}/samples/{rows[-1]['step'] + 1:08d}.jpg"
        with workspace.publish(shown) as path:
            path.write_bytes(encode_jpeg(picture, quality=92))
    if machine:
        spool.set_aside(workspace, job.run, rows[0]["step"], spool.Aside(rates(), shown, machine.take()))
    write_history(workspace, job.run, rows, samples())

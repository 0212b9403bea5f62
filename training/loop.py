"""The training loop of one worker: resume, step, record, save. It knows its team only as a few functions."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import Preset
from training.data import Plan, Stream
from training.model.animator import Animator
from training.objective import Objective
from training.records import Records
from training.step import Learner, train_step


@dataclass(frozen=True)
class Job:
    """What to train. run: its folder in the workspace. threads: of each worker. tracking: id of the MLflow run."""

    workspace_url: str
    run: str
    preset: Preset
    seed: int
    threads: int
    tracking: str | None


class Team(Protocol):
    """The workers of a run, as one of them sees it."""

    rank: int
    world: int
    device: torch.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """Make a module average its gradients over the team."""

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Average numbers over the team."""


class Alone:
    """A team of one, in this process."""

    rank, world, device = 0, 1, torch.device("cpu")

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        return values


def fit(job: Job, team: Team) -> None:
    """Train to the last step, from the last whole checkpoint on."""
    torch.set_num_threads(job.threads)
    workspace = Workspace(job.workspace_url)
    preset = job.preset
    torch.manual_seed(job.seed)
    learner = Learner.fresh(Animator(preset.model).to(team.device), preset)
    if steps := checkpoint.complete_steps(workspace, job.run):
        checkpoint.load(workspace, job.run, learner, steps[-1])
    objective = team.wrap(Objective(learner.animator, preset, job.seed))
    plan = Plan(ShardIndex.load(workspace, "train"), preset, job.seed)
    records = Records(Reader(workspace), preset.model, preset.data.cache_mb * 2**20)
    stream = Stream(plan, records, preset, team.rank, team.world)
    rows: list[dict[str, Any]] = []
    began, waited = time.monotonic(), 0.0
    for step, batch in stream.batches(learner.step):
        values = team.mean(train_step(objective, learner, batch.to(team.device), preset))
        now = time.monotonic()
        rows.append({"step": step, **values, "seconds": now - began, "waited": stream.waited - waited})
        began, waited = now, stream.waited
        if learner.step % preset.save_every == 0 or learner.step == preset.steps:
            if team.rank == 0:
                _publish_history(workspace, job.run, rows)
                _track(job, rows)
                checkpoint.save(workspace, job.run, learner)
            rows = []


def _publish_history(workspace: Workspace, run: str, rows: list[dict[str, Any]]) -> None:
    """One part per checkpoint, and before it: a resumed run finds the history of all that it does not repeat."""
    with workspace.publish(f"{run}/history/{rows[0]['step']:08d}.parquet") as path:
        pq.write_table(pa.Table.from_pylist(rows, schema=_schema(rows)), path)


def _schema(rows: list[dict[str, Any]]) -> pa.Schema:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([(name, pa.int64() if name == "step" else pa.float64()) for name in names])


def read_history(workspace: Workspace, run: str) -> list[Mapping[str, Any]]:
    """All steps of a run in order: losses, gradient norm, rate, seconds and seconds waited for data."""
    parts = workspace.children(f"{run}/history")
    tables = [pq.read_table(workspace.local(f"{run}/history/{part}")) for part in parts]
    rows: dict[int, Mapping[str, Any]] = {}
    for row in pa.concat_tables(tables, promote_options="default").to_pylist():
        rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]


def _track(job: Job, rows: list[dict[str, Any]]) -> None:
    if job.tracking:
        from training.tracking import log_history

        log_history(Workspace(job.workspace_url), job.tracking, rows)

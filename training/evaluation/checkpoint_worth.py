"""What the last checkpoint of a training is worth, whether it still runs, was killed or has ended.

A long training should not have to end before anybody knows whether it gets anywhere, nor before
its model can be used: `unimotion checkpoint` judges it on test pairs, as `unimotion evaluate` does,
and writes its model folder. Nothing is registered, and the training goes on beside it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError, WorkError
from pipelines.evaluation import figures, gate
from pipelines.evaluation.baselines import TRUTH
from pipelines.evaluation.statistics import Difference
from pipelines.manifest import Row
from pipelines.progress import Progress
from pipelines.shards import contents
from pipelines.shards.read import ShardIndex
from pipelines.stage import fingerprint_of, read_inputs
from pipelines.workspace import Workspace
from training import train
from training.config import Preset, to_json
from training.evaluate import EvaluationConfig, differences, make_worker

if TYPE_CHECKING:
    from torch import Tensor

# Beside a model that was written out: where it comes from, and what it is worth.
ABOUT = "about.json"
# The model, told where the person's points are: what is left is not D's fault.
TRUE_POINTS = "true points"


_LEAKAGE = ("person", "person_chance")
_NAME, _COLUMN = 44, 16  # characters


@dataclass(frozen=True, kw_only=True)
class LastCheckpoint:
    # The folder of the run in its workspace.
    run: str
    # How many steps were done.
    step: int
    # The running means, which a model is used with: taken once, since a training that goes on
    # deletes its old checkpoints.
    weights: "Mapping[str, Tensor]"
    preset: Preset
    # Of all processes and threads, in those steps.
    core_seconds: float
    shards_digest: str


@dataclass(frozen=True, kw_only=True)
class Worth:
    # How many of test pairs were judged.
    groups: int
    # Method -> figure -> mean.
    means: Mapping[str, Mapping[str, float]]
    # Method -> figure -> the model's less that method's.
    differences: Mapping[str, Mapping[str, Difference]]


def last_checkpoint(workspace: Workspace, config: train.TrainConfig) -> LastCheckpoint:
    """Of the run that `unimotion train` would go on with. Raises: WorkError where it has none."""
    from training import checkpoint
    from training.history import read_history

    inputs = read_inputs(train.STAGE, workspace)
    run = f"train/{fingerprint_of(train.STAGE, config, inputs)}"
    if not checkpoint.complete_steps(workspace, run):
        raise WorkError(
            f"workspace {workspace.url}: has no checkpoint of a training with these settings on "
            "these shards; run `unimotion train`, and wait for its first one"
        )
    step, weights = checkpoint.last_ema(workspace, run)
    seconds = [row["seconds"] for row in read_history(workspace, run) if row["step"] < step]
    return LastCheckpoint(
        run=run,
        step=step,
        weights=weights,
        preset=config.chosen,
        core_seconds=sum(seconds) * max(1, config.workers) * config.threads,
        shards_digest=inputs["shards"].digest,
    )


def judge(workspace: Workspace, last: LastCheckpoint, config: EvaluationConfig, progress: Progress) -> Worth:
    """What is seen on test pairs; with a picture of each in the run's folder `judged/grids`."""
    from training.export import write_model

    folder = f"{last.run}/judged"
    digest = write_model(workspace, folder, last.preset.model, last.weights)
    rows = judge_folder(workspace, folder, digest, f"{folder}/grids", config, progress, TRUE_POINTS)
    return Worth(
        groups=len({row["group"] for row in rows}),
        means=figures.means(rows),
        differences=differences(rows, config.gate.seed, (gate.BASELINE, TRUE_POINTS)),
    )


def judge_folder(
    workspace: Workspace,
    folder: str,
    digest: str,
    grids: str,
    config: EvaluationConfig,
    progress: Progress,
    true_points: str | None = None,
) -> list[Row]:
    """What is seen on test pairs, one row per pair and method, of the model in a folder.

    digest: of the model. grids: folder for a picture of each pair, whose old ones go. true_points: see `make_worker`.
    """
    for name in workspace.children(grids):
        workspace.remove(f"{grids}/{name}")
    work = make_worker(workspace, {gate.MODEL: folder}, config, grids, true_points)
    pairs = [ref for ref in ShardIndex.load(workspace, "test").samples if ref.kind == "pair"]
    rows: list[Row] = []
    for number, ref in enumerate(pairs[: config.groups], start=1):
        rows += work({"group": ref.id, "model": digest})
        progress.say(f"{number}/{min(len(pairs), config.groups)} groups judged")
    return rows


def describe(last: LastCheckpoint, worth: Worth | None) -> str:
    """For people: a line on the training, and a table of figures."""
    phase, _ = last.preset.phase_at(last.step - 1)
    hours = last.core_seconds / 3600
    done = f"step {last.step} of {last.preset.steps} (phase {phase.name}), {hours:.1f} core-hours"
    if worth is None:
        return done
    methods = (gate.MODEL, TRUE_POINTS, gate.BASELINE, TRUTH)
    known = [method for method in methods if method in worth.means]
    heads = "".join(f"{method:>{_COLUMN}}" for method in known)
    lines = [done, "", f"{'':<{_NAME}}{heads}    less copying, 95 %"]
    for figure in figures.FIGURES:
        row = f"{figure.name[: _NAME - 1]:<{_NAME}}"
        for method in known:
            value = worth.means[method].get(figure.key)
            row += f"{'' if value is None else format(value, '.3f'):>{_COLUMN}}"
        lines.append(row + _interval(worth, figure.key))
    for token in figures.TOKENS:
        names = [figures.token_figure(token, part) for part in _LEAKAGE]
        share, chance = (worth.means[gate.MODEL].get(name) for name in names)
        if share is not None and chance is not None:
            told = f"Person told by the token of {token.replace('_', ' ')}"
            lines.append(f"{told:<{_NAME}}{share:>{_COLUMN}.3f}    by chance {chance:.3f}")
    return "\n".join(lines)


def _interval(worth: Worth, figure: str) -> str:
    difference = worth.differences.get(gate.BASELINE, {}).get(figure)
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        return f"    {difference.mean:+.3f}"
    return f"    {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


def check_out(folder: Path) -> None:
    """Before hours of judging. Raises: UsageError where writing a model into a folder would replace
    one: it may be the one that the training started from."""
    from training.export import CONFIG, WEIGHTS

    for name in (CONFIG, WEIGHTS, contents.NAME, ABOUT):
        if os.path.lexists(folder / name):
            raise UsageError(f"--out {folder / name}: exists already; choose another folder, or add --overwrite")


def write_out(workspace: Workspace, last: LastCheckpoint, worth: Worth | None, folder: Path, half: bool) -> None:
    """Write the model folder (see `training.export`), with what the model saw and where it comes
    from beside it.

    half: whether weights are stored as float16, in half the bytes; they are used as float32 all the
    same.
    """
    from training.export import write_model

    target, name = Workspace(str(folder.absolute().parent)), folder.name
    weights = last.weights
    if half:
        weights = {key: tensor.half() for key, tensor in last.weights.items()}
    write_model(target, name, last.preset.model, weights)
    seen = workspace.local(f"{last.run}/{contents.NAME}")
    contents.keep(target, [seen], f"{name}/{contents.NAME}")
    with target.publish(f"{name}/{ABOUT}") as path:
        path.write_text(json.dumps(facts(last, worth), indent=1, sort_keys=True) + "\n")


def facts(last: LastCheckpoint, worth: Worth | None) -> dict[str, Any]:
    """What `describe` says, for machines."""
    training = {
        "run": last.run,
        "step": last.step,
        "steps": last.preset.steps,
        "preset": to_json(last.preset),
        "core_seconds": last.core_seconds,
        "shards_digest": last.shards_digest,
    }
    return {"training": training, "worth": None if worth is None else asdict(worth)}

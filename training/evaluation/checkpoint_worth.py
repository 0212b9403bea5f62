"""What the last checkpoint of a training is worth, whether it still runs, was killed or has ended.

A long training should not have to end before anybody knows whether it gets anywhere, nor before
its model can be used: `unimotion checkpoint` judges it on test pairs, as `unimotion evaluate` does,
and writes its model folder. Nothing is registered, and the training goes on beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import WorkError
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
from training.config import Preset
from training.evaluate import EvaluationConfig, differences, make_worker

ABOUT = "about.json"  # beside a model that was written out: where it comes from, and what it is worth
TRUE_POINTS = "true points"  # the model, told where the person's points are: what is left is not D's fault


@dataclass(frozen=True, kw_only=True)
class LastCheckpoint:
    # The folder of the run in its workspace.
    run: str
    # How many steps were done.
    step: int
    preset: Preset
    # Of all processes and threads, in those steps.
    core_seconds: float
    shards_digest: str


@dataclass(frozen=True, kw_only=True)
class Worth:
    """groups: of test pairs. means: method -> figure -> mean. differences: of the model from the method -> figure."""

    groups: int
    means: Mapping[str, Mapping[str, float]]
    differences: Mapping[str, Mapping[str, Difference]]


def last_checkpoint(workspace: Workspace, config: train.TrainConfig) -> LastCheckpoint:
    """Of the run that `unimotion train` would go on with. Raises: WorkError where it has none yet."""
    from training import checkpoint
    from training.history import read_history

    inputs = read_inputs(train.STAGE, workspace)
    run = f"train/{fingerprint_of(train.STAGE, config, inputs)}"
    steps = checkpoint.complete_steps(workspace, run)
    if not steps:
        raise WorkError(
            f"workspace {workspace.url}: has no checkpoint of a training with these settings on these shards; "
            "run `unimotion train`, and wait for its first one"
        )
    done = [row for row in read_history(workspace, run) if row["step"] < steps[-1]]
    seconds = sum(row["seconds"] for row in done)
    return LastCheckpoint(
        run=run,
        step=steps[-1],
        preset=config.chosen,
        core_seconds=seconds * max(1, config.workers) * config.threads,
        shards_digest=inputs["shards"].digest,
    )


def judge(workspace: Workspace, last: LastCheckpoint, config: EvaluationConfig, progress: Progress) -> Worth:
    """What is seen on test pairs; with a picture of each in the run's folder `judged/grids`."""
    from training import checkpoint
    from training.export import write_model

    folder = f"{last.run}/judged"
    ema = checkpoint.load_ema(workspace, last.run, last.step)
    digest = write_model(workspace, folder, last.preset.model, ema)
    work = make_worker(workspace, {gate.MODEL: folder}, config, f"{folder}/grids", true_points=TRUE_POINTS)
    refs = [ref for ref in ShardIndex.load(workspace, "test").samples if ref.kind == "pair"][: config.groups]
    rows: list[Row] = []
    for number, ref in enumerate(refs, start=1):
        rows += work({"group": ref.id, "model": digest})
        progress.say(f"{number}/{len(refs)} groups judged")
    return Worth(
        groups=len(refs),
        means=figures.means(rows),
        differences=differences(rows, config.gate.seed, (gate.BASELINE, TRUE_POINTS)),
    )


def describe(last: LastCheckpoint, worth: Worth | None) -> str:
    """For people: a line on the training, and a table of figures."""
    phase, _ = last.preset.phase_at(last.step - 1)
    hours = last.core_seconds / 3600
    lines = [f"step {last.step} of {last.preset.steps} (phase {phase.name}), {hours:.1f} core-hours"]
    if worth is None:
        return lines[0]
    methods = [gate.MODEL, TRUE_POINTS, gate.BASELINE, TRUTH]
    known = [method for method in methods if method in worth.means]
    lines += ["", " " * 44 + "".join(f"{method:>13}" for method in known) + "    less copying, 95 %"]
    for figure in figures.FIGURES:
        values = [worth.means[method].get(figure.key) for method in known]
        shown = "".join(f"{'' if value is None else format(value, '.3f'):>13}" for value in values)
        lines.append(f"{figure.name[:43]:<44}{shown}{_interval(worth, figure.key)}")
    for token in figures.TOKENS:
        share, chance = (worth.means[gate.MODEL].get(figures.token_figure(token, part)) for part in _LEAKAGE)
        if share is not None and chance is not None:
            told = f"Person told by the token of {token.replace('_', ' ')}"
            lines.append(f"{told:<44}{share:>13.3f}    by chance {chance:.3f}")
    return "\n".join(lines)


_LEAKAGE = ("person", "person_chance")


def _interval(worth: Worth, figure: str) -> str:
    difference = worth.differences.get(gate.BASELINE, {}).get(figure)
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        return f"    {difference.mean:+.3f}"
    return f"    {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


def write_out(workspace: Workspace, last: LastCheckpoint, worth: Worth | None, folder: Path, half: bool) -> None:
    """Write the model folder (see `training.export`), with what the model saw and where it comes from beside it.

    half: whether weights are stored as float16, in half the bytes; they are used as float32 all the same.
    """
    from training import checkpoint
    from training.export import write_model

    target = Workspace(str(folder.absolute().parent))
    ema = checkpoint.load_ema(workspace, last.run, last.step)
    weights = {name: tensor.half() for name, tensor in ema.items()} if half else ema
    write_model(target, folder.name, last.preset.model, weights)
    contents.keep(target, [workspace.local(f"{last.run}/{contents.NAME}")], f"{folder.name}/{contents.NAME}")
    with target.publish(f"{folder.name}/{ABOUT}") as path:
        path.write_text(json.dumps(facts(last, worth), indent=1, sort_keys=True) + "\n")


def facts(last: LastCheckpoint, worth: Worth | None) -> dict[str, Any]:
    """What `describe` says, for machines."""
    from training.config import to_json

    training = asdict(last) | {"preset": to_json(last.preset), "steps": last.preset.steps}
    return {"training": training, "worth": None if worth is None else asdict(worth)}

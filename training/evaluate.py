"""The `evaluation` stage: what is seen on test pairs whose truth is known, beside copying the reference, the champion
and the truth itself; then the gate.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines.engine import Worker
from pipelines.errors import WorkError
from pipelines.evaluation import figures, gate
from pipelines.evaluation.gate import GateConfig, Verdict
from pipelines.evaluation.statistics import ALL_FRAMINGS, Difference, paired_differences
from pipelines.manifest import Manifest, Row, Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from training.rival import Rival

GATE = "gate.json"  # in the stage's folder: the verdict on the model
_GATE_PATH = f"evaluation/{GATE}"
_GRIDS = "evaluation/grids"
_GRID_FRAMES = 4
_GRID_SCALE = 2
_CACHE_BYTES = 2**26


@dataclass(frozen=True)
class EvaluationConfig:
    """groups: the most test groups to use; in each, every identity drives the next one. 12 groups of three pairs of
    three frames take the judges less than two minutes of a core.

    steps (None: the model's own), guidance_scale: of the sampler. gate: see `GateConfig`.
    """

    groups: int = 12
    steps: int | None = None
    guidance_scale: float = 1.0
    seed: int = 0
    gate: GateConfig = field(default_factory=GateConfig)


def _run(context: Context) -> list[Row]:
    config: EvaluationConfig = context.config
    models = context.inputs["model"].rows()
    rows: list[Row] = []
    about: Row = {}
    if models:
        from training.rival import brought

        registered = _side(context.workspace, "model/registered.json")
        version = _to_beat(context, registered["version"])
        with brought(context.workspace, version) as rival:
            rows = _compared(context, models[0], rival)
        trouble = rival.trouble if rival else None
        about = {"version": registered["version"], "champion": version, "champion_trouble": trouble}
    _sweep(context.workspace, rows)
    judged = [row for row in rows if row["status"] == Status.KEPT]
    verdict = gate.judge(judged, config.gate)
    against = differences(judged, config.gate.seed, (gate.BASELINE, gate.CHAMPION))
    about |= {
        "fingerprint": context.fingerprint,
        "passed": verdict.passed,
        "reasons": verdict.reasons,
        "samples": verdict.samples,
        "means": figures.means(judged),
        "differences": {
            method: {figure: dataclasses.asdict(difference) for figure, difference in by_figure.items()}
            for method, by_figure in against.items()
        },
    }
    with context.workspace.publish(_GATE_PATH) as path:
        path.write_text(json.dumps(about, indent=1, sort_keys=True))
    if models:
        _record(context, models[0], registered, verdict, about)
    return rows


def _side(workspace: Workspace, relative: str) -> Row:
    found: Row = json.loads(workspace.local(relative).read_text())
    return found


def _to_beat(context: Context, version: str) -> str | None:
    """Number of the version that this one has to beat: the champion, unless that is this one itself.

    A run that was cut off after it had made this version the champion goes on against whom it was compared with.
    """
    from training import tracking

    champion = tracking.champion(context.workspace)
    if champion != version:
        return champion
    told = _side(context.workspace, _GATE_PATH) if context.workspace.exists(_GATE_PATH) else {}
    if told.get("fingerprint") != context.fingerprint:
        return None
    before: str | None = told["champion"]
    return before


def _outdated(workspace: Workspace, found: Manifest) -> bool:
    """Whether another version has become the champion than the one that was compared with; the judged one is none.

    Or the verdict is on another model, as where DVC has brought the manifest of an earlier one.
    """
    if not found.counts.total or not workspace.exists(_GATE_PATH):
        return False
    from training import tracking

    told = _side(workspace, _GATE_PATH)
    if told.get("fingerprint") != found.fingerprint:
        return True
    return tracking.champion(workspace) not in (told.get("champion"), told.get("version"))


def _sweep(workspace: Workspace, rows: Sequence[Row]) -> None:
    """Delete the pictures that no row names: their pair may follow a video that was withdrawn."""
    shown = {row["grid_path"] for row in rows if row["status"] == Status.KEPT}
    for name in workspace.children(_GRIDS):
        if f"{_GRIDS}/{name}" not in shown:
            workspace.remove(f"{_GRIDS}/{name}")


def _compared(context: Context, model: Row, rival: "Rival | None") -> list[Row]:
    from pipelines.shards.read import ShardIndex

    config: EvaluationConfig = context.config
    refs = [ref for ref in ShardIndex.load(context.workspace, "test").samples if ref.kind == "pair"]
    if not refs:
        raise WorkError(
            "evaluation: the shards have no test pairs; raise the number of pairs and run `unimotion pairs`"
        )
    folders = {gate.MODEL: model["export_path"]}
    if rival is not None and rival.trouble is not None:
        context.progress.say(rival.trouble)
    elif rival is not None:
        folders[gate.CHAMPION] = rival.folder
    payloads: Iterator[tuple[str | None, str, Row]] = (
        (
            model["id"],
            ref.id,
            {"group": ref.id, "shard": ref.shard, "model": model["id"], "champion": rival and rival.digest},
        )
        for ref in refs[: config.groups]
    )
    return context.map(functools.partial(make_worker, context.workspace, folders, config), payloads)


def differences(rows: Sequence[Row], seed: int, methods: Sequence[str]) -> dict[str, dict[str, Difference]]:
    """Method -> figure -> the model's less that method's, where both were measured."""
    ours = [row for row in rows if row["method"] == gate.MODEL]
    names = [figure.key for figure in figures.FIGURES]
    by_method: dict[str, dict[str, Difference]] = {}
    for method in methods:
        theirs = [row for row in rows if row["method"] == method]
        overall = [one for one in paired_differences(ours, theirs, names, seed) if one.framing == ALL_FRAMINGS]
        if overall:
            by_method[method] = {difference.metric: difference for difference in overall}
    return by_method


def _record(context: Context, model: Row, registered: Row, verdict: Verdict, about: Row) -> None:
    """Log the verdict with the model's run, and make a model that passed the champion."""
    from training import promotion, tracking

    flat = {f"{method}.{name}": value for method, found in about["means"].items() for name, value in found.items()}
    tracking.log_evaluation(context.workspace, registered["mlflow_run_id"], flat | {"gate": float(verdict.passed)})
    version, numbers = registered["version"], _numbers(about)
    if not verdict.passed:
        reasons = "; ".join(verdict.reasons)
        promotion.refuse(context.workspace, version, reasons, numbers)
        context.progress.say(f"gate closed: {reasons}")
    elif model["variant"]:
        context.progress.say(f"gate passed; {model['variant']} is for comparison and does not become the champion")
    elif promotion.was_rolled_back(context.workspace, version):
        context.progress.say(
            f"gate passed; version {version} was rolled back and stays so: `unimotion promote {version}` undoes that"
        )
    else:
        if tracking.champion(context.workspace) != version:
            promotion.promote(context.workspace, version, "the gate passed it", numbers)
        context.progress.say(f"gate passed: version {version} is the champion")


def _numbers(about: Row) -> dict[str, str]:
    """Of the guards, less each method that was compared with: what a decision was made by, in words."""
    told = {}
    for method, by_figure in about["differences"].items():
        guarded = [by_figure[guard.metric] for guard in gate.GUARDS if guard.metric in by_figure]
        told[f"less_{method}"] = "; ".join(map(_in_words, guarded))
    return told


def _in_words(difference: Row) -> str:
    # Few groups have no interval.
    interval = "" if difference["low"] is None else f" ({difference['low']:.4g} to {difference['high']:.4g})"
    return f"{difference['metric']} {difference['mean']:.4g}{interval} on {difference['groups']} groups"


def make_worker(
    workspace: Workspace,
    folders: dict[str, str],
    config: EvaluationConfig,
    grids: str = _GRIDS,
    true_points: str | None = None,
) -> Worker:
    """What makes the rows of a group, one per pair and method.

    folders: of models in the workspace, by method. grids: folder for pictures of each pair. true_points: the name of a
    method that is the model told where the person's points are; None to leave it out.
    """
    from pipelines.evaluation.seen.judges import Judges
    from pipelines.shards.read import Reader, ShardIndex
    from training.compare import Player, compare, pixels, token_shares
    from training.export import load_animator, local_model
    from training.records import Records
    from training.tensors import usual_device

    device = str(usual_device())
    judges = Judges.open(workspace, device)
    players, records = {}, {}
    for method, folder in folders.items():
        players[method] = Player(load_animator(local_model(workspace, folder)), device)
        # Each at the size of its own network.
        records[method] = Records(Reader(workspace), players[method].animator.config, _CACHE_BYTES)
    refs = {ref.id: ref for ref in ShardIndex.load(workspace, "test").samples}

    def work(payload: Row) -> list[Row]:
        ref = refs[payload["group"]]
        count, frames = len(ref.meta["identities"]), range(int(ref.meta["frames"]))
        people = {method: [kept.get(ref, place, frames) for place in range(count)] for method, kept in records.items()}
        tokens = {method: [player.tokens(one) for one in people[method]] for method, player in players.items()}
        shares = {method: token_shares(tokens[method], people[method]) for method in players}
        rows = []
        for driver in range(count):
            target = (driver + 1) % count
            outputs = {
                method: player.pictures(tokens[method][driver], people[method][target], config)
                for method, player in players.items()
            }
            if true_points is not None:
                told = players[gate.MODEL].pictures(
                    tokens[gate.MODEL][driver], people[gate.MODEL][target], config, True
                )
                outputs[true_points] = told
            driving, true = (people[gate.MODEL][place].frames for place in (driver, target))
            *truth, reference = pixels(true)
            sample = f"{ref.id}.{target}"
            grid = f"{grids}/{digest_of(payload, sample)[:16]}.jpg"
            _write_grid(workspace, grid, reference, pixels(driving[:-1]), outputs[gate.MODEL], np.stack(truth))
            for method, measured in compare(outputs, people[gate.MODEL][target], judges).items():
                rows.append(
                    {
                        "id": digest_of(payload, sample, method),
                        "parent_id": payload["model"],
                        "status": Status.KEPT,
                        "sample": sample,
                        "group": ref.id,
                        "framing": ref.meta["framing"],
                        "method": method,
                        "frames": len(truth),
                        **measured,
                        **shares.get(method, {}),
                        "grid_path": grid,
                    }
                )
        return rows

    return work


def _write_grid(workspace: Workspace, relative: str, reference: Any, *columns: Any) -> None:
    """A picture for people, one row per frame: reference (S, S, 3); driving frame, output and truth (T, S, S, 3)."""
    import simplejpeg

    shown = np.linspace(0, len(columns[0]) - 1, min(_GRID_FRAMES, len(columns[0]))).astype(int)
    rows = [np.concatenate([reference, *(column[t] for column in columns)], 1) for t in shown]
    picture = np.concatenate(rows).repeat(_GRID_SCALE, 0).repeat(_GRID_SCALE, 1)
    with workspace.publish(relative) as path:
        path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=92))


STAGE = Stage(
    name="evaluation",
    config=EvaluationConfig,
    schema=schema_of(
        sample=pa.string(),
        group=pa.string(),
        framing=pa.string(),
        method=pa.string(),
        frames=pa.int64(),
        **dict.fromkeys(figures.COLUMNS, pa.float64()),
        grid_path=pa.string(),
    ),
    run=_run,
    needs=("model", "shards"),
    version=3,
    covers="model",
    outdated=_outdated,
    beside=(GATE,),
)

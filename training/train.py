"""The `train` stage: one run from the shards, resumed where it was cut off."""

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import manifest as manifests
from pipelines.errors import UsageError
from pipelines.manifest import Manifest, Row, Status, digest_of, schema_of
from pipelines.progress import Progress
from pipelines.shards import contents
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace, file_sha256
from training.config import Preset, to_json
from training.history import TIMES, read_history
from training.presets import PRESETS
from training.variants import variant_of

RUN = "run.json"  # in the stage's folder: the run of MLflow, and what no two runs have in common


@dataclass(frozen=True)
class TrainConfig:
    """preset: see `training.presets`. variant: of the preset, see `training.variants`; empty for itself.

    workers: processes (0: in this one, without Ray), each with so many threads. max_failures: how often dead workers
    are replaced before the stage fails. start: folder of a trained model (`config.json` and `model.safetensors`) whose
    weights and running means the run starts from, or `starter` for the one that comes with the package; empty for
    random ones. Its network must be the preset's, but for window, history, steps and shift.
    """

    preset: str = "smoke"
    seed: int = 0
    variant: str = ""
    workers: int = 2
    threads: int = 1
    max_failures: int = 2
    start: str = ""
    # Part of the stage's fingerprint, so that a preset or variant that is changed trains anew.
    preset_digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset {self.preset!r} does not exist; choose among {', '.join(PRESETS)}")
        if self.workers < 0 or self.threads < 1:
            raise ValueError("workers must be at least 0 and threads at least 1")
        object.__setattr__(self, "preset_digest", digest_of(to_json(self.chosen)))

    @property
    def chosen(self) -> Preset:
        """The variant of the preset. Raises: ValueError for a variant that does not exist."""
        return variant_of(PRESETS[self.preset], self.variant)


def _run(context: Context) -> list[Row]:
    from training import preflight, spool, start
    from training.export import WEIGHTS
    from training.replay import Teller

    config: TrainConfig = context.config
    preset = config.chosen
    if not any(row["split"] == "train" for row in context.inputs["shards"].rows()):
        raise UsageError("train: the shards have no training samples; add videos or pairs and run the earlier stages")
    run = f"train/{context.fingerprint}"
    ended = _ended(context, run)
    if ended is None:
        # Before MLflow hears of a run that cannot begin.
        for sentence in preflight.check(context.workspace, run, preset, config.workers):
            context.progress.say(sentence)
    if config.start:
        start.take(context.workspace, config.start, preset.model, f"{run}/start")
    # What the model is going to have seen, and the one that it starts from, for the time when these shards are no more.
    seen = [context.inputs["shards"].rows()[0]["contents_path"], f"{run}/start/{contents.NAME}"]
    tables = [context.workspace.local(path) for path in seen if context.workspace.exists(path)]
    contents.keep(context.workspace, tables, f"{run}/{contents.NAME}")
    name = f"{config.preset} {config.variant}".rstrip()
    shards = context.inputs["shards"].digest
    title = f"{name}, shards {shards[:8]}, {datetime.now(UTC).date()}"
    spool.begin(context.workspace, run, title, _tags(context.workspace), _params(config, preset), shards)
    with Teller(context.workspace, run, context.fingerprint, context.progress.say) as teller:
        if ended is None:
            _train(context, run, name)
        shown = _show_augmentations(context.workspace, run, preset, config.seed)
        history = read_history(context.workspace, run)
        path = _publish_history(context.workspace, run, history)
        exported = _export(context.workspace, run, preset) if ended is None else ended
        contents.keep(
            context.workspace, [context.workspace.local(f"{run}/{contents.NAME}")], f"{run}/export/{contents.NAME}"
        )
        timing = _timing(history)
        spool.end(context.workspace, run, spool.Ended("FINISHED", len(history), timing | _loss_tail(history)))
    _publish_run(context.workspace, {"mlflow_run_id": teller.run_id, "fingerprint": context.fingerprint, **timing})
    context.progress.say(
        f"{timing['ms_per_step']:.0f} ms per step, {timing['waiting_share']:.1%} of it waiting for data"
    )
    return [
        {
            "id": digest_of("train", context.fingerprint),
            "status": Status.KEPT,
            "preset": config.preset,
            "variant": config.variant,
            "seed": config.seed,
            "steps": len(history),
            "loss_first": history[0]["loss"],
            "loss_last": history[-1]["loss"],
            "parameters": exported["parameters"],
            "history_path": path,
            "augmentations_path": shown,
            "contents_path": f"{run}/{contents.NAME}",
            "samples_folder": f"{run}/samples",
            "best_step": exported["best_step"],
            "export_path": f"{run}/export",
            "weights_path": f"{run}/export/{WEIGHTS}",
            "weights_sha256": exported["weights_sha256"],
        }
    ]


def _ended(context: Context, run: str) -> Row | None:
    """The row of this very training where its weights and its history are here; also as `dvc pull` has brought them.

    Such a training is not done again, whatever else of it was lost: its checkpoints, or its run in MLflow.
    """
    from training import outcome
    from training.export import CONFIG, WEIGHTS, write_config

    workspace = context.workspace
    if not workspace.exists(manifests.manifest_path("train")):
        return None
    found = manifests.read(workspace, "train")
    if found.fingerprint != context.fingerprint:
        return None
    (row,) = found.rows()
    outcome.take_back(workspace, run, row["weights_sha256"])
    weights = f"{run}/export/{WEIGHTS}"
    if not workspace.exists(weights) or file_sha256(workspace.local(weights)) != row["weights_sha256"]:
        return None
    if not workspace.children(f"{run}/history"):
        return None
    if not workspace.exists(f"{run}/export/{CONFIG}"):
        write_config(workspace, f"{run}/export", context.config.chosen.model)
    return row


def _train(context: Context, run: str, name: str) -> None:
    """From the last checkpoint, where there is one, to the end. name: of what is trained, for people."""
    from pipelines.evaluation.seen.lpips import ensure_lpips
    from training import checkpoint
    from training.launch import launch
    from training.loop import Job

    config: TrainConfig = context.config
    preset = config.chosen
    if preset.looks:
        ensure_lpips(context.workspace)  # once, before workers want it, and so that its absence is said here
    done = checkpoint.complete_steps(context.workspace, run)
    context.progress.say(f"{preset.steps} steps, preset {name}{f', from step {done[-1]}' if done else ''}")
    job = Job(context.workspace.url, run, preset, config.seed, config.threads, True, bool(config.start))
    launch(job, config.workers, config.max_failures, context.engine.address, context.progress.say)


def _export(workspace: Workspace, run: str, preset: Preset) -> Row:
    """Write the model folder of the best checkpoint; what the row says of it."""
    from training import checkpoint
    from training.export import write_model

    best = checkpoint.best_step(workspace, run)
    ema = checkpoint.load_ema(workspace, run, best)
    return {
        "best_step": best,
        "parameters": sum(tensor.numel() for tensor in ema.values()),
        "weights_sha256": write_model(workspace, f"{run}/export", preset.model, ema),
    }


def catch_up(workspace: Workspace, fingerprint: str) -> str:
    """Tell MLflow what it has not heard of a training that ended, and give the id that its run has there.

    Raises: NoAnswerError where MLflow cannot be told now.
    """
    from training.replay import replay

    run_id = replay(workspace, f"train/{fingerprint}", fingerprint)
    about = json.loads(workspace.local(f"train/{RUN}").read_text())
    if about["mlflow_run_id"] != run_id:
        _publish_run(workspace, about | {"mlflow_run_id": run_id})
    return run_id


def _settle(workspace: Workspace, found: Manifest, progress: Progress) -> None:
    """Tell MLflow what it missed, where it did not answer while the model was trained."""
    from training import spool
    from training.connection import NoAnswerError

    if not spool.is_behind(workspace, f"train/{found.fingerprint}"):
        return
    try:
        catch_up(workspace, found.fingerprint)
        progress.say("tracking is complete again: MLflow has heard what it missed")
    except NoAnswerError as error:
        progress.say(f"tracking is still behind: {error.what}; the next `unimotion train` or `register` tries again")


def _publish_run(workspace: Workspace, about: Mapping[str, Any]) -> None:
    with workspace.publish(f"train/{RUN}") as side:
        side.write_text(json.dumps(about))


def _show_augmentations(workspace: Workspace, run: str, preset: Preset, seed: int) -> str:
    """A picture of what the driving encoders see, for the report."""
    from simplejpeg import encode_jpeg

    from pipelines.shards.read import Reader, ShardIndex
    from training.data import Plan, Stream
    from training.gallery import augmentations
    from training.records import Records

    records = Records(Reader(workspace), preset.model, preset.data.cache_mb * 2**20)
    stream = Stream(Plan(ShardIndex.load(workspace, "train"), preset, seed), records, preset)
    relative = f"{run}/augmentations.jpg"
    with workspace.publish(relative) as path:
        path.write_bytes(encode_jpeg(augmentations(stream, preset.data.augment, seed), quality=90))
    return relative


def _tags(workspace: Workspace) -> dict[str, str]:
    """Of the run in MLflow: where it is made, and by which run of Dagster."""
    dagster_run = os.environ.get("DAGSTER_RUN_ID")
    return {"unimotion.workspace": workspace.url} | ({"dagster_run_id": dagster_run} if dagster_run else {})


def _params(config: TrainConfig, preset: Preset) -> dict[str, Any]:
    own = {name: getattr(config, name) for name in ("preset", "variant", "seed", "workers", "start")}
    return own | to_json(preset)


def _outside(config: TrainConfig) -> str | None:
    from training import start

    return start.digest(config.start)


def _publish_history(workspace: Workspace, run: str, history: list[Mapping[str, Any]]) -> str:
    """The curves of the report: every column but the timings, which no two runs have in common."""
    relative = f"{run}/history.parquet"
    with workspace.publish(relative) as path:
        pq.write_table(pa.Table.from_pylist(history).drop_columns(list(TIMES)), path)
    return relative


def _outdated(workspace: Workspace, found: manifests.Manifest) -> bool:
    """Whether `RUN` tells of another training, as where DVC has brought the manifest of an earlier one."""
    if not found.counts.total or not workspace.exists(f"train/{RUN}"):
        return False
    told = json.loads(workspace.local(f"train/{RUN}").read_text())
    return bool(told.get("fingerprint") != found.fingerprint)


def _timing(history: list[Mapping[str, Any]]) -> dict[str, float]:
    seconds = [row["seconds"] for row in history]
    return {
        "ms_per_step": 1000 * statistics.median(seconds),
        "waiting_share": sum(row["waited"] for row in history) / sum(seconds),
        "training_seconds": sum(seconds),
    }


def _loss_tail(history: list[Mapping[str, Any]]) -> dict[str, float]:
    return {"loss_tail": statistics.fmean(row["loss"] for row in history[-20:])}


STAGE = Stage(
    name="train",
    config=TrainConfig,
    schema=schema_of(
        preset=pa.string(),
        variant=pa.string(),
        seed=pa.int64(),
        steps=pa.int64(),
        best_step=pa.int64(),
        loss_first=pa.float64(),
        loss_last=pa.float64(),
        parameters=pa.int64(),
        history_path=pa.string(),
        augmentations_path=pa.string(),
        contents_path=pa.string(),
        samples_folder=pa.string(),
        export_path=pa.string(),
        weights_path=pa.string(),
        weights_sha256=pa.string(),
    ),
    run=_run,
    needs=("shards",),
    version=4,
    outside=_outside,
    outdated=_outdated,
    settle=_settle,
    beside=(RUN, "{fingerprint}/export/config.json", f"{{fingerprint}}/export/{contents.NAME}"),
)

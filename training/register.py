"""The `model` stage: a trained run becomes a version in the registry."""

import json
from dataclasses import dataclass

import pyarrow as pa

from pipelines.manifest import Row, Status, digest_of, schema_of
from pipelines.stage import Context, Stage


@dataclass(frozen=True)
class RegisterConfig:
    """The registration has no settings."""


def _run(context: Context) -> list[Row]:
    from training import tracking
    from training.export import local_model

    (run,) = context.inputs["train"].rows()
    shards = context.inputs["shards"].digest
    # One version for one set of weights, whatever else was run again.
    fingerprint = digest_of(tracking.MODEL_NAME, run["weights_sha256"], shards)
    folder = local_model(context.workspace, run["export_path"])
    run_id = json.loads(context.workspace.local("train/run.json").read_text())["mlflow_run_id"]
    kept = {name: run[name] for name in ("preset", "variant", "weights_sha256")}
    version = tracking.register(context.workspace, folder, fingerprint, run_id, kept | {"shards_digest": shards})
    with context.workspace.publish("model/registered.json") as side:
        side.write_text(
            json.dumps(
                {"name": tracking.MODEL_NAME, "version": version, "mlflow_run_id": run_id, "fingerprint": fingerprint}
            )
        )
    context.progress.say(f"models:/{tracking.MODEL_NAME}/{version}")
    return [
        {
            "id": fingerprint,
            "parent_id": run["id"],
            "status": Status.KEPT,
            "name": tracking.MODEL_NAME,
            **kept,
            "parameters": run["parameters"],
            "shards_digest": shards,
            "export_path": run["export_path"],
        }
    ]


STAGE = Stage(
    name="model",
    config=RegisterConfig,
    schema=schema_of(
        name=pa.string(),
        preset=pa.string(),
        variant=pa.string(),
        parameters=pa.int64(),
        weights_sha256=pa.string(),
        shards_digest=pa.string(),
        export_path=pa.string(),
    ),
    run=_run,
    needs=("train", "shards"),
    version=2,
    covers="train",
)

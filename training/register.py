"""The `model` stage: a trained run becomes a version in the registry."""

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.batches import not_current
from pipelines.manifest import Manifest, Row, Status, digest_of, schema_of
from pipelines.shards import contents
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

REGISTERED = "registered.json"  # in the stage's folder: the version that the model has in the registry
_MOST_LICENCES = 50


@dataclass(frozen=True)
class RegisterConfig:
    """The registration has no settings."""


def _run(context: Context) -> list[Row]:
    runs = context.inputs["train"].rows()
    if not runs:
        return []
    from training import tracking
    from training.export import local_model
    from training.train import RUN, catch_up

    (run,) = runs
    shards = context.inputs["shards"].digest
    # One version for one set of weights, whatever else was run again.
    fingerprint = digest_of(tracking.MODEL_NAME, run["weights_sha256"], shards)
    folder = local_model(context.workspace, run["export_path"])
    trained = json.loads(context.workspace.local(f"train/{RUN}").read_text())["fingerprint"]
    run_id = catch_up(context.workspace, trained)
    kept = {name: run[name] for name in ("preset", "variant", "weights_sha256")}
    tags = kept | {"shards_digest": shards, "batches_not_current": ", ".join(not_current(context.workspace))}
    tags |= _provenance(pq.read_table(context.workspace.local(run["contents_path"])))
    version = tracking.register(context.workspace, folder, fingerprint, run_id, tags)
    with context.workspace.publish(f"model/{REGISTERED}") as side:
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


def _outdated(workspace: Workspace, found: Manifest) -> bool:
    """Whether the registry has lost the version, or files of it; or `REGISTERED` tells of another model, as where DVC
    has brought the manifest of an earlier one."""
    from training import tracking
    from training.export import local_model

    if not found.counts.total or not workspace.exists(f"model/{REGISTERED}"):
        return False
    rows = found.rows()
    told = json.loads(workspace.local(f"model/{REGISTERED}").read_text())
    if told["fingerprint"] not in {row["id"] for row in rows}:
        return True
    return not all(tracking.holds(workspace, local_model(workspace, row["export_path"]), row["id"]) for row in rows)


def _provenance(held: pa.Table) -> dict[str, str]:
    """How many videos and motion files the model saw, and under which licences; how many came with a consent.

    A tag of MLflow has 5,000 characters: licences beyond the fifty most frequent are counted together.
    """
    origins = contents.distinct_origins(held)
    counts = contents.licences(origins, _MOST_LICENCES)
    consents = len(origins) - origins["consent"].null_count
    return {
        "origins": str(len(origins)),
        "licences": json.dumps(counts, ensure_ascii=False),
        "consents": json.dumps({"stated": consents, "not stated": origins["consent"].null_count}),
    }


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
    outdated=_outdated,
    beside=(REGISTERED,),
)

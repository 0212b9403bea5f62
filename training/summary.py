"""What was trained, registered and found, for `summary.json`: read back from the manifests and the registry."""

import json
from typing import Any

from pipelines import manifest as manifests
from pipelines.workspace import Workspace


def summarize(workspace: Workspace) -> dict[str, Any]:
    """`training`, `model` and `evaluation`, as far as they have been made."""
    summary: dict[str, Any] = {}
    if run := _row(workspace, "train"):
        timing = json.loads(workspace.local("train/run.json").read_text())
        columns = ("preset", "variant", "seed", "steps", "loss_first", "loss_last", "parameters")
        summary["training"] = {column: run[column] for column in columns} | timing
    if _row(workspace, "model"):
        from training.tracking import aliases, champion

        registered = json.loads(workspace.local("model/registered.json").read_text())
        version = registered["version"]
        summary["model"] = {
            "name": registered["name"],
            "version": version,
            "aliases": aliases(workspace, version),
            "uri": f"models:/{registered['name']}/{version}",
            "champion": champion(workspace),
        }
    if _row(workspace, "evaluation"):
        verdict = json.loads(workspace.local("evaluation/gate.json").read_text())
        summary["evaluation"] = {
            "gate": "passed" if verdict["passed"] else "closed",
            "reasons": verdict["reasons"],
            "version": verdict["version"],
            "samples": verdict["samples"],
            "champion": verdict["champion"],
            "champion_trouble": verdict["champion_trouble"],
            "metrics": verdict["means"],
            "differences": verdict["differences"],
        }
    return summary


def _row(workspace: Workspace, stage: str) -> dict[str, Any] | None:
    if not workspace.exists(manifests.manifest_path(stage)):
        return None
    rows = manifests.read(workspace, stage).rows()
    return rows[0] if rows else None

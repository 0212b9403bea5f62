"""Plots and tables that an orchestrator shows beside a materialized stage, as Markdown with inlined pictures."""

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow.parquet as pq

from pipelines.errors import one_line
from pipelines.evaluation import figures
from pipelines.evaluation.gate import METHODS
from pipelines.manifest import Manifest
from pipelines.workspace import Workspace

_THUMBNAILS = 12


def markdown_for(stage: str, workspace: Workspace, manifest: Manifest) -> dict[str, str]:
    """Title -> Markdown: what became of the candidates, and what else there is to see of this stage."""
    return {"outcome": _outcome(manifest)} | (_MORE[stage](workspace, manifest) if stage in _MORE else {})


def _outcome(manifest: Manifest) -> str:
    counted = Counter(
        (row["status"], one_line(str(row["reason"] or "")).split(":")[0][:80]) for row in manifest.rows(status=None)
    )
    return _table(("status", "reason", "rows"), [(*key, str(count)) for key, count in sorted(counted.items())])


def _clips(workspace: Workspace, manifest: Manifest) -> dict[str, str]:
    import cv2

    paths = [row["thumbnail_path"] for row in manifest.rows()[:_THUMBNAILS]]
    pictures = [cv2.imread(str(workspace.local(path))) for path in paths]
    if not pictures:
        return {}
    sheet = np.concatenate([cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA) for picture in pictures], 1)
    return {"first clips": _picture(cv2.imencode(".jpg", sheet)[1].tobytes(), "jpeg")}


def _train(workspace: Workspace, manifest: Manifest) -> dict[str, str]:
    from matplotlib.figure import Figure

    (run,) = manifest.rows()
    history = pq.read_table(workspace.local(run["history_path"])).to_pydict()
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    for name in ("loss", "flow", "heatmaps", "normals", "points"):
        if name in history:
            axes.plot(history["step"], history[name], label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    about = json.loads(workspace.local("train/run.json").read_text())
    return {
        "loss": _picture(buffer.getvalue(), "png"),
        "mlflow run": f"`{about['mlflow_run_id'] or 'not there yet'}`",
        "speed": f"{about['ms_per_step']:.0f} ms per step, {about['waiting_share']:.1%} waiting for data",
    }


def _model(workspace: Workspace, manifest: Manifest) -> dict[str, str]:
    if not manifest.rows():
        return {}
    about = json.loads(workspace.local("model/registered.json").read_text())
    return {"version": f"`models:/{about['name']}/{about['version']}`", "mlflow run": f"`{about['mlflow_run_id']}`"}


def _evaluation(workspace: Workspace, manifest: Manifest) -> dict[str, str]:
    verdict = json.loads(workspace.local("evaluation/gate.json").read_text())
    means = verdict["means"]
    methods = [method for method in METHODS if method in means]
    rows = []
    for name in figures.COLUMNS:
        if any(name in means[method] for method in methods):
            rows.append((name, *(f"{means[method][name]:.3f}" if name in means[method] else "" for method in methods)))
    shown = {"figures": _table(("figure", *methods), rows)}
    if trouble := verdict.get("champion_trouble"):
        shown["champion"] = trouble
    shown["gate"] = "passed" if verdict["passed"] else f"closed: {'; '.join(verdict['reasons'])}"
    if grids := [row["grid_path"] for row in manifest.rows() if row["grid_path"]]:
        shown["reference, driving, output, truth"] = _picture(workspace.local(grids[0]).read_bytes(), "jpeg")
    return shown


_MORE: dict[str, Callable[[Workspace, Manifest], dict[str, str]]] = {
    "clips": _clips,
    "train": _train,
    "model": _model,
    "evaluation": _evaluation,
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _picture(content: bytes, kind: str) -> str:
    return f"![{kind}](data:image/{kind};base64,{base64.b64encode(content).decode()})"

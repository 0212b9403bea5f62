"""What the report says of the training, the registered model and its evaluation."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipelines.evaluation.gate import BASELINE, METRICS, MODEL, PICTURE_METRICS
from pipelines.manifest import Manifest, Row
from pipelines.report.charts import Chart, line_chart, number
from pipelines.report.gallery import Tile, picture_uri
from pipelines.workspace import Workspace

_GRID_SIDE = 520
_AUGMENTED_SIDE = 1200
# Metric -> name, unit, which way is better.
_ABOUT = {
    "foreground_psnr": ("PSNR on the person", "dB", "higher"),
    "psnr": ("PSNR", "dB", "higher"),
    "ssim": ("SSIM", "", "higher"),
    "pose_head_error": ("Joint error of the model's own pose head, not of the picture", "px", "lower"),
}


@dataclass(frozen=True)
class Metric:
    """Means over the test samples of both methods. margin: signed difference, model less baseline, as text.
    of_picture: whether it tells of the picture, and not of what the model says about itself."""

    key: str
    name: str
    unit: str
    better: str
    model: float
    baseline: float
    margin: str
    wins: bool
    of_picture: bool


@dataclass(frozen=True)
class Training:
    """pictures: what the network made of held-out samples over the run, and how the drivers are augmented."""

    summary: str
    charts: tuple[Chart, ...]
    pictures: tuple[Tile, ...]
    steps: int
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """passed: None where nothing was judged. version: of the model that was. reasons: why the gate is closed.
    grid: best to worst."""

    passed: bool | None
    version: str | None
    summary: str
    reasons: tuple[str, ...]
    metrics: tuple[Metric, ...]
    grid: tuple[Tile, ...]


def training(workspace: Workspace, manifest: Manifest) -> Training:
    """The curves of the run's history: every recorded number over its steps."""
    rows = manifest.rows()
    if not rows:
        return Training("No run was finished.", (), (), 0, 0.0)
    (run,) = rows
    about = _side(workspace, "train/run.json")
    history = pq.read_table(workspace.local(run["history_path"])).to_pydict()
    steps = history.pop("step")
    rate = history.pop("rate", [])
    charts = [line_chart(name.replace("_", " "), steps, _floats(values)) for name, values in history.items()]
    # The rate is a plan, not a measurement: it has jumps that a mean would hide.
    charts += [line_chart("learning rate", steps[: len(rate)], _floats(rate), smooth=False)]
    summary = (
        f"Preset {_chosen(run)}, seed {run['seed']}: {number(run['steps'])} steps of a network with "
        f"{number(run['parameters'])} parameters, {number(about['ms_per_step'])} ms each, "
        f"{about['waiting_share']:.1%} of it waiting for data."
    )
    seconds, drawn = float(about["training_seconds"]), tuple(chart for chart in charts if chart)
    return Training(summary, drawn, tuple(_pictures(workspace, run)), run["steps"], seconds)


def _pictures(workspace: Workspace, run: Row) -> Iterator[Tile]:
    """Held-out samples at the first, a middle and the last checkpoint; then the augmentations."""
    made = workspace.children(run["samples_folder"])
    for place in sorted({0, len(made) // 2, len(made) - 1} if made else ()):
        step = int(made[place].partition(".")[0])
        what = f"Held-out samples at step {number(step)}: reference, driver, output and truth"
        if uri := picture_uri(workspace, f"{run['samples_folder']}/{made[place]}", _GRID_SIDE):
            yield Tile(uri, what, f"step {number(step)}")
    if uri := picture_uri(workspace, run["augmentations_path"], _AUGMENTED_SIDE):
        what = "Body, hands and face of four drivers: as filmed, then as the encoders see them in five draws"
        yield Tile(uri, what, "augmentations")


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def registered(workspace: Workspace, manifest: Manifest, champion: str | None) -> list[tuple[str, str]]:
    """Name and value of what identifies the model; empty where none was registered. champion: number of its version."""
    rows = manifest.rows()
    if not rows:
        return []
    (model,) = rows
    about = _side(workspace, "model/registered.json")
    return [
        ("Version", f"models:/{about['name']}/{about['version']}"),
        ("Champion", f"models:/{about['name']}/{champion}" if champion else "none"),
        ("MLflow run", about["mlflow_run_id"]),
        ("Preset", _chosen(model)),
        ("Parameters", number(model["parameters"])),
        ("Weights SHA-256", model["weights_sha256"]),
        ("Digest of its shards", model["shards_digest"]),
    ]


def version(workspace: Workspace, judged: Evaluation) -> str:
    """The model that was judged, or else the one that was registered last."""
    about = _side(workspace, "model/registered.json")
    return f"{about['name']} version {judged.version or about['version']}"


def evaluation(workspace: Workspace, manifest: Manifest, most: int) -> Evaluation:
    """Metrics against the baseline, the gate's verdict and at most `most` pictures from the best to the worst."""
    rows = manifest.rows()
    ours = [row for row in rows if row["method"] == MODEL]
    if not ours:
        return Evaluation(None, None, "No test sample was judged.", (), (), ())
    verdict = _side(workspace, "evaluation/gate.json")
    means = verdict["means"]
    metrics = tuple(
        _metric(key, means[MODEL][key], means[BASELINE][key])
        for key in sorted(METRICS, key=lambda key: list(_ABOUT).index(key) if key in _ABOUT else len(_ABOUT))
        if key in means[MODEL] and key in means[BASELINE]
    )
    summary = (
        f"{number(verdict['samples'])} cross-identity test pairs whose true pictures are known, against repeating the "
        "reference image. Motion and identities were held out of the training. What the model's own pose head says "
        "of joints tells nothing of its pictures, and the gate does not ask it."
    )
    return Evaluation(
        bool(verdict["passed"]),
        verdict.get("version"),
        summary,
        tuple(verdict["reasons"]),
        metrics,
        _grid(workspace, ours, most),
    )


def _metric(key: str, model: float, baseline: float) -> Metric:
    name, unit, better = _ABOUT.get(key, (key.replace("_", " "), "", "higher"))
    difference = model - baseline
    wins = difference > 0 if better == "higher" else difference < 0
    margin = ("+" if difference > 0 else "") + number(difference)
    return Metric(key, name, unit, better, model, baseline, margin, wins, key in PICTURE_METRICS)


def _grid(workspace: Workspace, rows: list[Row], most: int) -> tuple[Tile, ...]:
    def quality(row: Row) -> float:
        found = row["foreground_psnr"] if row["foreground_psnr"] is not None else row["psnr"]
        return -math.inf if found is None else float(found)

    ordered = sorted(rows, key=lambda row: (-quality(row), row["sample"]))
    chosen = sorted({round(place) for place in np.linspace(0, len(ordered) - 1, min(most, len(ordered)))})
    tiles = []
    for row in (ordered[place] for place in chosen):
        uri = picture_uri(workspace, row["grid_path"], _GRID_SIDE)
        label = f"{row['sample'][:12]} · {number(quality(row))} dB on the person"
        if uri:
            tiles.append(Tile(uri, f"Test pair {label}. Columns: reference, driving, output, truth.", label))
    return tuple(tiles)


def headline(found: Evaluation) -> str | None:
    """None where no model has been judged."""
    if found.passed is None:
        return None
    seen = [metric for metric in found.metrics if metric.of_picture]
    wins = sum(metric.wins for metric in seen)
    return f"The model beats repeating the reference on {wins} of {len(seen)} metrics of its pictures"


def _chosen(row: Row) -> str:
    return f"{row['preset']} {row['variant']}".rstrip()


def _side(workspace: Workspace, relative: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace.local(relative).read_text("utf-8"))
    return found

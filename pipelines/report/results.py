"""What the report says of the training, the registered model and its evaluation."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipelines.evaluation import figures
from pipelines.evaluation.baselines import TRUTH
from pipelines.evaluation.figures import Figure
from pipelines.evaluation.gate import BASELINE, CHAMPION, GUARDS, METHODS, MODEL
from pipelines.manifest import Manifest, Row
from pipelines.report.charts import Chart, line_chart, number
from pipelines.report.gallery import Tile, picture_uri
from pipelines.workspace import Workspace

_GRID_SIDE = 520
_AUGMENTED_SIDE = 1200
_METHODS = {MODEL: "Model", BASELINE: "Reference repeated", CHAMPION: "Champion", TRUTH: "Truth"}
_TOKENS = {"body": "Body", "left_hand": "Left hand", "right_hand": "Right hand", "face": "Face"}


@dataclass(frozen=True)
class Difference:
    """The model's figure less another's, as text. interval: the 95 % one; empty where there is one group. sure: 1 or -1
    where it is surely better or worse, else 0."""

    mean: str
    interval: str
    sure: int


@dataclass(frozen=True)
class Metric:
    """A figure by method. means: as `Evaluation.methods`, None where it was not measured. differences: as
    `Evaluation.against`. guarded: whether the gate asks for it."""

    figure: Figure
    means: tuple[float | None, ...]
    differences: tuple[Difference | None, ...]
    guarded: bool


@dataclass(frozen=True)
class Token:
    """Shares of a kind of token whose nearest neighbour is the same person's, and the same pose's; and by chance."""

    name: str
    person: float
    person_chance: float
    pose: float
    pose_chance: float


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
    methods: what was judged, the model first; against: whom it is compared with. grid: best to worst."""

    passed: bool | None
    version: str | None
    summary: str
    reasons: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    tokens: tuple[Token, ...] = ()
    grid: tuple[Tile, ...] = ()


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
    """Figures beside the others', the gate's verdict and at most `most` pictures from the best to the worst."""
    rows = manifest.rows()
    ours = [row for row in rows if row["method"] == MODEL]
    if not ours:
        return Evaluation(None, None, "No test sample was judged.")
    verdict = _side(workspace, "evaluation/gate.json")
    if "differences" not in verdict:
        return Evaluation(None, None, "It was judged by an earlier version of the foundry; run `unimotion evaluate`.")
    means = verdict["means"]
    methods = [method for method in METHODS if method in means]
    against = [method for method in methods if method in verdict["differences"]]
    return Evaluation(
        bool(verdict["passed"]),
        verdict["version"],
        _about(verdict),
        tuple(verdict["reasons"]),
        tuple(_named(method, verdict) for method in methods),
        tuple(_named(method, verdict) for method in against),
        tuple(_metrics(means, verdict["differences"], methods, against)),
        tuple(_tokens(means[MODEL])),
        _grid(workspace, ours, most),
    )


def _about(verdict: dict[str, Any]) -> str:
    sentences = [
        f"{number(verdict['samples'])} cross-identity test pairs whose true pictures are known. Motion and identities "
        "were held out of the training. Figures are what networks see in the pictures that train nothing they judge; "
        "what they say of the truth is where they end."
    ]
    if trouble := verdict["champion_trouble"]:
        sentences.append(trouble[0].upper() + trouble[1:] + ".")
    return " ".join(sentences)


def _named(method: str, verdict: dict[str, Any]) -> str:
    return f"{_METHODS[method]}, version {verdict['champion']}" if method == CHAMPION else _METHODS[method]


def _metrics(
    means: dict[str, dict[str, float]],
    differences: dict[str, dict[str, dict[str, Any]]],
    methods: list[str],
    against: list[str],
) -> Iterator[Metric]:
    guarded = {guard.metric for guard in GUARDS}
    for figure in figures.FIGURES:
        if figure.key in means[MODEL]:
            yield Metric(
                figure,
                tuple(means[method].get(figure.key) for method in methods),
                tuple(_difference(figure, differences[method].get(figure.key)) for method in against),
                figure.key in guarded,
            )


def _difference(figure: Figure, found: dict[str, Any] | None) -> Difference | None:
    if found is None:
        return None
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    if low is None:
        return Difference(_signed(mean), "", 0)
    sign = int(low > 0) - int(high < 0)
    return Difference(_signed(mean), f"{_signed(low)} to {_signed(high)}", sign * figure.better)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def _tokens(means: dict[str, float]) -> Iterator[Token]:
    for kind, name in _TOKENS.items():
        shares = [means.get(figures.token_figure(kind, share)) for share in figures.TOKEN_SHARES]
        found = [share for share in shares if share is not None]
        if len(found) == len(shares):
            yield Token(name, *found)


def _grid(workspace: Workspace, rows: list[Row], most: int) -> tuple[Tile, ...]:
    def distance(row: Row) -> float:
        return math.inf if row["lpips_vgg"] is None else float(row["lpips_vgg"])

    ordered = sorted(rows, key=lambda row: (distance(row), row["sample"]))
    chosen = sorted({round(place) for place in np.linspace(0, len(ordered) - 1, min(most, len(ordered)))})
    tiles = []
    for row in (ordered[place] for place in chosen):
        uri = picture_uri(workspace, row["grid_path"], _GRID_SIDE)
        group, _, person = row["sample"].rpartition(".")
        label = f"{group[:12]}, person {int(person) + 1} · LPIPS {number(row['lpips_vgg'])}"
        if uri:
            tiles.append(Tile(uri, f"Test pair {label}. Columns: reference, driving, output, truth.", label))
    return tuple(tiles)


def headline(found: Evaluation) -> str | None:
    """None where no model has been judged."""
    if found.passed is None:
        return None
    guarded = [metric for metric in found.metrics if metric.guarded]
    against_copying = [metric.differences[0] for metric in guarded if metric.differences]
    wins = sum(difference is not None and difference.sure > 0 for difference in against_copying)
    return f"The model is surely better than repeating the reference in {wins} of the {len(GUARDS)} figures that decide"


def _chosen(row: Row) -> str:
    return f"{row['preset']} {row['variant']}".rstrip()


def _side(workspace: Workspace, relative: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace.local(relative).read_text("utf-8"))
    return found

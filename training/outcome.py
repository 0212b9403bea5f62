"""What a training came to, in one folder and under names that no run changes: what `dvc.yaml` keeps beside manifests.

The model, its losses, what is seen on test pairs, and some of these pairs as pictures. Nothing is registered, so that
an experiment can be judged that nobody wants to keep. `dvc pull` brings the folder into a fresh clone, where the
`train` stage takes the model and its history back instead of training again.
"""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines import manifest as manifests
from pipelines.errors import WorkError
from pipelines.evaluation import figures, gate
from pipelines.manifest import Row
from pipelines.progress import Progress
from pipelines.shards import contents
from pipelines.workspace import Workspace, file_sha256
from training.evaluate import EvaluationConfig
from training.export import CONFIG, WEIGHTS
from training.history import TIMES, read_history

FOLDER = "outcome"
MODEL = f"{FOLDER}/model"  # a model folder, see `training.export`
HISTORY = f"{FOLDER}/history"  # of all steps, as the run's own
METRICS = f"{FOLDER}/metrics.json"
LOSSES = f"{FOLDER}/losses.csv"
PICTURES = f"{FOLDER}/pictures"
_MOST_POINTS = 500  # of a curve, and so lines of its file
_MOST_PICTURES = 8


def write(workspace: Workspace, config: EvaluationConfig, progress: Progress) -> dict[str, Any]:
    """Judge the trained model and write the folder; returns what `METRICS` holds.

    Raises: WorkError where nothing was trained, or files of the training are missing.
    """
    from training.evaluation.checkpoint_worth import judge_folder

    trained = manifests.read(workspace, "train").rows()
    if not trained:
        raise WorkError(f"workspace {workspace.url}: nothing was trained; run `unimotion train` first")
    (row,) = trained
    run = row["export_path"].removesuffix("/export")
    _copy(workspace, row["export_path"], MODEL, (CONFIG, WEIGHTS, contents.NAME))
    _copy(workspace, f"{run}/history", HISTORY, workspace.children(f"{run}/history"))
    write_losses(workspace, read_history(workspace, run))
    grids = f"{run}/judged/grids"
    judged = judge_folder(workspace, row["export_path"], row["weights_sha256"], grids, config, progress)
    _show(workspace, judged)
    numbers = ("steps", "best_step", "loss_first", "loss_last", "parameters")
    metrics = {
        "training": {name: row[name] for name in numbers},
        "test": {"groups": len({one["group"] for one in judged}), **figures.means(judged)},
    }
    with workspace.publish(METRICS) as path:
        path.write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    return metrics


def take_back(workspace: Workspace, run: str, sha256: str) -> None:
    """Bring model and history back into the folder of a run that has lost its model, where they are the run's own.

    sha256: of the run's weights.
    """
    if workspace.exists(f"{run}/export/{WEIGHTS}") or not workspace.exists(f"{MODEL}/{WEIGHTS}"):
        return
    if file_sha256(workspace.local(f"{MODEL}/{WEIGHTS}")) != sha256:
        return
    _copy(workspace, HISTORY, f"{run}/history", workspace.children(HISTORY))
    # The weights come last: where they are, all is.
    _copy(workspace, MODEL, f"{run}/export", (CONFIG, contents.NAME, WEIGHTS))


def _copy(workspace: Workspace, source: str, target: str, names: Sequence[str]) -> None:
    for name in names:
        with workspace.publish(f"{target}/{name}") as path:
            shutil.copyfile(workspace.local(f"{source}/{name}"), path)


def write_losses(workspace: Workspace, history: Sequence[Mapping[str, Any]]) -> None:
    """Every so many steps, so that the file stays small; not the times, which no two runs have in common."""
    every = -(-len(history) // _MOST_POINTS)
    names = [name for name in history[0] if name not in TIMES]
    with workspace.publish(LOSSES) as path, path.open("w", newline="") as file:
        table = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(history[every - 1 :: every])


def _show(workspace: Workspace, judged: Sequence[Row]) -> None:
    """Some pairs, under the same names whatever model made them."""
    shown = [row for row in judged if row["method"] == gate.MODEL][:_MOST_PICTURES]
    names = {f"pair-{number}.jpg": row["grid_path"] for number, row in enumerate(shown)}
    # There for DVC even where nothing was judged.
    (workspace.local_root / PICTURES).mkdir(parents=True, exist_ok=True)
    for name in workspace.children(PICTURES):
        workspace.remove(f"{PICTURES}/{name}")
    for name, grid in names.items():
        with workspace.publish(f"{PICTURES}/{name}") as path:
            shutil.copyfile(workspace.local(grid), path)

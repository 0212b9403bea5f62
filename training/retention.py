"""What may be deleted to get disk back: what only a training that has ended, or is long forgotten, would go on from.

Everything that says what a model is and saw stays: its weights in `export`, its losses, its samples and `contents`.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines import manifest as manifests
from pipelines.errors import UsageError
from pipelines.workspace import Workspace
from training.export import WEIGHTS

_RUN = re.compile(r"[0-9a-f]{32}")
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Leftover:
    """path: of a file or folder, relative to the workspace. size: bytes. why: it may go, in words."""

    path: str
    size: int
    why: str


def leftovers(workspace: Workspace, days: float) -> list[Leftover]:
    """What a workspace can do without. days: for how long a training that has not ended must have been left alone.

    Raises: UsageError for a workspace that is not on a disk.
    """
    if not workspace.is_local:
        raise UsageError(f"gc: workspace {workspace.url} is an object store; give it a lifecycle rule for train/")
    root = workspace.local_root
    current = _current_runs(workspace)
    found = []
    for run in sorted(root.glob("train/*")):
        if not _RUN.fullmatch(run.name) or f"train/{run.name}" in current:
            continue
        if (run / "export" / WEIGHTS).exists():
            why = "of a training that has ended; its weights stay"
        elif _idle_days(run) > days:
            why = f"of a training that was cut off and left alone for {_idle_days(run):.0f} days"
        else:
            continue
        found += [_leftover(root, part, why) for part in (run / "checkpoints", run / "start") if part.exists()]
    for latents in sorted(root.glob("train/latents/*")):
        if _idle_days(latents) > days:
            found.append(_leftover(root, latents, f"latents that no training made for {_idle_days(latents):.0f} days"))
    return found


def delete_leftovers(workspace: Workspace, days: float, on_wait: Callable[[], None]) -> list[Leftover]:
    """Delete what a workspace can do without, and give what that was; arguments and errors as of `leftovers`.

    on_wait: called once where a training is waited for. It may go on with what was left alone until now, so nothing is
    chosen before it has ended.
    """
    with workspace.exclusive("train", on_wait):
        gone = leftovers(workspace, days)
        for leftover in gone:
            shutil.rmtree(workspace.local_root / leftover.path)
    return gone


def _current_runs(workspace: Workspace) -> set[str]:
    """Folders of the runs that the manifest of `train` is about."""
    if not workspace.exists(manifests.manifest_path("train")):
        return set()
    rows = manifests.read(workspace, "train").rows()
    return {row["export_path"].rpartition("/")[0] for row in rows}


def _leftover(root: Path, path: Path, why: str) -> Leftover:
    return Leftover(str(path.relative_to(root)), sum(file.stat().st_size for file in _files(path)), why)


def _idle_days(folder: Path) -> float:
    """Since anything in it was written."""
    newest = max((file.stat().st_mtime for file in _files(folder)), default=folder.stat().st_mtime)
    return (time.time() - newest) / _DAY_S


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())

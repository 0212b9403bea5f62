"""Begin a workspace with the data of another one, which stays as it is: DVC tries experiments in copies of the project.

Files that are published whole and never written to again are linked, so that this takes neither time nor disk. The
journals, to which lines are added, are copied. What two workspaces must not share is left out.
"""

import os
import shutil
from pathlib import Path

from pipelines.errors import UsageError

# What DVC brings itself; the registry and the other databases; what is written about the whole.
_OWN = ("manifests", "outcome", "mlflow", "dagster", "report", "summary.json")
_RAY = "ray"  # in the folder of trainings: Ray's notes on runs, which it writes to
_DONE = ".borrowed"


def borrow(source: Path, target: Path) -> int:
    """Link all files that the target lacks, once for all; returns how many.

    Raises: UsageError where there is no folder to borrow from.
    """
    if not source.is_dir():
        raise UsageError(f"{source}: is no workspace to borrow from; run `dvc repro` in its repository first")
    if (target / _DONE).exists():
        return 0
    borrowed = 0
    for folder, folders, names in os.walk(source, followlinks=True):
        inside = Path(folder).relative_to(source)
        left_out = {Path(): _OWN, Path("train"): (_RAY,)}.get(inside, ())
        folders[:] = [name for name in folders if name not in left_out]
        for name in names:
            # Hidden are locks, and what somebody is writing.
            if name not in left_out and not name.startswith("."):
                borrowed += _bring(Path(folder, name), target / inside / name)
    target.mkdir(parents=True, exist_ok=True)
    (target / _DONE).touch()
    return borrowed


def _bring(source: Path, target: Path) -> bool:
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".jsonl":
        shutil.copyfile(source, target)
        return True
    try:
        target.hardlink_to(source)
    except OSError:  # it is on another disk
        target.symlink_to(source.resolve())
    return True

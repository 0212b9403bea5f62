"""`unimotion doctor`: what this machine has, and what to do about what it lacks."""

import importlib.metadata
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.cores import cores
from pipelines.errors import UnimotionError
from pipelines.workspace import Workspace

_LIBRARIES = ("torch", "ray", "dagster", "mlflow", "ai_edge_litert", "av", "decord", "webdataset", "anny", "diffusers")
_ENOUGH_DISK = 5 * 2**30


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    detail: str


def examine(workspace: Workspace) -> list[Finding]:
    """Look at Python, libraries, GPU, renderer, DVC, disk and workspace."""
    return [
        _python(),
        *map(_library, _LIBRARIES),
        _gpu(),
        _renderer(),
        _dvc(),
        _disk(workspace),
        _writable(workspace),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{version}, {cores()} cores")


def _library(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "is not installed; run `make .venv`")


def _gpu() -> Finding:
    import torch

    found = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; the CPU is used"
    return Finding("gpu", True, found)


def _renderer() -> Finding:
    from pipelines.synthesis.scenes.engines import choose_engine

    engine, reason = choose_engine("auto")
    return Finding("renderer", True, f"{engine.name}: {reason}")


def _dvc() -> Finding:
    beside = Path(sys.executable).parents[1].with_name(".venv-dvc") / "bin" / "dvc"
    found = str(beside) if beside.exists() else shutil.which("dvc")
    return Finding("dvc", True, found or "not found; only `dvc repro` needs it: run `make .venv-dvc`")


def _disk(workspace: Workspace) -> Finding:
    folder = workspace.local_root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    advice = "" if free >= _ENOUGH_DISK else "; free some space or choose another --workspace"
    return Finding("disk", free >= _ENOUGH_DISK, f"{free / 2**30:.1f} GiB free at {folder}{advice}")


def _writable(workspace: Workspace) -> Finding:
    try:
        workspace.prepare()
    except UnimotionError as error:
        return Finding("workspace", False, str(error))
    return Finding("workspace", True, workspace.url)

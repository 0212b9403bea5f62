"""An experiment's workspace begins with the data of another one, which nothing that is done in it changes."""

import os
import subprocess
from pathlib import Path

import pytest

from pipelines.borrow import borrow
from pipelines.errors import UsageError
from pipelines.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = {"pairs/a.tar": b"tar", "train/x/export/model.safetensors": b"weights", "clips/b/journal.jsonl": b"{}\n"}
OWN = ("manifests/clips.parquet", "mlflow/mlflow.db", "dagster/runs.db", "train/ray/x", "summary.json", "clips/b/.lock")


@pytest.fixture
def lender(tmp_path: Path) -> Path:
    folder = tmp_path / "lender"
    for name, content in SHARED.items() | {(name, b"own") for name in OWN}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != ".borrowed"}


def test_data_is_linked_and_databases_are_not(lender: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    assert borrow(lender, target) == len(SHARED)
    assert files(target) == SHARED
    assert (target / "pairs/a.tar").samefile(lender / "pairs/a.tar")
    assert borrow(lender, target) == 0


def test_the_lender_stays_as_it_is(lender: Path, tmp_path: Path) -> None:
    before = files(lender)
    workspace = Workspace(str(tmp_path / "target"))
    borrow(lender, workspace.local_root)
    with workspace.publish("pairs/a.tar") as path:
        path.write_bytes(b"another")
    with workspace.local("clips/b/journal.jsonl").open("a") as journal:
        journal.write("more\n")
    workspace.remove("train/x/export/model.safetensors")
    assert files(lender) == before


def test_folders_that_lie_elsewhere_are_borrowed_too(lender: Path, tmp_path: Path) -> None:
    (lender / "pairs").rename(tmp_path / "elsewhere")
    (lender / "pairs").symlink_to(tmp_path / "elsewhere")
    assert borrow(lender, tmp_path / "target") == len(SHARED)
    assert files(tmp_path / "target") == SHARED
    assert not (tmp_path / "target" / "pairs").is_symlink()


def test_there_must_be_something_to_borrow_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: is no workspace to borrow from; run `dvc repro`"):
        borrow(tmp_path / "nowhere", tmp_path / "target")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def stage(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(REPOSITORY / "infra" / "unimotion.sh"), "stage", "people"]
    clean = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def interpreter(path: Path) -> Path:
    """It tells how it was called."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\necho {path} "$@" in "$PYTHONPATH"\n')
    path.chmod(0o755)
    return path


def test_in_a_repository_its_own_environment_is_used(copy: Path) -> None:
    python = interpreter(copy / ".venv" / "bin" / "python")
    for done in (stage(copy), stage(copy, DVC_ROOT=str(copy))):
        assert done.stdout == f"{python} -m pipelines.cli stage people in {copy}\n", done.stderr


def test_a_copy_uses_the_environment_and_the_data_of_the_repository(copy: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path / "repository" / ".venv" / "bin" / "python")
    root = python.parents[2]
    done = stage(copy, DVC_ROOT=str(root))
    assert done.stdout.splitlines() == [
        f"{python} -m pipelines.cli borrow {root}/workspace in {copy}",
        f"{python} -m pipelines.cli stage people in {copy}",
    ], done.stderr


def test_without_a_venv_the_active_environment_is_used(copy: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path / "active" / "bin" / "python")
    (python.parent / "unimotion").symlink_to(python)
    done = stage(copy, PATH=f"{python.parent}{os.pathsep}/usr/bin:/bin")
    assert done.stdout == f"{python} -m pipelines.cli stage people in {copy}\n", done.stderr


def test_without_any_it_says_what_to_do(copy: Path) -> None:
    done = stage(copy)
    assert done.returncode == 1
    assert "there is no ./.venv, and no active environment has it; run `make .venv/ready`" in done.stderr

"""A checkout may lie under any path: with spaces, umlauts, and what shells and URLs take for their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_shards

from dagster_project.run import dagster_home
from pipelines.errors import UsageError
from pipelines.workspace import Workspace
from training import checkpoint, promotion, tracking

REPOSITORY = Path(__file__).resolve().parents[2]
CURATE_AND_TRAIN = """
import sys
from pathlib import Path
import ray
from tiny_training import TINY
from pipelines.engine import Engine, Item, Journal
from pipelines.progress import Progress
from training.launch import launch
from training.loop import Job

def make_worker():
    return lambda payload: [{"id": payload["name"], "interpreter": sys.executable}]

items = [Item(name, {"name": name}, name) for name in "ab"]
outcomes = Engine(2).map(make_worker, items, Journal(Path(sys.argv[2])), Progress("test", quiet=True))
assert [outcome.rows for outcome in outcomes] == [[{"id": n, "interpreter": sys.executable}] for n in "ab"], outcomes
launch(Job(sys.argv[1], "train/run", TINY, 0, 1, False), workers=2, max_failures=0, address=None)
"""
CONNECT = "from pipelines.cluster import connect; connect(None, 1)"


def python_in(folder: Path, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run code with an interpreter whose environment lies in a folder."""
    folder.mkdir(parents=True)
    (folder / ".venv").symlink_to(sys.prefix)
    paths = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))
    return subprocess.run(
        [folder / ".venv" / "bin" / "python", "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


@pytest.mark.slow
def test_workers_start_where_the_path_of_the_interpreter_needs_quotes(tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "ü $HOME & (c) #d %20"
    workspace = Workspace(str(folder / "workspace"))
    workspace.prepare()
    toy_shards.write_toy_shards(workspace)
    done = python_in(folder / "checkout", CURATE_AND_TRAIN, workspace.url, str(folder / "journal"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert checkpoint.complete_steps(workspace, "train/run")


@pytest.mark.parametrize("name", ["a b #d", "long" * 50])
def test_ray_starts_whatever_the_folder_of_temporary_files_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    code = f"{CONNECT}; import ray; assert ray.get(ray.remote(lambda: 1).remote()) == 1"
    done = python_in(tmp_path / "checkout", code)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", ["it's", 'a"b'])
def test_a_path_that_ray_cannot_take_is_named_at_once(tmp_path: Path, name: str) -> None:
    done = python_in(tmp_path / name, CONNECT)
    assert done.returncode == 1
    assert f"UsageError: {tmp_path / name}/.venv/bin/python: " in done.stderr


@pytest.mark.parametrize("name", ["a b/ü #d", "e%20f?g"])
def test_the_registry_is_found_again_under_any_path(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(str(tmp_path / name))
    workspace.prepare()
    run = tracking.start_run(workspace, "f" * 64, {"a": 1}, "d")
    folder = workspace.local_root / "export"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    promotion.promote(workspace, tracking.register(workspace, folder, "g", run, {}), "test")
    found = tracking.model_folder(workspace, "models:/x-unimotion@champion")
    assert found.is_relative_to(workspace.local_root)
    assert (workspace.local_root / "mlflow" / "mlflow.db").is_file()


def test_dagster_names_a_path_that_it_cannot_take(tmp_path: Path) -> None:
    assert dagster_home(tmp_path / "a b" / "ü #d").is_dir()
    for name in ("e%20f", "q?x"):
        with pytest.raises(UsageError, match="choose another --workspace"):
            dagster_home(tmp_path / name)
        assert not (tmp_path / name).exists()

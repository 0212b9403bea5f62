"""A registered model outlives moves, copies and losses of its workspace, and runs where this repository is not."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import mlflow
import pytest
from example_request import example
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.engine import Engine
from pipelines.errors import WorkError
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace
from training import connection, promotion, shipping, tracking
from training.export import CONFIG, WEIGHTS
from training.stages import MODEL, TRAIN
from training.train import TrainConfig

CHAMPION = "models:/x-unimotion@champion"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def registered(workspace: Workspace) -> Result:
    run_stage(TRAIN, workspace, TrainConfig("tiny", workers=0), Engine(), quiet=True)
    return run_stage(MODEL, workspace, MODEL.config(), Engine(), quiet=True)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a registered model, the champion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made = Workspace(str(tmp_path_factory.mktemp("first") / "workspace"))
        write_toy_shards(made)
        registered(made)
        promotion.promote(made, "1", "test")
        return made


@pytest.fixture
def copied(first: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, with a space in its path."""
    copy = tmp_path / "another place" / "workspace"
    shutil.copytree(first.local_root, copy)
    return Workspace(str(copy))


def side(workspace: Workspace, name: str) -> Any:
    return json.loads(workspace.local(name).read_text())


def check_is_usable(workspace: Workspace, weights: bytes) -> None:
    folder = tracking.model_folder(workspace, CHAMPION)
    assert folder.is_relative_to(workspace.local_root)
    assert (folder / WEIGHTS).read_bytes() == weights


def weights_of(workspace: Workspace) -> bytes:
    (path,) = workspace.local_root.glob(f"train/*/export/{WEIGHTS}")
    return path.read_bytes()


def test_a_copy_has_models_of_its_own(first: Workspace, copied: Workspace) -> None:
    check_is_usable(copied, weights_of(first))
    check_is_usable(first, weights_of(first))
    assert not registered(copied).recomputed


def test_a_workspace_that_was_moved_twice_keeps_models_and_runs(
    first: Workspace, copied: Workspace, tmp_path: Path
) -> None:
    check_is_usable(copied, weights_of(first))
    moved = Workspace(str(tmp_path / "moved"))
    shutil.move(copied.local_root, moved.local_root)
    check_is_usable(moved, weights_of(first))
    assert not registered(moved).recomputed
    run_id = side(moved, "train/run.json")["mlflow_run_id"]
    pictures = connection.client(moved).list_artifacts(run_id, "samples")
    assert len(pictures) == TINY.steps / TINY.save_every
    artifacts = connection.client(moved).get_run(run_id).info.artifact_uri
    assert artifacts.startswith(moved.local_root.as_uri())


@pytest.mark.parametrize("lost", ["artifacts", f"artifacts/models/*/artifacts/artifacts/export/{WEIGHTS}"])
def test_files_that_were_deleted_come_again(first: Workspace, copied: Workspace, lost: str) -> None:
    connection.client(copied)
    (path,) = (copied.local_root / "mlflow").glob(lost)
    if path.is_dir():
        shutil.rmtree(path)
        with pytest.raises(WorkError, match="its files are not where the registry has them; run `unimotion register`"):
            tracking.model_folder(copied, CHAMPION)
    else:
        path.unlink()
    before = side(copied, "model/registered.json")
    assert registered(copied).recomputed
    # It is the same version, so that the champion is whole again.
    assert side(copied, "model/registered.json") == before
    check_is_usable(copied, weights_of(first))
    assert not registered(copied).recomputed


def test_a_database_that_was_deleted_is_filled_again(first: Workspace, copied: Workspace) -> None:
    connection.database(copied).unlink()
    result = registered(copied)
    assert result.recomputed
    client, run_id = connection.client(copied), side(copied, "train/run.json")["mlflow_run_id"]
    assert run_id != side(first, "train/run.json")["mlflow_run_id"]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == list(range(TINY.steps))
    assert side(copied, "model/registered.json")["mlflow_run_id"] == run_id
    promotion.promote(copied, "1", "test")
    check_is_usable(copied, weights_of(first))


_ELSEWHERE = """
import importlib.util, sys
sys.path.append(sys.argv[1])
assert importlib.util.find_spec("training") is importlib.util.find_spec("pipelines") is None
import mlflow
from pathlib import Path
served = mlflow.pyfunc.load_model(sys.argv[2])
import training
assert Path(training.__file__).is_relative_to(sys.argv[2])
made = served.predict([{name: Path(sys.argv[3], name).read_bytes() for name in ("reference", "driving")}])
Path(sys.argv[3], "made.mp4").write_bytes(made["video"][0])
"""


def test_a_model_runs_where_this_repository_is_not(
    first: Workspace, perceiving: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.client(first)
    model = Path(mlflow.artifacts.download_artifacts("models:/x-unimotion/1", dst_path=str(tmp_path / "elsewhere")))
    for name, content in example(tmp_path).items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("UNIMOTION_WORKSPACE", str(perceiving.local_root))
    # Neither variables nor the folder (-I) nor the editable install of this environment (-S) lead to the repository.
    packages = sysconfig.get_paths()["purelib"]
    command = [sys.executable, "-I", "-S", "-c", _ELSEWHERE, packages, str(model), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made.mp4").read_bytes()[4:8] == b"ftyp"
    code = [path for path in (model / "code").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in code) < 3e6
    assert (model / "requirements.txt").read_text().count("==") == len(shipping.requirements()) + 1  # MLflow itself
    assert "+" not in (model / "requirements.txt").read_text()
    assert {path.name for path in (model / "artifacts" / "export").iterdir()} >= {CONFIG, WEIGHTS}

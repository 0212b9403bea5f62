"""MLflow goes away and comes back: training never notices, and MLflow hears all of it. Real servers, real databases."""

import json
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow_server import MlflowServer, free_port
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.engine import Engine
from pipelines.errors import WorkError
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace
from training import checkpoint, connection, spool, train
from training.history import read_history
from training.stages import MODEL, TRAIN
from training.train import TrainConfig
from training.validate import Validation


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of MLflow, to be copied: making one takes seconds."""
    made = Workspace(str(tmp_path_factory.mktemp("empty")))
    connection.client(made)
    return connection.database(made)


@pytest.fixture
def data(workspace: Workspace, empty_database: Path) -> Workspace:
    write_toy_shards(workspace)
    connection.database(workspace).parent.mkdir()
    shutil.copyfile(empty_database, connection.database(workspace))
    return workspace


@pytest.fixture
def server(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    """Not started yet."""
    made = MlflowServer(tmp_path / "server", empty_database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
    yield made
    made.kill()


def trained(workspace: Workspace) -> Result:
    return run_stage(TRAIN, workspace, TrainConfig("tiny", workers=0), Engine())


def registered(workspace: Workspace) -> Result:
    return run_stage(MODEL, workspace, MODEL.config(), Engine())


def about_run(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace.local("train/run.json").read_text())
    return found


def all_that_mlflow_knows(workspace: Workspace) -> Any:
    """Of the one run that there is."""
    client = mlflow.MlflowClient(connection.tracking_uri(workspace))
    (experiment,) = client.search_experiments(filter_string="name = 'x-unimotion'")
    (found,) = client.search_runs([experiment.experiment_id])
    run_id = found.info.run_id
    histories = {
        key: [(point.step, point.value, point.timestamp) for point in client.get_metric_history(run_id, key)]
        for key in found.data.metrics
    }
    pictures = sorted(file.path for file in client.list_artifacts(run_id, "samples"))
    datasets = [(each.dataset.name, each.dataset.digest) for each in found.inputs.dataset_inputs]
    tags = {key: value for key, value in found.data.tags.items() if key != "mlflow.user"}
    return run_id, found.info.status, found.data.params, tags, histories, pictures, datasets


def check_is_whole(workspace: Workspace) -> None:
    run_id, status, params, tags, histories, pictures, datasets = before = all_that_mlflow_knows(workspace)
    about = about_run(workspace)
    assert (run_id, status) == (about["mlflow_run_id"], "FINISHED")
    assert tags["unimotion.fingerprint"] == about["fingerprint"]
    assert params["preset"] == "tiny"
    assert datasets
    rows = read_history(workspace, f"train/{about['fingerprint']}")
    assert len(rows) == TINY.steps
    assert [(step, value) for step, value, _ in histories["loss"]] == [(row["step"], row["loss"]) for row in rows]
    assert histories["ms_per_step"][0][:2] == (TINY.steps, about["ms_per_step"])
    assert len(histories["rate.samples_per_second"]) == len(pictures) == TINY.steps / TINY.save_every
    # Twice is once, even where nobody remembers that it was told.
    spool.set_told(workspace, f"train/{about['fingerprint']}", spool.Told(run_id))
    assert train.catch_up(workspace, about["fingerprint"]) == run_id
    assert all_that_mlflow_knows(workspace) == before


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_training_hears_the_rest_later(
    data: Workspace, server: MlflowServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.start()
    measure, measured = Validation.measure, iter(range(TINY.steps))

    def kill_in_mid_training(self: Validation, *arguments: Any) -> Any:
        if next(measured) == 2:
            (run,) = data.children("train")
            deadline = time.monotonic() + 60
            while spool.told(data, f"train/{run}").run_id is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            server.kill()
        return measure(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "measure", kill_in_mid_training)
        trained(data)
    said = capsys.readouterr().err
    assert "tracking is behind: MLflow at http://127.0.0.1:" in said
    assert "Traceback" not in said
    assert checkpoint.complete_steps(data, f"train/{about_run(data)['fingerprint']}")[-1] == TINY.steps
    # As long as it is away, what needs it says so in a sentence; what does not goes on.
    assert not trained(data).recomputed
    assert capsys.readouterr().err.count("tracking is still behind") == 1
    began = time.monotonic()
    with pytest.raises(WorkError, match=r"MLflow at \S+ does not answer \(Connection refused\); see that it runs"):
        registered(data)
    assert time.monotonic() - began < 10
    server.start()
    assert not trained(data).recomputed
    assert "tracking is complete again" in capsys.readouterr().err
    check_is_whole(data)
    assert registered(data).recomputed


def test_a_server_that_takes_requests_and_never_answers_costs_seconds(
    data: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        trained(data)
        assert "tracking is behind" in capsys.readouterr().err
        assert about_run(data)["mlflow_run_id"] is None
        began = time.monotonic()
        with pytest.raises(WorkError, match=r"does not answer \(timed out\)"):
            registered(data)
        assert time.monotonic() - began < 10
    # Registering tells all that was missed: here to the database of the workspace.
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    registered(data)
    check_is_whole(data)


def test_an_address_where_nobody_is_stops_no_training(
    data: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    trained(data)
    said = capsys.readouterr().err
    # Once when it is found, and once at the end.
    assert said.count("tracking is behind") == 2
    assert "training goes on" in said
    assert "nothing is lost" in said
    assert "Traceback" not in said


def test_a_locked_database_stops_no_training(data: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(connection.database(data), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        trained(data)
        said = capsys.readouterr().err
        assert "does not answer (database is locked)" in said
        assert "SELECT" not in said
        began = time.monotonic()
        with pytest.raises(WorkError, match="database is locked"):
            registered(data)
        assert time.monotonic() - began < 10
    trained(data)
    check_is_whole(data)


def test_a_training_that_fails_is_not_left_running(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise WorkError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "measure", fail)
        with pytest.raises(WorkError, match="the disk is full"):
            trained(data)
    assert all_that_mlflow_knows(data)[1] == "FAILED"
    trained(data)
    check_is_whole(data)


def test_a_run_that_somebody_deleted_is_told_anew(data: Workspace) -> None:
    trained(data)
    client = mlflow.MlflowClient(connection.tracking_uri(data))
    client.delete_run(about_run(data)["mlflow_run_id"])
    registered(data)
    check_is_whole(data)

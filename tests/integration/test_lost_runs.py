"""Runs whose process was killed: they are closed, and their work is asked for again; cancelled ones end whole."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import small_corpus
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    JobDefinition,
    RunsFilter,
    SensorResult,
    SkipReason,
    build_sensor_context,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.test_utils import create_test_daemon_workspace_context, poll_for_finished_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from filelock import FileLock

from dagster_project.definitions import defs
from dagster_project.defs import automation
from dagster_project.foundry import Foundry
from dagster_project.heartbeats import heartbeat_of
from dagster_project.run import dagster_home
from pipelines.curation.listing import list_sources, write_batch
from pipelines.heartbeat import beating
from pipelines.synthesis.pairs import STAGE as PAIRS
from pipelines.workspace import Workspace
from tests.end_to_end.conftest import PARAMS

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 240  # with whatever else is running
NOTHING = "no run has lost its process"
MONDAY = {PARTITION_NAME_TAG: "monday"}


@pytest.fixture
def instance(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """That of the workspace, which has a batch to curate: a file that is no video, which takes no time."""
    paths = [workspace.local_root / "a.mp4"]
    paths[0].write_text("no video")
    write_batch(workspace, list_sources([str(path) for path in paths], None, None), "monday")
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(workspace.local_root)))
    with DagsterInstance.get() as opened:
        yield opened


@pytest.fixture
def stuck(workspace: Workspace) -> Iterator[None]:
    """Whoever ingests the batch waits for ever, in the middle of a run."""
    folder = workspace.local_root / "videos" / "monday"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        yield


def run_of(instance: DagsterInstance, process: "subprocess.Popen[bytes]") -> DagsterRun:
    """The run that a process begins, once it has begun."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
            heartbeat = heartbeat_of(instance, run.run_id)
            if heartbeat.exists() and json.loads(heartbeat.read_text())["pid"] == process.pid:
                return run
        time.sleep(0.1)
    raise AssertionError("no run started")


def unimotion_run(workspace: Workspace) -> "subprocess.Popen[bytes]":
    code = "from pipelines.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "--workspace", workspace.url, "--workers", "1"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def closed_by_tick(instance: DagsterInstance) -> str:
    found = automation.lost_runs(build_sensor_context(instance))
    assert isinstance(found, SkipReason)
    return found.skip_message or ""


def asked_for(instance: DagsterInstance, workspace: Workspace) -> list[str | None]:
    found = automation.new_batches(build_sensor_context(instance), foundry=Foundry(workspace_url=workspace.url))
    assert isinstance(found, SensorResult)
    return [request.partition_key for request in found.run_requests or []]


def status(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found.status


def curate_batch() -> JobDefinition:
    return defs().resolve_job_def("curate_batch")


def in_progress(instance: DagsterInstance) -> DagsterRun:
    return instance.create_run_for_job(curate_batch(), status=DagsterRunStatus.STARTED)


def alter(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.usefixtures("stuck")
def test_a_killed_run_is_closed_by_the_next_one_or_by_a_tick_and_its_batch_is_asked_for(
    instance: DagsterInstance, workspace: Workspace
) -> None:
    lost, elsewhere = in_progress(instance), in_progress(instance)
    with beating(heartbeat_of(instance, lost.run_id)), beating(heartbeat_of(instance, elsewhere.run_id)):
        alter(heartbeat_of(instance, lost.run_id), born=1)
        alter(heartbeat_of(instance, elsewhere.run_id), kernel="of another host")
        process = unimotion_run(workspace)
        try:
            run = run_of(instance, process)
            assert status(instance, lost.run_id) == DagsterRunStatus.FAILURE
            assert closed_by_tick(instance) == NOTHING
            assert status(instance, run.run_id) == DagsterRunStatus.STARTED
        finally:
            process.kill()
            process.wait()
        assert f"process {process.pid}" in closed_by_tick(instance)
        assert status(instance, run.run_id) == DagsterRunStatus.FAILURE
        assert status(instance, elsewhere.run_id) == DagsterRunStatus.STARTED
        assert not heartbeat_of(instance, run.run_id).exists()
    assert asked_for(instance, workspace) == ["monday"]


def test_a_run_of_another_host_is_closed_when_its_heartbeat_has_stopped(instance: DagsterInstance) -> None:
    run = in_progress(instance)
    path = heartbeat_of(instance, run.run_id)
    with beating(path):
        alter(path, kernel="of another host")
        assert closed_by_tick(instance) == NOTHING
        moment = time.time() - 75
        os.utime(path, (moment, moment))
        assert run.run_id in closed_by_tick(instance)
    assert status(instance, run.run_id) == DagsterRunStatus.FAILURE


def test_what_is_being_cancelled_is_closed_as_cancelled_and_what_has_ended_stays_as_it_is(
    instance: DagsterInstance,
) -> None:
    ends = {
        DagsterRunStatus.CANCELING: DagsterRunStatus.CANCELED,
        DagsterRunStatus.STARTING: DagsterRunStatus.FAILURE,
        DagsterRunStatus.SUCCESS: DagsterRunStatus.SUCCESS,
    }
    for before, after in ends.items():
        run = instance.create_run_for_job(curate_batch(), status=before)
        path = heartbeat_of(instance, run.run_id)
        with beating(path):
            alter(path, born=1)
            closed_by_tick(instance)
            assert not path.exists()
        assert status(instance, run.run_id) == after


def test_a_run_without_a_heartbeat_is_left_alone(instance: DagsterInstance) -> None:
    run = in_progress(instance)
    assert closed_by_tick(instance) == NOTHING
    assert status(instance, run.run_id) == DagsterRunStatus.STARTED


@pytest.fixture
def daemon(
    instance: DagsterInstance, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WorkspaceProcessContext]:
    """What launches runs as the pages, sensors and schedules do, with a code server of its own."""
    monkeypatch.setenv("UNIMOTION_WORKSPACE", workspace.url)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    target = ModuleTarget("dagster_project.definitions", None, str(REPOSITORY), None)
    with create_test_daemon_workspace_context(target, instance) as context:
        yield context


@pytest.mark.slow
@pytest.mark.usefixtures("stuck")
def test_a_killed_run_of_the_daemon_is_closed_by_its_code_server(
    instance: DagsterInstance, daemon: WorkspaceProcessContext
) -> None:
    run, process = launched(instance, daemon, curate_batch(), tags=MONDAY)
    process.kill()
    assert poll_for_finished_run(instance, run.run_id, timeout=PATIENCE_S).status == DagsterRunStatus.FAILURE
    assert closed_by_tick(instance) == NOTHING
    assert not heartbeat_of(instance, run.run_id).exists()


@pytest.mark.usefixtures("stuck")
def test_runs_of_the_daemon_are_cancelled_whole_and_closed_by_a_tick_where_they_are_killed_with_its_code_server(
    instance: DagsterInstance, daemon: WorkspaceProcessContext
) -> None:
    cancelled, process = launched(instance, daemon, curate_batch(), tags=MONDAY)
    family = [process, *process.children(recursive=True)]
    assert instance.run_launcher.terminate(cancelled.run_id)
    assert poll_for_finished_run(instance, cancelled.run_id, timeout=PATIENCE_S).status == DagsterRunStatus.CANCELED
    assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []
    said = len(instance.all_logs(cancelled.run_id))

    killed, process = launched(instance, daemon, curate_batch(), tags=MONDAY)
    server = process.parent()
    assert server is not None
    server.kill()
    process.kill()
    psutil.wait_procs([process])
    assert killed.run_id in closed_by_tick(instance)
    assert status(instance, killed.run_id) == DagsterRunStatus.FAILURE

    assert status(instance, cancelled.run_id) == DagsterRunStatus.CANCELED
    assert len(instance.all_logs(cancelled.run_id)) == said
    assert list(heartbeat_of(instance, cancelled.run_id).parent.glob("[!.]*")) == []


@pytest.fixture
def many_pairs(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that pairs are made of, and more of them to make than anybody would wait for."""
    small_corpus.publish(workspace)
    params = tmp_path / "params.yaml"
    params.write_text(PARAMS.replace("train_groups: 8", "train_groups: 4000"))
    monkeypatch.setenv("UNIMOTION_PARAMS", str(params))
    monkeypatch.setenv("UNIMOTION_WORKERS", "2")


@pytest.mark.slow
@pytest.mark.usefixtures("many_pairs")  # made before the code server, which looks for the settings
def test_a_cancelled_materialization_ends_with_its_workers_on_ray(
    instance: DagsterInstance, daemon: WorkspaceProcessContext, workspace: Workspace
) -> None:
    """As the button "Materialize" starts it."""
    job = defs().resolve_implicit_global_asset_job_def()
    run, process = launched(instance, daemon, job, asset_selection=frozenset({AssetKey("pairs")}))
    deadline = time.monotonic() + PATIENCE_S
    while not list((workspace.local_root / "pairs").rglob("*.tar")) and time.monotonic() < deadline:
        time.sleep(0.1)
    family = [process, *process.children(recursive=True)]
    assert any("ray::_Actor" in " ".join(member.cmdline()) for member in family)
    assert instance.run_launcher.terminate(run.run_id)
    assert poll_for_finished_run(instance, run.run_id, timeout=PATIENCE_S).status == DagsterRunStatus.CANCELED
    assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []
    said = len(instance.all_logs(run.run_id))
    assert closed_by_tick(instance) == NOTHING
    assert len(instance.all_logs(run.run_id)) == said
    assert small_corpus.read(workspace, PAIRS) == []


def launched(
    instance: DagsterInstance, context: WorkspaceProcessContext, job: JobDefinition, **about: Any
) -> tuple[DagsterRun, psutil.Process]:
    """A run as the daemon launches it, and its process, once it is at work."""
    request = context.create_request_context()
    known = request.code_locations[0].get_repositories()["__repository__"].get_full_job(job.name)
    origins = {"remote_job_origin": known.get_remote_origin(), "job_code_origin": known.get_python_origin()}
    run = instance.create_run_for_job(job, **origins, **about)
    instance.launch_run(run.run_id, request)
    deadline = time.monotonic() + PATIENCE_S
    while not heartbeat_of(instance, run.run_id).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return run, psutil.Process(json.loads(heartbeat_of(instance, run.run_id).read_text())["pid"])

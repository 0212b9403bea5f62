"""Runs whose process was killed: they are closed, and their work is asked for again; with real processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
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
from pipelines.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
NOTHING = "no run has lost its process"


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
    deadline = time.monotonic() + 60
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


def in_progress(instance: DagsterInstance) -> DagsterRun:
    return instance.create_run_for_job(defs().resolve_job_def("curate_batch"), status=DagsterRunStatus.STARTED)


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
    job = defs().resolve_job_def("curate_batch")
    for before, after in ends.items():
        run = instance.create_run_for_job(job, status=before)
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
    target = ModuleTarget("dagster_project.definitions", None, str(REPOSITORY), "foundry")
    with create_test_daemon_workspace_context(target, instance) as context:
        yield context


@pytest.mark.slow
@pytest.mark.usefixtures("stuck")
def test_a_killed_run_of_the_daemon_is_closed_by_its_code_server(
    instance: DagsterInstance, daemon: WorkspaceProcessContext
) -> None:
    run, process = launched(instance, daemon)
    process.kill()
    assert poll_for_finished_run(instance, run.run_id, timeout=30).status == DagsterRunStatus.FAILURE
    assert closed_by_tick(instance) == NOTHING
    assert not heartbeat_of(instance, run.run_id).exists()


@pytest.mark.usefixtures("stuck")
def test_a_run_of_the_daemon_that_is_killed_with_its_code_server_is_closed_by_a_tick(
    instance: DagsterInstance, daemon: WorkspaceProcessContext
) -> None:
    run, process = launched(instance, daemon)
    server = process.parent()
    assert server is not None
    server.kill()
    process.kill()
    psutil.wait_procs([process])
    assert run.run_id in closed_by_tick(instance)
    assert status(instance, run.run_id) == DagsterRunStatus.FAILURE


def launched(instance: DagsterInstance, context: WorkspaceProcessContext) -> tuple[DagsterRun, psutil.Process]:
    """A run as the daemon launches it, and its process, once it is at work."""
    request = context.create_request_context()
    job = request.code_locations[0].get_repositories()["__repository__"].get_full_job("curate_batch")
    run = instance.create_run_for_job(
        defs().resolve_job_def("curate_batch"),
        tags={PARTITION_NAME_TAG: "monday"},
        remote_job_origin=job.get_remote_origin(),
        job_code_origin=job.get_python_origin(),
    )
    instance.launch_run(run.run_id, request)
    deadline = time.monotonic() + 60
    while not heartbeat_of(instance, run.run_id).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return run, psutil.Process(json.loads(heartbeat_of(instance, run.run_id).read_text())["pid"])

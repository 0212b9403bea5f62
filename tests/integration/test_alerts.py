"""Whoever is on call is told once of each thing, by a real Dagster instance and a real web server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance, SensorResult, build_run_status_sensor_context, build_sensor_context
from webhook import Webhook, listening

from dagster_project.definitions import defs
from dagster_project.defs.alerts import failed_runs, troubles
from dagster_project.foundry import Foundry
from pipelines.alerts import WEBHOOK
from pipelines.curation.listing import list_sources, write_batch
from pipelines.health import HealthConfig, problems
from pipelines.manifest import Status, build, write
from pipelines.stages import DATA_STAGES
from pipelines.workspace import Workspace


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with listening() as found:
        monkeypatch.setenv(WEBHOOK, found.url)
        yield found


def listed(workspace: Workspace, batch: str, name: str) -> None:
    path = workspace.local_root / name
    path.write_text(name)
    write_batch(workspace, list_sources([str(path)], None, None), batch)


def close_gate(workspace: Workspace, version: str) -> None:
    with workspace.publish("evaluation/gate.json") as path:
        path.write_text(json.dumps({"passed": False, "version": version, "reasons": ["it is blurred"]}))


def test_a_trouble_is_told_when_it_begins_and_when_it_comes_back(workspace: Workspace, hook: Webhook) -> None:
    foundry, cursor = Foundry(workspace_url=workspace.url, workers=1), ""

    def tick() -> list[str]:
        nonlocal cursor
        before = len(hook.received)
        found = troubles(build_sensor_context(cursor=cursor), foundry=foundry)
        assert isinstance(found, SensorResult)
        cursor = found.cursor or ""
        return [body["kind"] + " " + body["subject"] for body in hook.received[before:]]

    assert tick() == []
    listed(workspace, "monday", "a.mp4")
    close_gate(workspace, "3")
    assert sorted(tick()) == ["batch_behind monday", "gate_closed 3"]
    assert tick() == []
    close_gate(workspace, "4")
    assert tick() == ["gate_closed 4"]
    workspace.remove("evaluation/gate.json")
    assert tick() == []
    close_gate(workspace, "4")
    assert tick() == ["gate_closed 4"]


def test_what_nobody_could_be_told_is_told_later(
    workspace: Workspace, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.alerts.time.sleep", lambda _: None)
    foundry = Foundry(workspace_url=workspace.url, workers=1)
    close_gate(workspace, "3")
    hook.codes = [500] * 3
    lost = troubles(build_sensor_context(cursor=""), foundry=foundry)
    assert lost.cursor == "[]"
    assert troubles(build_sensor_context(cursor=lost.cursor), foundry=foundry).cursor == '["gate_closed 3"]'
    assert len(hook.received) == 4


def test_a_run_that_failed_is_told_with_the_sentence_of_its_stage(workspace: Workspace, hook: Webhook) -> None:
    listed(workspace, "monday", "a.mp4")
    (workspace.local_root / "manifests" / "videos" / "monday.parquet").mkdir(parents=True)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batch", ["monday"])
        result = (
            defs()
            .resolve_job_def("curate_batch")
            .execute_in_process(
                instance=instance,
                resources={"foundry": Foundry(workspace_url=workspace.url, workers=1)},
                partition_key="monday",
                raise_on_error=False,
            )
        )
        assert not result.success
        context = build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        )
        failed_runs(context.for_run_failure())
    (told,) = hook.received
    assert told["subject"] == result.run_id
    assert told["text"].startswith("curate_batch of batch monday failed: videos: ")
    assert "Traceback" not in told["text"]


def test_what_is_wrong_with_a_workspace(workspace: Workspace) -> None:
    now = datetime(2030, 5, 1, tzinfo=UTC)

    def kinds(config: HealthConfig, since: datetime | None = None) -> list[str]:
        return [alert.kind for alert in problems(workspace, config, since, now)]

    usual = HealthConfig(least_free_gib=0)
    assert kinds(usual) == []
    assert kinds(HealthConfig(least_free_gib=1e9)) == ["disk_low"]
    assert kinds(usual, now - timedelta(days=44)) == []
    assert kinds(usual, now - timedelta(days=46)) == ["stale_champion"]


def test_much_in_quarantine_is_told(workspace: Workspace) -> None:
    listed(workspace, "monday", "a.mp4")
    videos = next(stage for stage in DATA_STAGES if stage.name == "videos")

    def share(quarantined: int) -> list[str]:
        rows = [
            {"id": f"{number:02}", "status": Status.QUARANTINED if number < quarantined else Status.KEPT}
            for number in range(20)
        ]
        write(workspace, "videos/monday", build(rows, videos.schema), "f", quarantined)
        found = problems(workspace, HealthConfig(least_free_gib=0), None)
        return [alert.text for alert in found if alert.kind == "quarantine_high"]

    assert share(2) == []
    assert share(3) == ["videos of batch monday has 3 of 20 rows in quarantine; the report says why"]

"""Every batch is curated as it is listed, whatever became of the runs that were to do it: a real Dagster instance."""

import time
from collections.abc import Iterator

import pytest
from dagster import (
    AssetCheckSeverity,
    DagsterEventType,
    DagsterInstance,
    RunRequest,
    RunsFilter,
    SensorResult,
    build_sensor_context,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG

from dagster_project.definitions import defs
from dagster_project.defs import automation
from dagster_project.defs.checks import batches_are_current
from dagster_project.foundry import Foundry
from pipelines.batches import not_current
from pipelines.curation.listing import list_sources, write_batch
from pipelines.stage import BATCH_STAGES
from pipelines.workspace import Workspace


class Ticking:
    """A sensor's ticks on a real instance, each of whose requests is run at once."""

    def __init__(self, instance: DagsterInstance, workspace: Workspace, clock: pytest.MonkeyPatch) -> None:
        self._instance, self._clock = instance, clock
        self._foundry = Foundry(workspace_url=workspace.url, workers=1)

    def tick(self, later: float = 0) -> list[tuple[str | None, bool]]:
        """The batches that were curated, and whether that went well. later: as many seconds from now."""
        self._clock.setattr(automation, "_now", lambda: time.time() + later)
        found = automation.new_batches(build_sensor_context(self._instance), foundry=self._foundry)
        assert isinstance(found, SensorResult)
        for request in found.dynamic_partitions_requests or []:
            self._instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return [(request.partition_key, self._run(request)) for request in found.run_requests or []]

    def _run(self, request: RunRequest) -> bool:
        job = defs().resolve_job_def("curate_batch")
        return job.execute_in_process(
            instance=self._instance,
            resources={"foundry": self._foundry},
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
        ).success

    def checked(self, batch: str) -> dict[str, int]:
        """How many manifests were read by the check of each stage in the last run of a batch."""
        run = self._instance.get_runs(RunsFilter(tags={PARTITION_NAME_TAG: batch}), limit=1)[0]
        logs = self._instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [log.get_dagster_event().asset_check_evaluation_data for log in logs]
        return {check.asset_key.to_user_string(): check.metadata["manifests"].value for check in found}


@pytest.fixture
def ticking(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticking]:
    with DagsterInstance.ephemeral() as instance:
        yield Ticking(instance, workspace, monkeypatch)


def listed(workspace: Workspace, batch: str, *names: str) -> None:
    """A batch of files that are no videos: they are rejected, which takes no time."""
    paths = [workspace.local_root / name for name in names]
    for path in paths:
        path.write_text(path.name)
    write_batch(workspace, list_sources([str(path) for path in paths], None, None), batch)


def test_a_new_batch_is_curated_once_and_again_where_it_is_listed_with_other_content(
    workspace: Workspace, ticking: Ticking
) -> None:
    listed(workspace, "monday", "a.mp4")
    assert ticking.tick() == [("monday", True)]
    assert ticking.tick(1e6) == []
    listed(workspace, "tuesday", "b.mp4")
    assert ticking.tick() == [("tuesday", True)]
    listed(workspace, "monday", "a.mp4", "c.mp4")
    assert ticking.tick() == [("monday", True)]
    assert ticking.tick(1e6) == []


def test_a_batch_whose_run_failed_is_tried_again_later_and_not_for_ever(workspace: Workspace, ticking: Ticking) -> None:
    listed(workspace, "monday", "a.mp4")
    blocked = workspace.local_root / "manifests" / "videos" / "monday.parquet"
    blocked.mkdir(parents=True)
    assert ticking.tick() == [("monday", False)]
    assert ticking.tick(60) == []
    assert ticking.tick(3600) == [("monday", False)]
    blocked.rmdir()
    assert ticking.tick(900) == []
    assert ticking.tick(3600) == [("monday", True)]
    assert ticking.tick(1e6) == []


def test_a_batch_that_always_fails_is_given_up(workspace: Workspace, ticking: Ticking) -> None:
    listed(workspace, "monday", "a.mp4")
    (workspace.local_root / "manifests" / "videos" / "monday.parquet").mkdir(parents=True)
    tries = [found for _ in range(7) for found in ticking.tick(1e5)]
    assert tries == [("monday", False)] * 4
    listed(workspace, "monday", "b.mp4")
    assert ticking.tick() == [("monday", False)]


def test_what_is_made_of_all_batches_says_which_of_them_are_not_current(workspace: Workspace, ticking: Ticking) -> None:
    def warned() -> list[str]:
        found = batches_are_current(foundry=Foundry(workspace_url=workspace.url))
        assert found.passed == (not not_current(workspace))
        assert found.severity == AssetCheckSeverity.WARN
        return not_current(workspace)

    listed(workspace, "monday", "a.mp4")
    assert warned() == ["monday"]
    ticking.tick()
    assert warned() == []
    listed(workspace, "monday", "a.mp4", "c.mp4")
    listed(workspace, "tuesday", "b.mp4")
    assert warned() == ["monday", "tuesday"]
    ticking.tick()
    assert warned() == []


def test_a_run_checks_the_manifests_of_its_own_batch_alone(workspace: Workspace, ticking: Ticking) -> None:
    listed(workspace, "old", "a.mp4")
    assert ticking.tick() == [("old", True)]
    for stage in BATCH_STAGES:
        workspace.local(f"manifests/{stage}/old.parquet").write_bytes(b"rotten")
    listed(workspace, "new", "b.mp4")
    assert ("new", True) in ticking.tick()
    assert ticking.checked("new") == dict.fromkeys(BATCH_STAGES, 1)

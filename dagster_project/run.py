"""The main job, in this process: curate every batch, then build, register and judge the model."""

import os
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from dagster import DagsterEvent, DagsterInstance, JobDefinition
from dagster._core.utils import make_new_run_id
from dagster_shared.error import SerializableErrorInfo

from dagster_project.assets import BATCHES
from dagster_project.definitions import defs
from dagster_project.foundry import Foundry
from dagster_project.heartbeats import close_lost_runs, heartbeat_of
from pipelines.errors import DataError, UsageError, WorkError
from pipelines.heartbeat import beating


def dagster_home(workspace: Path) -> Path:
    """The Dagster home of a workspace, made on first use.

    Raises: UsageError for a path that becomes another in the URL of a SQLite file, where Dagster does not quote it.
    """
    home = workspace / "dagster"
    if "?" in str(home) or urllib.parse.unquote(str(home)) != str(home):
        raise UsageError(
            f"workspace {workspace}: Dagster cannot use a path with a ? or a % and two digits in it; choose another "
            "--workspace"
        )
    home.mkdir(parents=True, exist_ok=True)
    settings = Path(__file__).with_name("dagster.yaml").read_text("utf-8")
    target = home / "dagster.yaml"
    if not target.exists() or target.read_text("utf-8") != settings:
        target.write_text(settings, "utf-8")
    return home


def run_main_job(foundry: Foundry, batches: list[str]) -> None:
    """Materialize the whole graph, every run recorded in the workspace's Dagster instance.

    Raises: WorkError where a step fails, with the sentence that the stage gave.
    """
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    home = dagster_home(foundry.workspace.local_root)
    os.environ["DAGSTER_HOME"] = str(home)
    definitions = defs()
    with DagsterInstance.get() as instance:
        close_lost_runs(instance)
        instance.add_dynamic_partitions(BATCHES.name or "", batches)
        for batch in batches:
            _execute(definitions.resolve_job_def("curate_batch"), foundry, instance, batch)
        _execute(definitions.resolve_job_def("build_model"), foundry, instance, None)


def _execute(job: JobDefinition, foundry: Foundry, instance: DagsterInstance, partition: str | None) -> None:
    run_id = make_new_run_id()
    # From before there is a run until after it: Dagster does not use the executor of the job here.
    with beating(heartbeat_of(instance, run_id)):
        result = job.execute_in_process(
            run_id=run_id,
            instance=instance,
            partition_key=partition,
            resources={"foundry": foundry},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    if result.success:
        return
    why = failure_of(result.all_events)
    raise WorkError(why or f"{job.name}: failed; look at run {result.run_id} in `make dev`")


def failure_of(events: Iterable[DagsterEvent]) -> str | None:
    """The first step that failed, with the sentence that its stage gave."""
    for event in events:
        failure = event.step_failure_data if event.is_step_failure else None
        if failure and failure.error:
            return f"{event.step_key}: {_sentence(failure.error)}"
    return None


def _sentence(error: SerializableErrorInfo) -> str:
    """The message of the error that a stage raised for its user; of the first cause of all where there is none."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    for link in chain:
        if link.cls_name in {kind.__name__ for kind in (DataError, UsageError, WorkError)}:
            return link.message.partition(": ")[2].strip()
    return chain[-1].message.strip()

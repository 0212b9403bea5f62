"""Who is on call is told once of each thing that is wrong: of runs that failed, and of what the workspace shows."""

import json

from dagster import (
    DefaultSensorStatus,
    Definitions,
    RunFailureSensorContext,
    SensorEvaluationContext,
    SensorResult,
    run_failure_sensor,
    sensor,
)

from dagster_project.foundry import Foundry
from dagster_project.run import failure_of
from pipelines.alerts import Alert, send
from pipelines.errors import WorkError
from pipelines.health import HealthConfig, problems
from training import tracking


@run_failure_sensor(default_status=DefaultSensorStatus.RUNNING, minimum_interval_seconds=30)
def failed_runs(context: RunFailureSensorContext) -> None:
    """Each run that failed, with the sentence that its stage gave."""
    run = context.dagster_run
    why = failure_of(context.get_step_failure_events()) or context.failure_event.message or "no reason given"
    batch = run.tags.get("dagster/partition")
    name = f"{run.job_name} of batch {batch}" if batch else run.job_name
    send(Alert("run_failed", run.run_id, f"{name} failed: {why}"))


@sensor(default_status=DefaultSensorStatus.RUNNING, minimum_interval_seconds=300)
def troubles(context: SensorEvaluationContext, foundry: Foundry) -> SensorResult:
    """What is wrong with the workspace: told when it begins, and again only after it had ended."""
    known = set(json.loads(context.cursor or "[]"))
    try:
        since = tracking.champion_since(foundry.workspace)
    except WorkError:  # the registry does not answer
        since = None
    lasting = {f"{one.kind} {one.subject}": one for one in problems(foundry.workspace, _config(foundry), since)}
    fresh = [alert for key, alert in lasting.items() if key not in known]
    untold = {f"{one.kind} {one.subject}" for one in fresh if not send(one)}
    return SensorResult(cursor=json.dumps(sorted(lasting.keys() - untold)))


def _config(foundry: Foundry) -> HealthConfig:
    return foundry.params.section("health", HealthConfig)


defs = Definitions(sensors=[failed_runs, troubles])

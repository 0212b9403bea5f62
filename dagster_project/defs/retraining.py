"""When a model is made: every week, and earlier where enough is new; never where nothing has changed."""

from dagster import (
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    RunRequest,
    ScheduleEvaluationContext,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    schedule,
    sensor,
)

from dagster_project.defs.automation import build_model
from dagster_project.foundry import Foundry
from pipelines.errors import WorkError
from pipelines.manifest import batches_of, digest_of, read_about
from pipelines.retraining import RetrainingConfig, hours, is_unchanged
from pipelines.stage import folder_of
from pipelines.stages import DATA_STAGES
from training.stages import REPORT, TRAINING_STAGES

_BUILD = [stage for stage in (*DATA_STAGES, *TRAINING_STAGES, REPORT) if not stage.per_batch]


@schedule(
    job=build_model,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
def weekly_retraining(context: ScheduleEvaluationContext, foundry: Foundry) -> RunRequest | SkipReason:  # noqa: ARG001
    """Unless all is as the last model was made of."""
    try:
        unchanged = is_unchanged(_BUILD, foundry.workspace, foundry.params)
    except WorkError as error:
        return SkipReason(f"there is nothing to make a model of: {error}")
    if unchanged:
        return SkipReason("nothing has changed since the last model was made")
    return RunRequest()


@sensor(job=build_model, minimum_interval_seconds=600, default_status=DefaultSensorStatus.RUNNING)
def enough_new_data(context: SensorEvaluationContext, foundry: Foundry) -> SensorResult | SkipReason:
    """A model is made before its week is over where enough clips are new, see `RetrainingConfig`."""
    workspace, config = foundry.workspace, foundry.params.section("retraining", RetrainingConfig)
    abouts = [read_about(workspace, folder_of("clips", batch)) for batch in batches_of(workspace, "clips")]
    state = digest_of([about and about.digest for about in abouts])
    if state == context.cursor:
        return SkipReason("no batch was curated since")
    found = hours(workspace)
    told = f"{found.new:.2f} of {found.all:.2f} hours of clips are new"
    if not found.justify(config):
        return SensorResult(skip_reason=SkipReason(told), cursor=state)
    context.log.info(told)
    return SensorResult(run_requests=[RunRequest(state)], cursor=state)


defs = Definitions(schedules=[weekly_retraining], sensors=[enough_new_data])

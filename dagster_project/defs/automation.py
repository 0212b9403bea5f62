"""When things happen: a new batch is curated as it arrives, a model is made every week."""

from dagster import (
    AssetSelection,
    Definitions,
    RunRequest,
    ScheduleDefinition,
    SensorEvaluationContext,
    SensorResult,
    define_asset_job,
    in_process_executor,
    sensor,
)

from dagster_project.assets import BATCHES
from dagster_project.foundry import Foundry
from pipelines.manifest import batches_of
from pipelines.stage import BATCH_STAGES

_CURATION = AssetSelection.assets(*sorted(BATCH_STAGES))

# The stages bring their own parallelism (Ray); a process per step would only add start-up time.
curate_batch = define_asset_job(
    "curate_batch",
    selection=_CURATION,
    executor_def=in_process_executor,
    description="Everything that happens to the videos of one batch, up to clips.",
)
build_model = define_asset_job(
    "build_model",
    selection=AssetSelection.all() - _CURATION,
    executor_def=in_process_executor,
    description="From the clips of all batches to a registered and judged model, with the report.",
)

weekly_retraining = ScheduleDefinition(
    name="weekly_retraining", job=build_model, cron_schedule="0 3 * * 1", execution_timezone="UTC"
)


@sensor(job=curate_batch, minimum_interval_seconds=60)
def new_batches(context: SensorEvaluationContext, foundry: Foundry) -> SensorResult:
    """A batch that `unimotion ingest` listed becomes a partition and is curated."""
    known = set(context.instance.get_dynamic_partitions(BATCHES.name or ""))
    fresh = [name for name in batches_of(foundry.workspace, "sources") if name not in known]
    return SensorResult(
        run_requests=[RunRequest(run_key=name, partition_key=name) for name in fresh],
        dynamic_partitions_requests=[BATCHES.build_add_request(fresh)] if fresh else [],
    )


defs = Definitions(jobs=[curate_batch, build_model], schedules=[weekly_retraining], sensors=[new_batches])

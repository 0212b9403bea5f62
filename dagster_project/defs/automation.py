"""The jobs, and when a batch is curated: as it arrives, and again as long as it is not curated as it is listed."""

import time

from dagster import (
    AssetSelection,
    DagsterInstance,
    DefaultSensorStatus,
    Definitions,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    define_asset_job,
    sensor,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG

from dagster_project.assets import BATCHES
from dagster_project.foundry import Foundry
from dagster_project.heartbeats import beating_executor, close_lost_runs
from pipelines.batches import behind
from pipelines.stage import BATCH_STAGES

_WORK_TAG = "unimotion/work"  # what a run has to do, see `behind`
_MOST_TRIES, _FIRST_PAUSE_S = 4, 600.0
_CURATION = AssetSelection.assets(*sorted(BATCH_STAGES))

curate_batch = define_asset_job(
    "curate_batch",
    selection=_CURATION,
    description="Everything that happens to the videos of one batch, up to clips.",
)
build_model = define_asset_job(
    "build_model",
    selection=AssetSelection.all() - _CURATION,
    description="From the clips of all batches to a registered and judged model, with the report.",
)


@sensor(job=curate_batch, minimum_interval_seconds=60, default_status=DefaultSensorStatus.RUNNING)
def new_batches(context: SensorEvaluationContext, foundry: Foundry) -> SensorResult:
    """A batch that is not curated as it is listed now becomes a partition and is curated.

    It is tried again where its run failed, and where rows are quarantined for what may pass: later each time, and not
    for ever. A run that Dagster takes to be going on is waited for.
    """
    waiting = behind(foundry.workspace, foundry.params)
    known = set(context.instance.get_dynamic_partitions(BATCHES.name or ""))
    fresh = [name for name in waiting if name not in known]
    requests, given_up = [], []
    for batch, work in waiting.items():
        tries = _tries(context.instance, batch, work)
        if any(not run.dagster_run.is_finished for run in tries):
            continue
        if len(tries) >= _MOST_TRIES:
            given_up.append(batch)
        elif not tries or _now() >= _due(tries):
            key = f"{batch} {work} {len(tries)}"
            requests.append(RunRequest(key, partition_key=batch, tags={_WORK_TAG: work}))
    if given_up:
        context.log.error(
            f"batches {', '.join(given_up)}: were tried {_MOST_TRIES} times and are not curated; mend what their last "
            "run says and materialize them by hand, or list them again"
        )
    return SensorResult(
        run_requests=requests, dynamic_partitions_requests=[BATCHES.build_add_request(fresh)] if fresh else []
    )


@sensor(minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING)
def lost_runs(context: SensorEvaluationContext) -> SkipReason:
    """A run whose process was killed is closed: no other would begin as long as it is taken to be going on."""
    return SkipReason("; ".join(close_lost_runs(context.instance)) or "no run has lost its process")


def _due(tries: list[RunRecord]) -> float:
    """When to try again, seconds since 1970: each pause is twice as long as the one before."""
    ended: float = tries[0].end_time or 0.0
    pause: float = _FIRST_PAUSE_S * 2 ** (len(tries) - 1)
    return ended + pause


def _now() -> float:
    return time.time()


def _tries(instance: DagsterInstance, batch: str, work: str) -> list[RunRecord]:
    """Runs that were to do this work, the last one first."""
    tags = {PARTITION_NAME_TAG: batch, _WORK_TAG: work}
    return list(instance.get_run_records(RunsFilter(job_name=curate_batch.name, tags=tags)))


defs = Definitions(jobs=[curate_batch, build_model], sensors=[new_batches, lost_runs], executor=beating_executor)

"""Every run has a heartbeat while it is executed, in the Dagster home: one whose process was killed can be told by it.

Dagster itself notices that only of a run that its own code server started, and while that lives.
"""

from collections.abc import Iterator
from pathlib import Path

from dagster import DagsterEvent, DagsterInstance, DagsterRunStatus, InitExecutorContext, executor
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from pipelines.heartbeat import beating, lost


def heartbeat_of(instance: DagsterInstance, run_id: str) -> Path:
    return _folder(instance) / run_id


def _folder(instance: DagsterInstance) -> Path:
    return Path(instance.root_directory) / "heartbeats"


class _BeatingExecutor(InProcessExecutor):
    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        with beating(heartbeat_of(plan_context.instance, plan_context.run_id)):
            yield from super().execute(plan_context, execution_plan)


@executor(name="in_process_with_heartbeat")
def beating_executor(_: InitExecutorContext) -> InProcessExecutor:
    """All steps in the process of the run: stages bring their own parallelism (Ray), and end with the run."""
    return _BeatingExecutor(RetryMode.ENABLED)


def close_lost_runs(instance: DagsterInstance) -> list[str]:
    """Close the runs whose process has ended without closing them, and say what was closed, a sentence each.

    A run without a heartbeat is not one of ours and is left alone.
    """
    said = []
    for path in sorted(_folder(instance).glob("[!.]*")):
        process = lost(path)
        if process is None:
            continue
        # Read after its process was looked for, which may have closed it in between.
        run = instance.get_run_by_id(path.name)
        if run is not None and not run.is_finished:
            why = f"process {process.pid} on {process.host} was killed; the next run goes on where it stopped"
            if run.status == DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, why)
            else:
                instance.report_run_failed(run, why)
            said.append(f"run {run.run_id} of {run.job_name}: {why}")
        path.unlink(missing_ok=True)
    return said

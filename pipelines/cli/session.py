"""What all commands share: their options, what these amount to, and how errors become one line and an exit code."""

import functools
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cores import cores
from pipelines.errors import UnimotionError, UsageError, one_line

if TYPE_CHECKING:
    from pipelines.stage import Result, Stage

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Session:
    """What the options common to all commands amount to."""

    def __init__(
        self, workspace: str, params: Path | None, workers: int, ray_address: str | None, as_json: bool
    ) -> None:
        from pipelines.engine import Engine
        from pipelines.params import PARAMS_FILE, Params
        from pipelines.workspace import Workspace

        self.workspace = Workspace(workspace)
        self.params_file = params or PARAMS_FILE
        self.params = Params(self.params_file)
        self.engine = Engine(workers, ray_address)
        self.as_json = as_json

    def bring_up_to_date(self, stages: Sequence["Stage"], batch: str | None = None) -> list["Result"]:
        """Run stages in order, per-batch ones for each batch, saying what came of each."""
        from pipelines.stage import run_stage
        from pipelines.stages import batches
        from pipelines.summary import result_line

        self.workspace.prepare()
        results = []
        for stage in stages:
            config = self.params.section(stage.name, stage.config)
            for name in batches(self.workspace, batch) if stage.per_batch else [None]:
                results.append(run_stage(stage, self.workspace, config, self.engine, name, self.as_json))
                self.say(result_line(results[-1]))
        return results

    def say(self, message: str) -> None:
        if not self.as_json:
            click.echo(message)

    def finish(self, results: Sequence["Result"], batches: Sequence[str | None] = ()) -> None:
        """Print what machines want, then complain about sources that gave nothing (exit code 1)."""
        from pipelines.summary import complaints, result_json

        problems = complaints(self.workspace, batches, [result.stage for result in results])
        if self.as_json:
            click.echo(json.dumps({"stages": [result_json(result) for result in results], "problems": problems}))
        complain(problems)


def complain(problems: Sequence[str]) -> None:
    for problem in problems:
        click.echo(f"unimotion: {one_line(problem)}", err=True)
    if problems:
        sys.exit(1)


def common_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every command and turn our errors into one line and an exit code."""

    @click.option(
        "--workspace", default="workspace", envvar="UNIMOTION_WORKSPACE", show_default=True, help="Folder or URL."
    )
    @click.option("--params", type=click.Path(path_type=Path), envvar="UNIMOTION_PARAMS", help="Another params.yaml.")
    @click.option("--workers", type=click.IntRange(1), default=cores, envvar="UNIMOTION_WORKERS", help="Processes.")
    @click.option("--ray-address", envvar="UNIMOTION_RAY_ADDRESS", help="A running Ray cluster; default: this machine.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines, nothing else.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(command)
    def wrapped(
        workspace: str,
        params: Path | None,
        workers: int,
        ray_address: str | None,
        as_json: bool,
        debug: bool,
        **arguments: Any,
    ) -> None:
        try:
            command(Session(workspace, params, workers, ray_address, as_json), **arguments)
        except UnimotionError as error:
            if debug:
                traceback.print_exc()
            click.echo(f"unimotion: {one_line(str(error))}", err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)

    return wrapped


@click.group(context_settings=CONTEXT)
def main() -> None:
    """From raw human videos to a registered, judged whole-body motion-transfer model."""


def stage_of(name: str) -> "Stage":
    return stages_to(name)[-1]


def stages_to(name: str) -> list["Stage"]:
    """All stages in their order up to this one."""
    from pipelines.stages import DATA_STAGES
    from training.stages import REPORT, TRAINING_STAGES

    stages = [*DATA_STAGES, *TRAINING_STAGES, REPORT]
    names = [stage.name for stage in stages]
    if name not in names:
        raise UsageError(f"{name}: is not a stage; choose among {', '.join(names)}")
    return stages[: names.index(name) + 1]

"""`unimotion`: every stage from the command line.

This module and what it imports inside its functions is where the floors of the house meet; nothing heavy is imported
on the way to `--help`. Exit codes: 0 done, 1 work failed (in whole or for some files), 2 wrong use.
"""

import dataclasses
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


@main.command()
@common_options
def doctor(session: Session) -> None:
    """Check this machine: versions, renderer, disk, workspace.

    \b
    Example: unimotion doctor
    """
    from pipelines.doctor import examine

    findings = examine(session.workspace)
    if session.as_json:
        click.echo(json.dumps({finding.name: {"ok": finding.ok, "detail": finding.detail} for finding in findings}))
    for finding in findings:
        session.say(f"{'ok  ' if finding.ok else 'MISS'} {finding.name:<18} {finding.detail}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@main.command()
@common_options
def run(session: Session) -> None:
    """Do everything: curate all batches (the starter corpus where there is none), train, register, judge, report.

    \b
    Example: unimotion run --workspace workspace
    """
    from dagster_project.foundry import Foundry
    from dagster_project.run import run_main_job
    from pipelines.curation.listing import STARTER
    from pipelines.manifest import batches_of
    from pipelines.stages import DATA_STAGES
    from pipelines.summary import complaints, describe, publish, summarize
    from training.stages import REPORT, TRAINING_STAGES
    from training.summary import summarize as summarize_training

    session.workspace.prepare()
    batches = batches_of(session.workspace, "sources") or [STARTER]
    foundry = Foundry(
        workspace_url=session.workspace.url,
        params_file=str(session.params_file),
        workers=session.engine.workers,
        ray_address=session.engine.address or "",
    )
    run_main_job(foundry, batches)
    stages = summarize(session.workspace, [*DATA_STAGES, *TRAINING_STAGES, REPORT])
    summary = {"workspace": session.workspace.url, "stages": stages, **summarize_training(session.workspace)}
    publish(session.workspace, summary)
    if session.as_json:
        click.echo(json.dumps(summary))
    session.say(describe(session.workspace, summary))
    complain(complaints(session.workspace, batches))


@main.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--batch", help="Name of the batch; default: called after its content.")
@click.option("--licence", help="Licence of these videos, for every row that does not name its own.")
@click.option("--source", help="Where these videos come from, for every row that does not name its own.")
@click.option("--layout", help="PATHS are folders of a public set: humanvid, openhumanvid, tiktok or ubc.")
@common_options
def ingest(
    session: Session,
    paths: tuple[str, ...],
    batch: str | None,
    licence: str | None,
    source: str | None,
    layout: str | None,
) -> None:
    """Add videos: files, folders, globs, buckets, URLs, or manifests (CSV / Parquet: url, licence, source, consent).

    \b
    Examples: unimotion ingest ~/videos --licence CC-BY-4.0
              unimotion ingest 'takes/**/*.mp4' list.csv s3://bucket/folder 's3://bucket/*/x.mp4'
              unimotion ingest --layout tiktok ~/TikTok_dataset
    """
    from pipelines.curation.ingest import STAGE
    from pipelines.curation.listing import list_sources, write_batch
    from pipelines.progress import Progress

    progress = Progress("sources", session.as_json)
    rows = list_sources(paths, licence, source, layout, progress.say)
    session.workspace.prepare()
    name = write_batch(session.workspace, rows, batch)
    session.say(f"batch {name}: {len(rows)} sources")
    session.finish(session.bring_up_to_date([STAGE], name), [name])


@main.command()
@click.option("--batch", help="Only this batch.")
@common_options
def curate(session: Session, batch: str | None) -> None:
    """Find cuts, people and landmarks, judge quality, cut clips, drop duplicates, group by person, split.

    \b
    Example: unimotion curate
    """
    from pipelines.stages import DATA_STAGES, batches

    wanted = ("videos", "people", "clips", "duplicates", "coverage", "identities", "split")
    results = session.bring_up_to_date([stage for stage in DATA_STAGES if stage.name in wanted], batch)
    session.finish(results, batches(session.workspace, batch))


def _single(name: str) -> Callable[[Session], None]:
    def command(session: Session) -> None:
        session.finish(session.bring_up_to_date([_stage(name)]))

    return command


def _stage(name: str) -> "Stage":
    return _stages_to(name)[-1]


def _stages_to(name: str) -> list["Stage"]:
    """All stages in their order up to this one."""
    from pipelines.stages import DATA_STAGES
    from training.stages import REPORT, TRAINING_STAGES

    stages = [*DATA_STAGES, *TRAINING_STAGES, REPORT]
    names = [stage.name for stage in stages]
    if name not in names:
        raise UsageError(f"{name}: is not a stage; choose among {', '.join(names)}")
    return stages[: names.index(name) + 1]


for _name, _stage_name, _help in (
    ("motions", "motions", "Read your BVH, AMASS and SMPL-X files, and fit clips: motion for pairs to follow."),
    ("pairs", "pairs", "Render cross-identity pairs: one motion on several people, with exact truth."),
    ("shards", "shards", "Pack clips and pairs into indexed webdataset tars."),
    ("register", "model", "Register the trained weights as a version in MLflow."),
    ("evaluate", "evaluation", "Judge the model on test pairs with known truth; promote it where it passes the gate."),
    ("report", "report", "Write the page about data, training and model: WORKSPACE/report/index.html."),
):
    main.command(_name, help=f"{_help}\n\n\b\nExample: unimotion {_name}")(common_options(_single(_stage_name)))


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what it would cost.")
@click.option("--devices", type=click.IntRange(1), help="For --dry-run: how many; default: the workers of params.yaml.")
@click.option("--device", help="For --dry-run: a100, h100, h200, l40s or rtx4090.")
@click.option("--price", type=float, help="For --dry-run: of one device for an hour.")
@common_options
def train(session: Session, dry_run: bool, devices: int | None, device: str | None, price: float | None) -> None:
    """Train the network on the shards, with Ray; or say before what it costs.

    \b
    Examples: unimotion train
              unimotion train --dry-run --devices 2 --device h100 --price 2.5
    """
    if not dry_run:
        session.finish(session.bring_up_to_date([_stage("train")]))
        return
    from training.estimate import describe, estimate
    from training.train import TrainConfig

    config = session.params.section("train", TrainConfig)
    count = devices or max(1, config.workers)
    cost = estimate(config.chosen, count, device, price)
    if session.as_json:
        click.echo(json.dumps(dataclasses.asdict(cost)))
    session.say(describe(f"{config.preset} {config.variant}".rstrip(), cost, count, device))


@main.command()
@click.option("--groups", type=click.IntRange(0), default=12, show_default=True, help="Test groups; 0: do not judge.")
@click.option("--out", type=click.Path(path_type=Path), help="Write its model into this folder.")
@click.option("--overwrite", is_flag=True, help="Replace the model that the folder of --out has.")
@click.option("--half", is_flag=True, help="Store the model as float16: half the bytes.")
@common_options
def checkpoint(session: Session, groups: int, out: Path | None, overwrite: bool, half: bool) -> None:
    """Judge the last checkpoint of a training that may still run, and write its model.

    The training is the one that `unimotion train` would go on with. Nothing is registered.

    \b
    Examples: unimotion checkpoint
              unimotion checkpoint --groups 0 --out model && unimotion animate --model model ...
    """
    from pipelines.progress import Progress
    from training.evaluate import EvaluationConfig
    from training.evaluation import checkpoint_worth
    from training.train import TrainConfig

    settings = session.params.section("evaluation", EvaluationConfig)
    config = dataclasses.replace(settings, groups=groups)
    training = session.params.section("train", TrainConfig)
    if out is not None and not overwrite:
        checkpoint_worth.check_out(out)
    last = checkpoint_worth.last_checkpoint(session.workspace, training)
    progress = Progress("checkpoint", session.as_json)
    worth = checkpoint_worth.judge(session.workspace, last, config, progress) if groups else None
    if out is not None:
        checkpoint_worth.write_out(session.workspace, last, worth, out, half)
    if session.as_json:
        click.echo(json.dumps(checkpoint_worth.facts(last, worth)))
    session.say(checkpoint_worth.describe(last, worth))


@main.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="WORKSPACE")
@common_options
def borrow(session: Session, source: Path) -> None:
    """Begin a workspace with the data of another one, linked, without its registry (for experiments of DVC).

    \b
    Example: unimotion borrow workspace --workspace trial
    """
    from pipelines.borrow import borrow as link

    count = link(source, session.workspace.local_root)
    if session.as_json:
        click.echo(json.dumps({"files": count}))
    if count:
        session.say(f"{count} files borrowed from {source}")


@main.command("outcome")
@common_options
def write_outcome(session: Session) -> None:
    """Judge the trained model and write WORKSPACE/outcome: the model, its losses, figures and pictures (what dvc.yaml
    keeps). Nothing is registered.

    \b
    Example: unimotion outcome
    """
    from pipelines.progress import Progress
    from training import outcome
    from training.evaluate import EvaluationConfig

    config = session.params.section("evaluation", EvaluationConfig)
    metrics = outcome.write(session.workspace, config, Progress("outcome", session.as_json))
    if session.as_json:
        click.echo(json.dumps(metrics))
    session.say(str(session.workspace.local(outcome.METRICS)))


@main.command()
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO_ID...")
@click.option("--reason", help="Why; every row of these videos will tell it.")
@common_options
def withdraw(session: Session, videos: tuple[str, ...], reason: str | None) -> None:
    """Take videos out for ever: by id, by URL or path as listed, or by the file. The next run deletes what was made
    of them. It cannot be undone.

    \b
    Example: unimotion withdraw 3f0c... --reason "consent withdrawn, mail of 3 May"
    """
    from pipelines.lineage import resolve
    from pipelines.withdrawals import record
    from training.lineage import lineage_of_video

    ids = [name for video in videos for name in resolve(session.workspace, video)]
    session.workspace.prepare()
    fresh = [record(session.workspace, name, reason) for name in ids]
    trees = [lineage_of_video(session.workspace, name) for name in ids]
    if session.as_json:
        found = [tree.as_json() | {"recorded": new} for tree, new in zip(trees, fresh, strict=True)]
        click.echo(json.dumps({"withdrawn": found}))
    for tree, new in zip(trees, fresh, strict=True):
        session.say(tree.as_text() + ("" if new else "\n(it was withdrawn before; the first reason stays)"))
    session.say(
        "\n`unimotion run` now makes everything without it; `unimotion curate`, `motions`, `pairs` and `shards` do so "
        "up to the shards.\nModels that saw it and files of your own outside the workspace are yours to delete."
    )


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--days",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="That a cut-off training must have rested.",
)
@common_options
def gc(session: Session, dry_run: bool, days: float) -> None:
    """Delete the checkpoints of trainings that have ended and what nobody went on with; all models stay.

    Settings of before train anew from their first step then.

    \b
    Example: unimotion gc --dry-run
    """
    from training.retention import delete, leftovers

    found = leftovers(session.workspace, days)
    if not dry_run:
        delete(session.workspace, found)
    if session.as_json:
        click.echo(json.dumps({"deleted": not dry_run, "leftovers": [dataclasses.asdict(one) for one in found]}))
    for one in found:
        session.say(f"{one.size / 2**20:10.1f} MiB  {one.path}  {one.why}")
    verb = "would be" if dry_run else "were"
    session.say(f"{sum(one.size for one in found) / 2**20:10.1f} MiB {verb} deleted")


@main.command("lineage")
@click.argument("name", metavar="ID")
@common_options
def show_lineage(session: Session, name: str) -> None:
    """What came from what: of a video, clip, pair group or shard forward to models, of a model back to its videos.

    \b
    Examples: unimotion lineage 3f0c...
              unimotion lineage models:/x-unimotion@champion --json
    """
    from training.lineage import lineage

    found = lineage(session.workspace, name)
    if session.as_json:
        click.echo(json.dumps(found.as_json()))
    session.say(found.as_text())


@main.command()
@click.argument("version")
@click.option("--why", default="by hand", show_default=True, help="It is kept with the version.")
@common_options
def promote(session: Session, version: str, why: str) -> None:
    """Make a version of the model the champion, whatever the gate says; `rollback` undoes it.

    \b
    Example: unimotion promote 3 --why "looks better on our studio's clips"
    """
    from training import tracking

    before = tracking.champion(session.workspace)
    tracking.promote(session.workspace, version.removeprefix(f"models:/{tracking.MODEL_NAME}/"), why)
    now = tracking.champion(session.workspace)
    if session.as_json:
        click.echo(json.dumps({"champion": now, "before": before}))
    session.say(f"version {now} is the champion" + (f"; before it was {before}" if before not in (None, now) else ""))


@main.command()
@click.option("--why", default="by hand", show_default=True, help="It is kept with both versions.")
@common_options
def rollback(session: Session, why: str) -> None:
    """Make the champion of before the champion again. The gate does not promote the other one a second time.

    \b
    Example: unimotion rollback --why "hands tremble"
    """
    from training import tracking

    leaving, coming = tracking.roll_back(session.workspace, why)
    if session.as_json:
        click.echo(json.dumps({"champion": coming, "before": leaving}))
    session.say(f"version {coming} is the champion again; version {leaving} was rolled back")


@main.command("stage")
@click.argument("name")
@click.option("--batch", help="Only this batch, for a stage that has batches.")
@click.option("--with-earlier", is_flag=True, help="All stages up to this one.")
@common_options
def one_stage(session: Session, name: str, batch: str | None, with_earlier: bool) -> None:
    """Bring one stage up to date (what dvc.yaml calls).

    \b
    Examples: unimotion stage people --batch starter
              unimotion stage shards --with-earlier
    """
    stages = _stages_to(name)
    stage = stages[-1]
    if batch is not None and not stage.per_batch:
        raise UsageError(f"--batch {batch}: stage {name} has no batches; leave the option out")
    from pipelines.manifest import batches_of

    if (name == "sources" or with_earlier) and not batches_of(session.workspace, "sources"):
        from pipelines.curation.listing import STARTER

        batch = STARTER
    session.finish(session.bring_up_to_date(stages if with_earlier else [stage], batch))


@main.command()
@click.option("--reference", type=click.Path(path_type=Path), required=True, help="Photo of the person to animate.")
@click.option("--driving", type=click.Path(path_type=Path), required=True, help="Video (or photo) of who moves.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The mp4; .png or .jpg if a photo drives.")
@click.option("--overwrite", is_flag=True, help="Replace --out and what is beside it where they exist; never an input.")
@click.option(
    "--model",
    help="models:/x-unimotion@champion, models:/x-unimotion/3, a folder, or starter for the model that comes with the "
    "package; default: the champion, else the newest version, else starter.",
)
@click.option("--crop", is_flag=True, help="Only the square around the person instead of the whole photo.")
@click.option("--reference-person", type=click.IntRange(1), help="Who of several in the photo; default: the largest.")
@click.option("--driving-person", type=click.IntRange(1), help="Who of several in the video; default: the largest.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise that it begins with.")
@click.option(
    "--steps", type=click.IntRange(1), help="Of the sampler, each as long as the first; default: the model's."
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 20),
    default=1.0,
    show_default=True,
    help="Scale of classifier-free guidance: above 1 the motion is followed more than the model itself would and may "
    "look forced, below 1 less, down to the photo's own pose at 0. Any but 1 takes twice the time.",
)
@common_options
def animate(
    session: Session, reference: Path, driving: Path, out: Path, overwrite: bool, model: str | None, **wish: Any
) -> None:
    """Animate the person in a photo with the motion of a person in a video; a side-by-side is written next to it.

    The output is as large as the photo, and has the frames and the sound of the video. People are numbered from left to
    right; where there are several, OUT.people.png shows their numbers. A killed command goes on where it was.

    \b
    Example: unimotion animate --reference photo.png --driving clip.mp4 --out out.mp4
    """
    from pipelines.curation.clips import ClipsConfig
    from pipelines.curation.people import PeopleConfig
    from training.animate import animate as generate
    from training.reel import Wish

    people, clips = session.params.section("people", PeopleConfig), session.params.section("clips", ClipsConfig)
    asked, quiet = Wish(**wish), session.as_json
    session.workspace.prepare()
    written = generate(session.workspace, reference, driving, out, model, people, clips, overwrite, asked, quiet)
    if session.as_json:
        paths = {"video": written.video, "side_by_side": written.side_by_side, "people": written.people}
        found = {name: path and str(path) for name, path in paths.items()}
        click.echo(json.dumps({**found, "model": written.model, "frames": written.frames}))
    session.say(f"{written.video}\n{written.side_by_side}\nmade by {written.model}, {written.frames} frames")


if __name__ == "__main__":
    main()

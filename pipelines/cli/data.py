"""Commands from videos to shards, and those that bring stages up to date."""

import json
from collections.abc import Callable
from pathlib import Path

import click

from pipelines.cli.session import Session, common_options, complain, main, stage_of, stages_to
from pipelines.errors import UsageError


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
        session.finish(session.bring_up_to_date([stage_of(name)]))

    return command


for _name, _stage_name, _help in (
    ("motions", "motions", "Read your BVH, AMASS and SMPL-X files, and fit clips: motion for pairs to follow."),
    ("pairs", "pairs", "Render cross-identity pairs: one motion on several people, with exact truth."),
    ("shards", "shards", "Pack clips and pairs into indexed webdataset tars."),
    ("register", "model", "Register the trained weights as a version in MLflow."),
    ("evaluate", "evaluation", "Judge the model on test pairs with known truth; promote it where it passes the gate."),
    ("report", "report", "Write the page about data, training and model: WORKSPACE/report/index.html."),
):
    main.command(_name, help=f"{_help}\n\n\b\nExample: unimotion {_name}")(common_options(_single(_stage_name)))


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
    stages = stages_to(name)
    stage = stages[-1]
    if batch is not None and not stage.per_batch:
        raise UsageError(f"--batch {batch}: stage {name} has no batches; leave the option out")
    from pipelines.manifest import batches_of

    if (name == "sources" or with_earlier) and not batches_of(session.workspace, "sources"):
        from pipelines.curation.listing import STARTER

        batch = STARTER
    session.finish(session.bring_up_to_date(stages if with_earlier else [stage], batch))


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

"""Commands about what came from what, and about videos that have to go."""

import json

import click

from pipelines.cli.session import Session, common_options, main


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

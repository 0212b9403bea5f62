"""Commands about models: trained, judged, promoted, used, and what trainings leave behind."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from pipelines.cli.session import Session, common_options, main, stage_of


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
        session.finish(session.bring_up_to_date([stage_of("train")]))
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
@click.argument("version")
@click.option("--why", default="by hand", show_default=True, help="It is kept with the version.")
@common_options
def promote(session: Session, version: str, why: str) -> None:
    """Make a version of the model the champion, whatever the gate says; `rollback` undoes it.

    \b
    Example: unimotion promote 3 --why "looks better on our studio's clips"
    """
    from training import promotion, tracking

    before = tracking.champion(session.workspace)
    promotion.promote(session.workspace, version.removeprefix(f"models:/{tracking.MODEL_NAME}/"), why)
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
    from training.promotion import roll_back

    leaving, coming = roll_back(session.workspace, why)
    if session.as_json:
        click.echo(json.dumps({"champion": coming, "before": leaving}))
    session.say(f"version {coming} is the champion again; version {leaving} was rolled back")


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
    from training.retention import delete_leftovers, leftovers

    if dry_run:
        found = leftovers(session.workspace, days)
    else:
        wait = "a training is going on; waiting for it to end"
        found = delete_leftovers(session.workspace, days, lambda: session.say(wait))
    if session.as_json:
        click.echo(json.dumps({"deleted": not dry_run, "leftovers": [dataclasses.asdict(one) for one in found]}))
    for one in found:
        session.say(f"{one.size / 2**20:10.1f} MiB  {one.path}  {one.why}")
    verb = "would be" if dry_run else "were"
    session.say(f"{sum(one.size for one in found) / 2**20:10.1f} MiB {verb} deleted")


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

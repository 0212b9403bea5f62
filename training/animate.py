"""`unimotion animate`: the person of a photo moves as the person of a video does."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.people import PeopleConfig
from pipelines.errors import DataError, UsageError
from pipelines.manifest import digest_of
from pipelines.progress import Progress
from pipelines.workspace import Workspace, file_sha256

if TYPE_CHECKING:
    from pipelines.curation.watch import Watcher
    from training.painter import Painter
    from training.reel import Outputs, Wish

_VERSION = 1  # of what is made: only the same takes up what a killed command left


@dataclass(frozen=True)
class Written:
    """model: where the weights came from. people: a picture of everybody with their numbers, where it was not said who
    of several is meant. frames: of the video."""

    video: Path
    side_by_side: Path
    people: Path | None
    model: str
    frames: int


def animate(
    workspace: Workspace,
    reference: Path,
    driving: Path,
    out: Path,
    model: str | None,
    people: PeopleConfig,
    clips: ClipsConfig,
    overwrite: bool = False,
    wish: "Wish | None" = None,
    quiet: bool = True,
) -> Written:
    """Write the photo with its person moving as the driver does, and a side-by-side.

    A killed one goes on where it was when it is called again with the same arguments.

    model: a registry URI, a folder, or `starter` for the model that comes with the package; None for the champion, or
    else the newest version, or else `starter`.
    people, clips: how people were found and cut in the data. overwrite: whether outputs may replace other files.
    Raises: DataError where a file shows nobody, WorkError where there is no model, UsageError for a bad `out`.
    """
    from pipelines.curation.watch import Watcher
    from pipelines.photo import is_photo
    from training import start, tracking
    from training.export import load_animator, read_config, weight_shapes
    from training.painter import Painter
    from training.reel import STILLS, Outputs, Wish

    # FFmpeg takes `cam1:front.mp4` for a URL, and `/home/me/cam1:front.mp4` for the file that it is.
    reference, driving = reference.absolute(), driving.absolute()
    outputs, wish, progress = Outputs(out), wish or Wish(), Progress("animate", quiet)
    if out.suffix.lower() != ".mp4" and not outputs.is_still:
        raise UsageError(f"--out {out}: must end in .mp4, or where a photo drives in {', '.join(STILLS)}")
    for path in (reference, driving):
        if not path.is_file():
            raise DataError(f"{path}: no such file; correct the path")
    _check_outputs(outputs, (reference, driving), overwrite)
    if outputs.is_still and not is_photo(driving):
        raise UsageError(f"--out {out}: must end in .mp4, since a video drives")
    source = model or tracking.best_version(workspace)
    if source is None:
        source = start.STARTER
        progress.say("no model is registered yet; the one that comes with the package is used")
    here = start.model_folder(source)
    folder = here if here.is_dir() else tracking.model_folder(workspace, source)
    # Most of what may be wrong with it shows at once.
    read_config(folder)
    weight_shapes(folder)
    beside = Workspace(str(out.parent))
    frames = 0
    # The model is loaded while people are looked for: both take seconds.
    with (
        ThreadPoolExecutor(1) as thread,
        beside.exclusive(outputs.parts.name, lambda: progress.say(f"{out}: another command makes it; waiting")),
    ):
        painter = thread.submit(lambda: Painter(load_animator(folder)))
        watcher = Watcher(workspace, people, clips)
        try:
            _check_outputs(outputs, (reference, driving), overwrite)
            weights = [file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()]
            about = [weights, asdict(people), asdict(clips)]
            frames = make(painter.result, watcher, reference, driving, outputs, wish, about, progress)
        finally:
            # What was stopped stays where there is something to go on from.
            if frames or not any(path.is_file() for path in outputs.parts.glob("*/*")):
                shutil.rmtree(outputs.parts, ignore_errors=True)
    numbers = outputs.people if outputs.people.exists() else None
    return Written(out, outputs.side_by_side, numbers, source, frames)


def make(
    painter: "Callable[[], Painter]",
    watcher: "Watcher",
    reference: Path,
    driving: Path,
    outputs: "Outputs",
    wish: "Wish",
    about: object,
    progress: Progress,
) -> int:
    """What `animate` does when all is checked; gives the number of frames.

    painter: gives it when it is first needed. about: JSON of what else decides on the result.
    """
    from training.reel import Reel

    inputs = [file_sha256(reference), file_sha256(driving), outputs.video.suffix.lower()]
    digest = digest_of(str(_VERSION), json.dumps([inputs, asdict(wish), about], sort_keys=True))
    for other in outputs.parts.glob("*"):
        if other.is_dir() and other.name != digest:
            shutil.rmtree(other, ignore_errors=True)
    parts = Workspace(str(outputs.parts / digest))
    return Reel(painter, watcher, outputs, parts, wish, progress).make(reference, driving)


def _check_outputs(outputs: "Outputs", inputs: tuple[Path, ...], overwrite: bool) -> None:
    """Raises: UsageError where something would be lost."""
    from training.reel import is_ours

    for path in (outputs.video, outputs.side_by_side, outputs.people):
        if not os.path.lexists(path):
            continue
        for given in inputs:
            if path.exists() and path.samefile(given):
                raise UsageError(f"--out {outputs.video}: is the same file as {given}; choose another name")
        if path.is_dir():
            raise UsageError(f"--out {path}: is a folder; choose another name")
        if not overwrite and not (path == outputs.people and is_ours(path)):
            raise UsageError(f"--out {path}: exists already; choose another name, or add --overwrite")

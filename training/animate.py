"""`unimotion animate`: the person of a photo moves as the person of a video does."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.people import PeopleConfig
from pipelines.errors import DataError, UsageError
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace

_PANEL = 256


@dataclass(frozen=True)
class Written:
    """model: where the weights came from."""

    video: Path
    side_by_side: Path
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
) -> Written:
    """Find both people, encode four tokens per driving frame, generate, and write the result and a side-by-side.

    model: a registry URI or a folder; None for the champion, or the newest version while there is none.
    people, clips: how people were found and cut in the data. overwrite: whether outputs may replace other files.
    Raises: DataError where a file shows nobody, WorkError where there is no model, UsageError for a bad `out`.
    """
    from pipelines.curation.watch import Watcher
    from training import tracking
    from training.serving import Server

    if out.suffix.lower() != ".mp4":
        raise UsageError(f"--out {out}: must end in .mp4")
    for path in (reference, driving):
        if not path.is_file():
            raise DataError(f"{path}: no such file; correct the path")
    beside = out.with_name(f"{out.stem}.side-by-side.mp4")
    for path in (out, beside):
        _check_output(path, (reference, driving), overwrite)
    source = model or tracking.best_version(workspace)
    folder = Path(source) if Path(source).is_dir() else tracking.model_folder(workspace, source)
    server = Server(folder)
    watcher = Watcher(workspace, people, clips)
    still, moving = watcher.photo(reference), watcher.video(driving)
    made = server.generate(still.frames[0], still.keypoints, moving.frames, moving.keypoints)
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, frames in ((out, made), (beside, _side_by_side(still.frames[0], moving.frames, made))):
        partial = path.with_name(f".part-{uuid.uuid4().hex}.mp4")
        partial.write_bytes(encode_mp4(frames, moving.fps))
        partial.replace(path)
    return Written(out, beside, source, len(made))


def _check_output(path: Path, inputs: tuple[Path, ...], overwrite: bool) -> None:
    """Raises: UsageError where something would be lost."""
    if not path.exists():
        return
    for given in inputs:
        if path.samefile(given):
            raise UsageError(f"--out {path}: is the same file as {given}; choose another name")
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; choose another name")
    if not overwrite:
        raise UsageError(f"--out {path}: exists already; choose another name, or add --overwrite")


def _side_by_side(
    reference: NDArray[np.uint8], driving: NDArray[np.uint8], made: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Reference, driving frame and output in panels of one size: (T, P, 3 P, 3)."""
    import cv2

    def panel(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        scaled: NDArray[np.uint8] = cv2.resize(image, (_PANEL, _PANEL), interpolation=cv2.INTER_CUBIC)
        return scaled

    still = panel(reference)
    return np.stack([np.concatenate([still, panel(a), panel(b)], 1) for a, b in zip(driving, made, strict=True)])

"""The model that a run starts from, so that curriculum stages can be runs of their own and users go on with theirs."""

import shutil
from pathlib import Path

from pipelines.errors import UsageError, WorkError
from pipelines.names import path_of
from pipelines.shards.contents import NAME
from pipelines.workspace import Workspace, file_sha256
from training.config import ModelConfig, to_json
from training.export import CONFIG, WEIGHTS, read_config, weight_shapes

STARTER = "starter"  # the trained model that comes with the package
_STARTER_FOLDER = Path(__file__).parent / "assets" / STARTER
# They say how a model is sampled and at which flow times it is trained, nothing about its weights.
_MAY_DIFFER = ("window", "history", "steps", "shift")


def model_folder(start: str) -> Path:
    """start: a folder, or `starter` for the model that comes with the package."""
    return _STARTER_FOLDER if start == STARTER else path_of(start)


def digest(start: str) -> str | None:
    """SHA-256 of the weights in a model folder; None for no folder. Raises: WorkError where there are none."""
    if not start:
        return None
    try:
        return file_sha256(model_folder(start) / WEIGHTS)
    except OSError as error:
        raise WorkError(
            f"train: start {start}: has no readable {WEIGHTS} ({error.strerror}); give a folder that "
            "`unimotion train` wrote"
        ) from error


def take(workspace: Workspace, start: str, model: ModelConfig, folder: str) -> None:
    """Copy a model of the same network into a folder of the workspace, which workers on all machines can read, and the
    table of what it has seen, where it has one.

    Raises: WorkError where `start` is no whole model, UsageError where it is of another network. Whether the weights
    are those of its config shows only when they are loaded, before the first step.
    """
    source = model_folder(start)
    found, wanted = to_json(read_config(source)), to_json(model)
    for name, value in wanted.items():
        if name not in _MAY_DIFFER and found[name] != value:
            raise UsageError(
                f"train: start {start}: has {name} {found[name]!r}, the preset {value!r}; "
                "choose the preset that it was trained with, or set start to nothing"
            )
    weight_shapes(source)
    known = [NAME] if (source / NAME).exists() else []
    for name in (CONFIG, WEIGHTS, *known):
        with workspace.publish(f"{folder}/{name}") as path:
            shutil.copyfile(source / name, path)

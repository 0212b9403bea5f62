"""The model folder: `config.json` and `model.safetensors` (the EMA weights); all that using a model needs.

Training puts `contents.parquet` beside them: which samples, and so which videos, the model and those before it saw.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256
from training.config import ModelConfig, from_json, to_json
from training.model.animator import Animator, trainable
from training.tensors import save_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def write_model(workspace: Workspace, folder: str, config: ModelConfig, weights: Mapping[str, Tensor]) -> str:
    """Publish a model folder and return the hex SHA-256 of its weights."""
    write_config(workspace, folder, config)
    with workspace.publish(f"{folder}/{WEIGHTS}") as path:
        save_tensors({name: tensor.detach().contiguous() for name, tensor in weights.items()}, path)
        return file_sha256(path)


def write_config(workspace: Workspace, folder: str, config: ModelConfig) -> None:
    with workspace.publish(f"{folder}/{CONFIG}") as path:
        path.write_text(json.dumps(to_json(config), indent=1, sort_keys=True))


def local_model(workspace: Workspace, folder: str) -> Path:
    """A local folder with a published model. Raises: WorkError where it is not there."""
    workspace.local(f"{folder}/{WEIGHTS}")
    return workspace.local(f"{folder}/{CONFIG}").parent


def read_config(folder: Path) -> ModelConfig:
    """Raises: WorkError where the folder does not hold a model."""
    with _no_model(folder):
        return from_json(ModelConfig, json.loads((folder / CONFIG).read_text("utf-8")))


def weight_shapes(folder: Path) -> dict[str, list[int]]:
    """By name. Raises: WorkError where the folder has no weights, or not all of their file."""
    with _no_model(folder), safe_open(folder / WEIGHTS, "pt") as file:
        return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (not a dict)


def load_weights(animator: Animator, folder: Path) -> None:
    """Raises: WorkError where a folder does not hold exactly the trained weights of an animator."""
    _check_weights(animator, folder)
    with _no_model(folder):
        animator.load_state_dict(load_file(folder / WEIGHTS), strict=False)


def _check_weights(animator: Animator, folder: Path) -> None:
    found = weight_shapes(folder)
    # Frozen pretrained weights are not ours and are loaded from their own folder.
    wanted = {name: list(parameter.shape) for name, parameter in trainable(animator).items()}
    if different := sorted(name for name in found | wanted if found.get(name) != wanted.get(name)):
        raise WorkError(f"{folder}: has other weights than its config says ({different[0]}); train it again")


def check_model(folder: Path) -> None:
    """Whether `load_animator` takes a folder, without loading it. Raises: as that does."""
    config = read_config(folder)
    with _no_model(folder), torch.device("meta"):
        animator = Animator(config, weights=False)
    _check_weights(animator, folder)


def load_animator(folder: Path) -> Animator:
    """The model of a folder, ready to generate.

    Raises: WorkError where the folder does not hold a whole model.
    """
    config = read_config(folder)
    with _no_model(folder):
        animator = Animator(config)
    load_weights(animator, folder)
    return animator.eval().requires_grad_(False)


@contextmanager
def _no_model(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ValidationError, SafetensorError, RuntimeError) as error:
        raise WorkError(f"{folder}: is not a model ({error}); give a folder that `unimotion train` wrote") from error

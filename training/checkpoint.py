"""Checkpoints: a folder per step with safetensors and JSON, whole or not there; resume gives the same bits."""

import json
import re
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256
from training.step import Learner, trainable

_FILES = ("weights.safetensors", "ema.safetensors", "optimizer.safetensors")
_MARKER = "complete.json"
_KEEP = 2


def folder_of(run: str, step: int) -> str:
    return f"{run}/checkpoints/step-{step:08d}"


def save(workspace: Workspace, run: str, learner: Learner) -> str:
    """Publish a checkpoint of a run's folder and return its own folder; older ones but the last two are removed."""
    folder = folder_of(run, learner.step)
    state = learner.optimizer.state_dict()["state"]
    moments = {f"{index}.{key}": value for index, values in state.items() for key, value in values.items()}
    # The annotation matters: left to itself, mypy joins the three types in an order that changes from run to run.
    contents: tuple[Mapping[str, torch.Tensor], ...] = (trainable(learner.animator), learner.ema, moments)
    digests = {}
    for name, tensors in zip(_FILES, contents, strict=True):
        with workspace.publish(f"{folder}/{name}") as path:
            save_file({key: value.detach().contiguous() for key, value in tensors.items()}, path)
            digests[name] = file_sha256(path)
    with workspace.publish(f"{folder}/{_MARKER}") as path:
        path.write_text(json.dumps({"step": learner.step, "sha256": digests}, sort_keys=True))
    for step in complete_steps(workspace, run)[:-_KEEP]:
        # The marker goes first: what a kill leaves must not look whole.
        for name in (_MARKER, *_FILES):
            workspace.remove(f"{folder_of(run, step)}/{name}")
    return folder


def complete_steps(workspace: Workspace, run: str) -> list[int]:
    """Steps of the checkpoints that were written to their end, ascending."""
    found = (re.fullmatch(r"step-(\d{8})", name) for name in workspace.children(f"{run}/checkpoints"))
    steps = [int(match[1]) for match in found if match]
    return [step for step in steps if workspace.exists(f"{folder_of(run, step)}/{_MARKER}")]


def load(workspace: Workspace, run: str, learner: Learner, step: int) -> None:
    """Put a learner into the state that it had at a checkpoint.

    Raises: WorkError where the checkpoint is damaged or is of another model.
    """
    folder = folder_of(run, step)
    about = json.loads(workspace.local(f"{folder}/{_MARKER}").read_text())
    paths = [workspace.local(f"{folder}/{name}") for name in _FILES]
    try:
        if any(file_sha256(path) != about["sha256"][path.name] for path in paths):
            raise ValueError("its SHA-256 differs from the recorded one")
        weights, ema, moments = (load_file(path) for path in paths)
        found = trainable(learner.animator)
        if found.keys() != weights.keys() or found.keys() != ema.keys():
            raise ValueError("it has other weights than the model")
        with torch.no_grad():
            for name, parameter in found.items():
                parameter.copy_(weights[name])
                learner.ema[name].copy_(ema[name])
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        raise WorkError(f"{workspace.url}/{folder}: cannot be used ({error}); delete it and train again") from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in moments.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    groups = learner.optimizer.state_dict()["param_groups"]
    learner.optimizer.load_state_dict({"state": state, "param_groups": groups})
    learner.step = step


def load_ema(workspace: Workspace, run: str, step: int) -> dict[str, torch.Tensor]:
    """The running means of the weights, by name: what a run is used with."""
    weights: dict[str, torch.Tensor] = load_file(workspace.local(f"{folder_of(run, step)}/{_FILES[1]}"))
    return weights

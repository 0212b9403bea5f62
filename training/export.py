"""The model folder: `config.json` and `model.safetensors` (the EMA weights); all that using a model needs."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256
from training.config import ModelConfig, from_json, to_json
from training.model.animator import Animator

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def write_model(workspace: Workspace, folder: str, config: ModelConfig, weights: Mapping[str, Tensor]) -> str:
    """Publish a model folder and return the hex SHA-256 of its weights."""
    with workspace.publish(f"{folder}/{CONFIG}") as path:
        path.write_text(json.dumps(to_json(config), indent=1, sort_keys=True))
    with workspace.publish(f"{folder}/{WEIGHTS}") as path:
        save_file({name: tensor.detach().contiguous() for name, tensor in weights.items()}, path)
        return file_sha256(path)


def load_animator(folder: Path) -> Animator:
    """The model of a folder, ready to generate.

    Raises: WorkError where the folder does not hold a whole model.
    """
    try:
        config = from_json(ModelConfig, json.loads((folder / CONFIG).read_text("utf-8")))
        animator = Animator(config)
        # Frozen pretrained weights are not ours and were loaded from their own folder.
        frozen = {name for name, tensor in animator.named_parameters() if not tensor.requires_grad}
        missing, unexpected = animator.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    except (OSError, ValueError, ValidationError, SafetensorError, RuntimeError) as error:
        raise WorkError(f"{folder}: is not a model ({error}); give a folder that `unimotion train` wrote") from error
    kept = frozen | {name for name, _ in animator.named_buffers()}
    lost = [name for name in missing if name not in kept]
    if lost or unexpected:
        raise WorkError(f"{folder}: has other weights than its config says ({[*lost, *unexpected][0]}); train it again")
    return animator.eval().requires_grad_(False)

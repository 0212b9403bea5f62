"""Pretrained Wan pipelines in diffusers' layout (`transformer`, `vae`, `text_encoder`, `tokenizer`), on disk or hub."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.manifest import digest_of
from pipelines.workspace import file_sha256

PROMPT = "empty_prompt.safetensors"
TEXT_LENGTH = 512  # tokens that Wan's transformer was trained with; shorter prompts are padded with zeros


def load_part(kind: Any, source: str, part: str) -> Any:
    """A model of class `kind` from the subfolder `part` of a pipeline. Raises: WorkError where there is none."""
    try:
        return kind.from_pretrained(source, subfolder=part)
    except (OSError, ValueError, SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WorkError(
            f"{source}: has no usable {part!r} ({reason}); give the folder or hub id of a Wan pipeline for diffusers"
        ) from error


def part_digest(source: str, part: str) -> str:
    """Digest of all files of a part of a pipeline. Raises: WorkError where there are none."""
    folder = _folder(source, f"{part}/*") / part
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not files:
        raise WorkError(f"{source}: has no {part!r}; give the folder or hub id of a Wan pipeline for diffusers")
    return digest_of([(path.name, file_sha256(path)) for path in files])


def empty_prompt(source: str, width: int) -> Tensor:
    """The embedding of the empty prompt, padded to (512, width).

    Raises: WorkError where it was not prepared, or is of another text encoder.
    """
    try:
        embedding = load_file(_prompt_file(source))["embedding"]
    except (OSError, SafetensorError, KeyError) as error:
        raise WorkError(
            f"{source}: has no {PROMPT} with the empty prompt's embedding; "
            f"run `python -m training.model.pretrained {source}` once"
        ) from error
    if embedding.ndim != 2 or embedding.shape[1] != width or len(embedding) > TEXT_LENGTH:
        raise WorkError(f"{source}: {PROMPT} is {tuple(embedding.shape)}, not (at most {TEXT_LENGTH}, {width})")
    padded = torch.zeros(TEXT_LENGTH, width)
    padded[: len(embedding)] = embedding.float()
    return padded


def _prompt_file(source: str) -> Path:
    """Beside the pipeline's folders."""
    return _folder(source, "transformer/config.json") / PROMPT


def _folder(source: str, wanted: str) -> Path:
    """Where a pipeline is; for a hub id, the folder where the hub's client keeps it, with the files of a pattern."""
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source, allow_patterns=wanted))


@torch.no_grad()
def write_empty_prompt(source: str) -> Path:
    """Embed the empty prompt with the pipeline's own UMT5, so that training never has to load it."""
    from transformers import AutoTokenizer, UMT5EncoderModel

    tokenizer = load_part(AutoTokenizer, source, "tokenizer")
    encoder = load_part(UMT5EncoderModel, source, "text_encoder").eval()
    tokens = tokenizer([""], add_special_tokens=True, return_tensors="pt")
    embedding = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
    path = _prompt_file(source)
    save_file({"embedding": embedding.float().contiguous()}, path)
    return path


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.model.pretrained FOLDER_OR_HUB_ID")
    print(write_empty_prompt(sys.argv[1]))

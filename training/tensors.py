"""Where tensors live, and tensors in files: what goes wrong with the disk is an `OSError`, as with any other file."""

import ctypes
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def usual_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def keep_freed_memory() -> None:
    """Let the process keep the blocks that it frees for the next tensors, where its C library is glibc.

    By default large ones go back to the kernel, which clears each page anew; a picture then takes a quarter longer.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in ((_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**30), (_TOP_PAD, 2**26)):
            mallopt(option, size)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Raises: OSError, which safetensors hides in the text of an error of its own."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error

"""File names as people have them: which are URLs, what `~` means, and which cannot be written down."""

import os
from pathlib import Path

from pipelines.errors import DataError


def is_url(text: str) -> bool:
    """Whether a text that people wrote names something elsewhere; `cam1:front.mp4` and `/a/b://c` are files."""
    return "://" in text and not text.startswith(("/", "~", "."))


def path_of(text: str) -> Path:
    """A path that people wrote: `~/a` and `~user/a` are in a home; `~a.mp4` is a file where nobody is called so."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def printable(name: str) -> str:
    r"""A file name in which bytes that are not UTF-8 are written as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_writable(name: str) -> None:
    """Raises: DataError for a name that is not UTF-8: neither manifests nor JSON can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(f"{printable(name)}: its name is not UTF-8; rename it and run the same command again") from None

"""A folder of numbered pictures as a source: made a video once, so that every later stage reads videos only.

Reading the pictures where they lie would put a second kind of input, with times that no file tells, into each stage
that decodes, and decode PNG several times over; one encoding at a quality that the eye cannot tell costs less.
"""

import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.manifest import digest_of
from pipelines.workspace import Workspace

_SCHEME = "frames://"
_PICTURES = frozenset({".png", ".jpg", ".jpeg"})
_URL = re.compile(r"frames://(/.*)\?fps=(\d{1,3}(?:\.\d+)?)")
_MOST_FPS = 240
# 40.4 dB on a photographed clip, 1.3 dB above the project's usual 16, where the colours of 4:2:0 are what is lost.
_CRF = 12


def frames_url(folder: Path, fps: float) -> str:
    """Names the video that the pictures of a folder make at a rate of `fps`."""
    return f"{_SCHEME}{urllib.parse.quote_from_bytes(os.fsencode(folder.resolve()))}?fps={fps:g}"


def is_frames(url: str) -> bool:
    return url.startswith(_SCHEME)


def assemble(workspace: Workspace, url: str, folder: str) -> str:
    """Encode the pictures that a `frames_url` names, in the order of their numbers; returns the relative path.

    An odd last row or column is left out: H.264's 4:2:0 has none.
    Raises: DataError for another URL, where there are no pictures, or they are not all readable and of one size.
    """
    from pipelines.video import encode_mp4

    found = _URL.fullmatch(url)
    if found is None or not 1 <= float(found[2]) <= _MOST_FPS:
        raise DataError(f"{url}: is no folder of pictures with a rate; write frames:///folder?fps=30")
    source, fps = Path(os.fsdecode(urllib.parse.unquote_to_bytes(found[1]))), float(found[2])
    relative = f"{folder}/{digest_of('url', url)}.mp4"
    if workspace.exists(relative):
        return relative
    pictures = sorted((p for p in source.glob("*") if p.suffix.lower() in _PICTURES), key=_number)
    if not pictures:
        raise DataError(f"{source}: holds no pictures (.png, .jpg); correct the path and ingest again")
    content = encode_mp4(_read(pictures), fps, crf=_CRF)
    with workspace.publish(relative) as path:
        path.write_bytes(content)
    return relative


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r"\d+", path.stem)
    return int(digits[-1]) if digits else -1, path.name


def _read(pictures: list[Path]) -> Iterator[NDArray[np.uint8]]:
    from pipelines.photo import read_photo

    size: tuple[int, ...] | None = None
    for path in pictures:
        picture = read_photo(path)
        size = size or picture.shape
        if picture.shape != size:
            raise DataError(
                f"{path}: is {picture.shape[1]} x {picture.shape[0]} pixels where the first picture is "
                f"{size[1]} x {size[0]}; remove it or scale it"
            )
        yield picture[: size[0] // 2 * 2, : size[1] // 2 * 2]

"""Well-known public sets of human videos, as they lie on the disk of somebody who has them, turned into sources.

One function per set, from its folder to entries as a manifest has them (url, licence, source). A set's own split is
told in `source` and decides nothing: videos are split by their content (split.py). Its landmarks, masks, captions
and scores are not read: the pipeline makes its own. What may be done with each set: docs/sources.md.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipelines.curation.frames import frames_url
from pipelines.errors import UsageError
from pipelines.remote import WEB
from pipelines.urls import scheme_of

Entry = Mapping[str, str | None]
_TIKTOK_FPS = 30
_UNSTATED = "not stated; treat as research only"
_CLIP_NAME = re.compile(r"[0-9a-f]{32,64}(_\d+_\d+)?(\.mp4)?")


def read_layout(name: str, folder: Path) -> list[Entry]:
    """The entries of a set. Raises: UsageError for an unknown set, or a folder that is not laid out like it."""
    if name not in LAYOUTS:
        raise UsageError(f"--layout {name}: is not known; choose among {', '.join(LAYOUTS)}")
    read, needed = LAYOUTS[name]
    entries = list(read(folder))
    if not entries:
        raise UsageError(f"{folder}: is not laid out like {name}, which has {needed}; name its folder")
    return entries


def humanvid(folder: Path) -> Iterator[Entry]:
    """HumanVid, real part (github.com/zhenzhiwang/HumanVid; arXiv 2407.17438): lists of links to Pexels.

    `pexels-horizontal-urls-new.txt`, `pexels-vertical-urls-new.txt`, `pexels-test-urls.txt`, one link a line;
    cameras as `.txt` of numbers in folders of their own, which are not read, nor are the links that Pexels has since
    renamed (`old_invalid_urls/`). Videos already fetched, anywhere below the folder under the last part of their link,
    are taken instead of the link.
    """
    return _lists_of_links(folder, re.compile(r"pexels-(.+?)-urls.*\.txt"), "HumanVid", "Pexels License and terms")


def ubc(folder: Path) -> Iterator[Entry]:
    """UBC Fashion (vision.cs.ubc.ca/datasets/fashion; DwNet, BMVC 2019): links to a shop's videos of its clothes.

    `fashion_train.txt` and `fashion_test.txt`, one link a line; the authors' script puts the videos into `train/` and
    `test/` under the last part of their link. Videos already fetched are taken instead of the link.
    """
    return _lists_of_links(folder, re.compile(r"fashion_(train|test)\.txt"), "UBC Fashion", _UNSTATED)


def openhumanvid(folder: Path) -> Iterator[Entry]:
    """OpenHumanVid (github.com/fudan-generative-vision/OpenHumanVid; arXiv 2412.00115): clips handed out on request.

    `part_001/0a/1b/0a1b...` once unpacked: H.264 in MP4, named by 32 hex digits (64 and two frame numbers in the
    samples), without `.mp4` as handed out. `OpenHumanVid_part_001.csv` with clip_id, path, caption and scores has no
    link; it lists clips that are not there and lacks others, hence the disk decides.
    """
    for path in _files(folder):
        if _CLIP_NAME.fullmatch(path.name):
            yield {"url": str(path), "licence": "OpenHumanVid licence; on request", "source": "OpenHumanVid"}


def tiktok(folder: Path) -> Iterator[Entry]:
    """TikTok dances (yasamin.page/hdnet_tiktok; Jafarian and Park, CVPR 2021): pictures, 30 a second, of 340 dances.

    `00001/images/0001.png`, with `masks/` and `densepose/` beside `images/`, which are not read.
    """
    for images in sorted(folder.rglob("images")):
        if images.is_dir() and images.parent.name.isdigit() and next(images.glob("*.png"), None):
            url = frames_url(images, _TIKTOK_FPS)
            yield {"url": url, "licence": _UNSTATED, "source": "TikTok dances"}


def _lists_of_links(folder: Path, name: re.Pattern[str], source: str, licence: str) -> Iterator[Entry]:
    files = list(_files(folder))
    fetched = {path.name: path for path in files if path.suffix == ".mp4"}
    for path in files:
        found = name.fullmatch(path.name)
        if found and path.parent.name != "old_invalid_urls":
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
                url = line.strip()
                if url and scheme_of(url) not in WEB:
                    raise UsageError(f"{path}: line {number} is no link; correct it or name another folder")
                if url:
                    here = fetched.get(url.rsplit("/", 1)[-1])
                    yield {"url": str(here or url), "licence": licence, "source": f"{source}, {found[1]} list"}


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, as an absolute path, folder by folder in the order of names."""
    for parent, folders, names in os.walk(folder.resolve()):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


LAYOUTS: Mapping[str, tuple[Callable[[Path], Iterator[Entry]], str]] = {
    "humanvid": (humanvid, "pexels-...-urls.txt"),
    "openhumanvid": (openhumanvid, "clips named by 32 hex digits"),
    "tiktok": (tiktok, "00001/images/0001.png"),
    "ubc": (ubc, "fashion_train.txt and fashion_test.txt"),
}

"""Pictures to put behind people: the user's own, and frames of the corpus in which nobody was found.

Each is brought to a bounded size once and kept in the workspace under the hash of its content, so that workers
anywhere find it and a rerun uses the same bytes. A picture belongs to one split, by a hash: a frame by its video's, so
that two frames of one place are never in two splits.
"""

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import PyAvDecoder, bounded_size, video_path
from pipelines.errors import DataError, UsageError, one_line
from pipelines.folders import counted, files_below
from pipelines.manifest import Row, Status, digest_of
from pipelines.names import path_of, printable
from pipelines.photo import rgb_of
from pipelines.synthesis import lot
from pipelines.workspace import Workspace, file_sha256

Image = NDArray[np.uint8]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_LONGEST = 640  # pixels that a kept picture has at most per side
_MOST_BYTES, _MOST_PIXELS, _LEAST_SIDE = 64 << 20, 50_000_000, 32
_QUALITY = 90
_FRAMES_PER_STRETCH = 2
_EDGE_S = 0.25  # seconds: nearer to where people were found, a part of one may still be seen


@dataclass(frozen=True)
class Pictures:
    """Pictures of a workspace by split: id -> path in it. They are read when used; the last one stays in memory."""

    workspace: Workspace | None = None
    by_split: dict[str, dict[str, str]] = field(default_factory=dict)
    _kept: dict[str, Image] = field(default_factory=dict, repr=False, compare=False)

    def draw(self, rng: np.random.Generator, split: str, share: float) -> str:
        """The id of a picture of the split, or nothing: for a `1 - share` of draws, or where there is none."""
        wanted, number = rng.random() < share, int(rng.integers(2**63))
        names = list(self.by_split.get(split, {}))
        place = lot.draw(lot.keys_of(names), number) if wanted else None
        return "" if place is None else names[place]

    def load(self, name: str) -> Image:
        """RGB (H, W, 3)."""
        if name not in self._kept:
            assert self.workspace is not None, "pictures without a workspace"
            path = next(paths[name] for paths in self.by_split.values() if name in paths)
            self._kept.clear()
            self._kept[name] = read_picture(self.workspace.local(path))
        return self._kept[name]


def split_of(origin: str) -> str:
    """train (70 %), validation (10 %) or test (20 %), by a hash of where a picture comes from."""
    tenth = int(digest_of("background", origin)[:8], 16) % 10
    return "train" if tenth < 7 else "validation" if tenth == 7 else "test"


def listed(patterns: Iterable[str], say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Picture files of paths, folders (with all below) and globs, sorted.

    say: is told what of each folder was left out.
    Raises: UsageError where one of them finds nothing.
    """
    found: set[Path] = set()
    for pattern in patterns:
        path, skipped = path_of(pattern), Counter[str]()
        inside: Iterator[Path] = map(Path, glob.glob(str(path), recursive=True))
        if path.is_dir():
            inside = iter(files_below(path, SUFFIXES, skipped))
        files = {file.absolute() for file in inside if file.is_file() and file.suffix.lower() in SUFFIXES}
        if path.is_file():
            files = {path.absolute()}
        if not files:
            raise UsageError(f"pairs: backgrounds {pattern!r}: finds no picture ({', '.join(SUFFIXES)}); correct it")
        if skipped.total():
            say(f"{pattern}: skipped {counted(skipped)}; only {' '.join(SUFFIXES)} are read")
        found |= files
    return sorted(found)


def contents(patterns: Iterable[str]) -> list[str]:
    """Hashes of the listed files: what the result of a stage with these backgrounds depends on."""
    return [file_sha256(path) for path in listed(patterns)]


def read_picture(path: Path) -> Image:
    """RGB (H, W, 3). Raises: DataError naming the file where it is not a picture of a sane size."""
    from PIL import Image as Pillow

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: has more than {_MOST_BYTES >> 20} MiB; scale it down")
        with Pillow.open(path) as picture:
            width, height = picture.size
            if width * height > _MOST_PIXELS or min(width, height) < _LEAST_SIDE:
                raise DataError(
                    f"{path}: has {width} x {height} pixels; give at least {_LEAST_SIDE} per side and at most "
                    f"{_MOST_PIXELS // 1_000_000} million in all"
                )
            return rgb_of(picture)
    except DataError:
        raise
    except Exception as error:  # each format fails in its own way
        raise DataError(
            f"{path}: cannot be read as a picture ({one_line(str(error))}); remove or replace it"
        ) from error


def gather(
    workspace: Workspace,
    folder: str,
    patterns: Iterable[str],
    stretches: Iterable[tuple[Row, Row]],
    most: int,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[Row], list[Row]]:
    """(kept, quarantined) pictures, kept ones published below `folder`.

    stretches: (video, row of `people` in which nobody was found). most: frames of the corpus, the same ones every time.
    say: see `listed`. A kept one has id, path, split and origin; a quarantined one is a row of a manifest.
    """
    kept: dict[str, Row] = {}
    lost: list[Row] = []
    chosen = _sampled(stretches, -(-most // _FRAMES_PER_STRETCH))
    sources: list[tuple[str, str | None, Iterator[Image]]] = [
        *((printable(str(path)), None, map(read_picture, [path])) for path in listed(patterns, say)),
        *((stretch["id"], video["id"], _frames(workspace, video, stretch)) for video, stretch in chosen),
    ]
    for name, origin, found in sources:
        try:
            for picture in found:
                row = _publish(workspace, folder, picture, origin)
                kept.setdefault(row["id"], row)
        except DataError as error:
            lost.append(
                {
                    "id": digest_of("background", name),
                    "parent_id": None,
                    "status": Status.QUARANTINED,
                    "reason": one_line(str(error)),
                }
            )
    return [kept[name] for name in sorted(kept)], lost


def _sampled(stretches: Iterable[tuple[Row, Row]], most: int) -> list[tuple[Row, Row]]:
    """At most so many: all whose hash is below the half, quarter ... that is small enough. So one that leaves does not
    let another one in, but where the number crosses such a step."""
    places = [(int(digest_of("stretch", stretch["id"])[:8], 16), (video, stretch)) for video, stretch in stretches]
    limit = 2**32
    while sum(place < limit for place, _ in places) > most:
        limit //= 2
    return [pair for place, pair in sorted(places, key=lambda found: found[0]) if place < limit]


def empty_stretches(videos: Iterable[Row], people: Iterable[Row]) -> list[tuple[Row, Row]]:
    """(video, row) of the rejected rows of `people` that tell of nobody, long enough to take a frame from."""
    by_id = {video["id"]: video for video in videos}
    return [
        (by_id[row["video_id"]], row)
        for row in people
        if row["status"] == Status.REJECTED
        and (row["reason"] or "").startswith("no_person")
        and row["end_s"] - row["start_s"] > 3 * _EDGE_S
        and row["video_id"] in by_id
    ]


def _frames(workspace: Workspace, video: Row, stretch: Row) -> Iterator[Image]:
    size = bounded_size(video["width"], video["height"], _LONGEST)
    start, end = stretch["start_s"] + _EDGE_S, stretch["end_s"] - _EDGE_S
    decoder = PyAvDecoder(fps=max(1.0, (_FRAMES_PER_STRETCH + 1) / (end - start)), size=size)
    for number, (_, frame) in enumerate(decoder.frames(video_path(workspace, video), start, end)):
        if number == _FRAMES_PER_STRETCH:
            return
        yield frame


def _publish(workspace: Workspace, folder: str, picture: Image, origin: str | None) -> Row:
    import cv2
    import simplejpeg

    height, width = picture.shape[:2]
    size = bounded_size(width, height, _LONGEST)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if size != (width, height) else picture
    content = simplejpeg.encode_jpeg(np.ascontiguousarray(small), _QUALITY, "RGB", "444", fastdct=False)
    name = digest_of("picture", content.hex())
    path = f"{folder}/{name}.jpg"
    if not workspace.exists(path):
        with workspace.publish(path) as target:
            target.write_bytes(content)
    return {"id": name, "path": path, "split": split_of(origin or name), "origin": origin}

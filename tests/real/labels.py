"""What people see in photos and clips, as files beside them: COCO keypoint files, and a `clips.csv`.

The format is in docs/curation-quality.md. Files as others publish them are read as they are: of any skeleton the
points are taken that have our names.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.people import PeopleConfig
from pipelines.errors import UsageError

Floats = NDArray[np.floating]
KEPT, REJECTED, ANY = "kept", "rejected", "any"
CLIPS = "clips.csv"
_LEAST_POINTS = 4  # of a person who counts
_VISIBLE = 2  # of COCO's flag; 1 is a guess behind something
_FLESH = 0.1  # around points, in their longer side, where a label has no box
_AT_TIME = "#t="  # behind the name of a video: the frame nearest to that second
# Under which names the boxes come, the better ones last: of a head the face must be in the crop at least.
_BOXES = {
    "head": ("face_box", "bbox_head", "hbox", "head_box"),
    "left_hand": ("lefthand_box",),
    "right_hand": ("righthand_box",),
}


@dataclass(frozen=True)
class Person:
    """box (4,): x0, y0, x1, y1 in pixels. points: (88, 3), confidence 1 where a point is visible, else 0.
    parts: boxes (4,) of the whole head ("head") and of the hands ("left_hand", "right_hand"), where they are told."""

    box: Floats
    points: NDArray[np.float32]
    parts: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def told(self) -> int:
        """How many points and boxes are labelled."""
        return int((self.points[:, 2] > 0).sum()) + len(self.parts)


@dataclass(frozen=True)
class Picture:
    """A labelled photo, or the frame of a video nearest to `time` (s). size: (width, height)."""

    name: str
    path: Path
    time: float | None
    size: tuple[int, int]
    people: tuple[Person, ...]

    @property
    def counted(self) -> tuple[Person, ...]:
        """Who should be found: with enough visible points, and not smaller than curation looks for."""
        return tuple(
            person
            for person in self.people
            if (person.points[:, 2] > 0).sum() >= _LEAST_POINTS
            and person.box[3] - person.box[1] >= PeopleConfig().min_height * self.size[1]
        )


@dataclass(frozen=True)
class Clip:
    """A video and what should come of it. hands: least share of the person's frames in which a hand should be found.
    people: how many there are at once, at most. present: share of the video in which somebody is in the picture."""

    name: str
    path: Path
    verdict: str
    shows: str = ""
    hands: float | None = None
    people: int | None = None
    present: float = 1.0


@dataclass(frozen=True)
class Material:
    """missing: names that are labelled, but whose files are not there."""

    pictures: tuple[Picture, ...]
    clips: tuple[Clip, ...]
    missing: tuple[str, ...]


def read_material(folders: Sequence[Path], roots: Sequence[Path] = ()) -> Material:
    """Labels anywhere below the folders; their photos and clips are there, too, or below the roots.

    A picture that several files label is taken from the file that tells most about it.
    Raises: UsageError where there is no label, or one cannot be read.
    """
    best: dict[tuple[Path, float | None], Picture] = {}
    clips: dict[Path, Clip] = {}
    missing: list[str] = []
    labels = 0
    for folder in folders:
        files = _Files((folder, *roots))
        for file in sorted(folder.rglob("*.json")):
            content = _coco(file)
            labels += content is not None
            for name, size, people in _labelled(file, content) if content else ():
                file_name, _, time = name.partition(_AT_TIME)
                path = files.find(file_name, file.parent)
                if path is None:
                    missing.append(name)
                    continue
                found = Picture(name, path, float(time) if time else None, size, people)
                key = (found.path, found.time)
                if key not in best or _told(found) > _told(best[key]):
                    best[key] = found
        for file in sorted(folder.rglob(CLIPS)):
            labels += 1
            for clip in _clips(file, files, missing):
                clips[clip.path] = clip
    if not labels:
        where = " ".join(map(str, folders))
        raise UsageError(f"{where}: holds no COCO keypoint file (*.json) and no {CLIPS}; name another folder")
    return Material(tuple(best.values()), tuple(clips.values()), tuple(sorted(set(missing))))


class _Files:
    """Finds the files that labels name, below some folders."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for root in roots:
            for path in sorted(root.rglob("*")):
                self._by_name[path.name].append(path)

    def find(self, name: str, beside: Path) -> Path | None:
        """The file beside the labels, else the one whose path ends most like the name."""
        if (beside / name).is_file():
            return (beside / name).resolve()
        candidates = self._by_name.get(Path(name).name, [])
        best = max(candidates, key=lambda path: _same_end(path, name), default=None)
        return best.resolve() if best else None

    def matching(self, pattern: str, beside: Path) -> list[Path]:
        """The files of a pattern beside the labels, else of those below the roots whose path ends like it."""
        here = sorted(beside.glob(pattern))
        paths = here or [path for paths in self._by_name.values() for path in paths if path.match(pattern)]
        return sorted({path.resolve() for path in paths if path.is_file()})


def _same_end(path: Path, name: str) -> int:
    """How many of the last parts are the same."""
    count = 0
    for ours, theirs in zip(reversed(path.parts), reversed(Path(name).parts), strict=False):
        if ours != theirs:
            break
        count += 1
    return count


def _told(picture: Picture) -> int:
    return sum(person.told for person in picture.people)


def _coco(file: Path) -> dict[str, Any] | None:
    """The content of a COCO keypoint file; None for any other (results, lists, settings)."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{file}: is not JSON ({error}); correct it or take it out of the folder") from error
    if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
        return None
    return content if any("keypoints" in category for category in content["categories"]) else None


def _labelled(file: Path, content: dict[str, Any]) -> Iterator[tuple[str, tuple[int, int], tuple[Person, ...]]]:
    """(file name, size, people) of each picture."""
    names = {category["id"]: _columns(category.get("keypoints", ())) for category in content["categories"]}
    people: dict[Any, list[Person]] = defaultdict(list)
    for label in content["annotations"]:
        if label.get("keypoints") and not label.get("iscrowd"):
            try:
                person = _person(label, names[label["category_id"]])
            except (KeyError, ValueError, TypeError) as error:
                raise UsageError(f"{file}: label {label.get('id')} cannot be read ({error!r}); correct it") from error
            if person is not None:
                people[label["image_id"]].append(person)
    for image in content["images"]:
        if people[image["id"]]:
            size = (int(image["width"]), int(image["height"]))
            yield image["file_name"], size, tuple(people[image["id"]])


def _columns(names: Sequence[str]) -> list[int | None]:
    """Which of our body points each is."""
    plain = (name.strip().lower().replace(" ", "_").replace("-", "_") for name in names)
    return [kp.BODY.index(name) if name in kp.BODY else None for name in plain]


def _person(label: dict[str, Any], columns: Sequence[int | None]) -> Person | None:
    """None where nothing of the person is visible."""
    points = np.zeros((kp.COUNT, 3), np.float32)
    # Some files have more points than names, or more names than points; the first belong together.
    for ours, (x, y, flag) in zip(columns, np.reshape(label["keypoints"], (-1, 3)), strict=False):
        if ours is not None and flag >= _VISIBLE:
            points[ours] = x, y, 1
    seen = points[points[:, 2] > 0, :2].astype(np.float64)
    if "bbox" in label:
        box = _corners(label["bbox"])
    elif len(seen):
        low, high = seen.min(0), seen.max(0)
        box = np.concatenate([low, high]) + _FLESH * (high - low).max() * np.array([-1, -1, 1, 1])
    else:
        return None
    parts: dict[str, Floats] = {}
    for part, keys in _BOXES.items():
        for key in keys:
            valid = label.get(key.replace("_box", "_valid"), True)
            if key in label and valid and label[key][2] > 0 and label[key][3] > 0:
                parts[part] = _corners(label[key])
    return Person(box, points, parts)


def _corners(box: Sequence[float]) -> Floats:
    """x0, y0, x1, y1 of COCO's x, y, width, height."""
    x, y, width, height = map(float, box)
    return np.array([x, y, x + width, y + height])


def _clips(file: Path, files: _Files, missing: list[str]) -> Iterator[Clip]:
    """missing: gets the names of the clips that are not there."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            pattern, verdict = row.get("clip") or "", row.get("verdict") or ""
            if not pattern or verdict not in (KEPT, REJECTED, ANY):
                wanted = f"a clip and a verdict ({KEPT}, {REJECTED} or {ANY})"
                raise UsageError(f"{file}: line {number} has not {wanted}; correct it")
            try:
                hands = float(row["hands"]) if row.get("hands") else None
                people = int(row["people"]) if row.get("people") else None
                present = float(row["present"]) if row.get("present") else 1.0
            except ValueError as error:
                raise UsageError(f"{file}: line {number} has no number where one belongs ({error})") from error
            found = files.matching(pattern, file.parent)
            if not found:
                missing.append(pattern)
            for path in found:
                yield Clip(path.name, path, verdict, row.get("shows") or "", hands, people, present)

"""Curate labelled photos and clips of real people and say how well each decision was taken.

    python -m tests.real.run [FOLDER...] [--draw OUT] [--workers 2]

FOLDER: labels with their photos and clips (see docs/curation-quality.md). Without any the labels of this repository are
taken, and the table in docs/curation-quality.md is written. --draw: a picture of each photo and clip with what was
found and what is labelled.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.curation.sources import STARTER_VIDEOS
from pipelines.errors import UnimotionError
from pipelines.wheels import extract
from pipelines.workspace import Workspace
from tests.real.clips import Judged, curated
from tests.real.figures import Counts, compare
from tests.real.labels import Material, Picture, read_material
from tests.real.photos import Seen, look_at
from tests.real.tables import markdown, rendered_figures, side_by_side

_REPOSITORY = Path(__file__).resolve().parents[2]
_DOCUMENT = _REPOSITORY / "docs" / "curation-quality.md"
_BEGIN, _END = "<!-- real tables: begin -->", "<!-- real tables: end -->"
_LABELS = Path(__file__).parent / "labels"
_CACHE = _REPOSITORY / "build" / "real"  # models, and the videos of the starter corpus
# Photos and clips for development, which are not part of the product.
_SHARED = _REPOSITORY.parent / "shared"


@dataclass(frozen=True)
class Report:
    """photos: what is found in each. judged: each clip. core_seconds: that the clips took."""

    material: Material
    photos: tuple[tuple[Picture, Seen, Counts], ...]
    judged: tuple[Judged, ...]
    core_seconds: float

    @property
    def counts(self) -> Counts:
        return sum((counts for _, _, counts in self.photos), Counts())


def measure(folders: Sequence[Path] = (), workers: int = 1) -> Report:
    """folders: of labels; those of the repository where there is none. workers: processes for the clips.

    Raises: UnimotionError where labels, photos or clips cannot be read.
    """
    cache = Workspace(str(_CACHE))
    cache.prepare()
    if folders:
        material = read_material(folders)
    else:
        for wheel, members in STARTER_VIDEOS.items():
            extract(cache, wheel, members, "starter")
        material = read_material([_LABELS], [folder for folder in (_CACHE / "starter", _SHARED) if folder.is_dir()])
    photos = tuple(
        (picture, seen, compare(picture, seen))
        for picture, seen in zip(material.pictures, look_at(material.pictures, cache), strict=True)
    )
    judged, spent = curated(material.clips, workers)
    return Report(material, photos, tuple(judged), spent)


def figures(report: Report) -> dict[str, float | None]:
    """Shares in [0, 1] but for the last; None where there is nothing to count."""
    counts, judged = report.counts, report.judged
    kept = [one.right for one in judged if one.clip.verdict == "kept"]
    rejected = [one.right for one in judged if one.clip.verdict == "rejected"]
    expected = [(min(one.hands, one.clip.hands), one.clip.hands) for one in judged if one.clip.hands]
    usable = [good for one in judged for good in one.usable]
    people = [one.people == one.clip.people for one in judged if one.clip.people is not None]
    shares = {name: _share(getattr(counts, name)) for name in ("people", "animated", "close", "far", "placed")}
    return {
        **shares,
        "body": _share(counts.body),
        "median_error": float(np.median(counts.errors)) if counts.errors else None,
        "swapped": _share(counts.swapped),
        "heads": _share(counts.heads),
        "hands": _share(counts.hands),
        "kept": _mean(kept),
        "rejected": _mean(rejected),
        "hands_found": sum(a for a, _ in expected) / sum(b for _, b in expected) if expected else None,
        "usable": _mean(usable),
        "people_in_clips": _mean(people),
        "speed": sum(one.seconds for one in judged) / report.core_seconds if report.core_seconds else None,
    }


def _share(pair: tuple[int, int]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None


def _mean(values: Sequence[bool | None]) -> float | None:
    return sum(bool(value) for value in values) / len(values) if values else None


def misses(report: Report) -> Iterator[tuple[str, str]]:
    """(photo or clip, what is wrong) of each miss, in words."""
    for picture, _, counts in report.photos:
        if said := ", ".join(_wrong_in_photo(counts)):
            yield picture.name, said
    for one in report.judged:
        if said := "; ".join(_wrong_in_clip(one)):
            yield one.clip.name, said


def _wrong_in_photo(counts: Counts) -> Iterator[str]:
    if counts.people[0] < counts.people[1]:
        yield f"{counts.people[1] - counts.people[0]} of {counts.people[1]} people not found"
    if counts.animated == (0, 1):
        yield "the person to animate is not found"
    if counts.swapped[0]:
        yield "left and right wrist exchanged"
    for name, (shown, labelled) in (("heads", counts.heads), ("hands", counts.hands)):
        if shown < labelled:
            yield f"{labelled - shown} of {labelled} {name} outside the crop"


def _wrong_in_clip(one: Judged) -> Iterator[str]:
    clip = one.clip
    if one.right is False:
        why = ", ".join(f"{code} {seconds:.1f}" for code, seconds in one.reasons.items()) or "nothing rejected"
        yield f"{one.kept:.1f} of {one.seconds:.1f} s kept, should be {clip.verdict} ({why})"
    if clip.hands is not None and one.hands < clip.hands:
        yield f"hands in {one.hands:.2f} of the frames, {clip.hands:.2f} expected"
    if clip.people is not None and one.people != clip.people:
        yield f"{one.people} people at once, {clip.people} expected"
    if not all(one.usable):
        yield f"landmarks of {one.usable.count(False)} of {len(one.usable)} kept clips not usable"


def tables(report: Report) -> str:
    found = figures(report)
    rows = side_by_side(found, rendered_figures(_DOCUMENT.read_text("utf-8")))
    material = report.material
    about = f"{len(material.pictures)} photos and frames with {report.counts.people[1]} people to find"
    about += f", {len(material.clips)} clips of {sum(one.seconds for one in report.judged):.0f} s"
    if material.missing:
        about += f"; not there: {len(material.missing)} of the labelled ({', '.join(material.missing[:3])} …)"
    return markdown(about + ".", rows, list(misses(report)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--draw", type=Path, metavar="OUT")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    try:
        report = measure(arguments.folders, arguments.workers)
    except UnimotionError as error:
        print(f"real: {error}", file=sys.stderr)
        return 2
    made = tables(report)
    print(made)
    if arguments.draw:
        from tests.real.draw import draw_all

        draw_all(report.photos, report.judged, arguments.draw)
        print(arguments.draw)
    if not arguments.folders and not report.material.missing:
        text = _DOCUMENT.read_text("utf-8")
        before, after = text.split(_BEGIN)[0], text.split(_END)[1]
        _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{made}\n{_END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

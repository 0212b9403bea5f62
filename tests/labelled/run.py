"""Curate the labelled videos and publish how well each decision was taken.

    python -m tests.labelled.run --out FOLDER [--small] [--workers 2]

writes FOLDER/quality.json and FOLDER/quality.md; the videos lie in FOLDER/videos, the workspace in FOLDER/workspace.
The full set writes its tables into docs/curation-quality.md, too.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pipelines.engine import Engine
from pipelines.workspace import Workspace
from tests.labelled.compare import RATE, Tally, compare, same_recordings
from tests.labelled.found import curate
from tests.labelled.scenes import SEED, make
from tests.labelled.score import Agreement, confusion, per_reason, rejections
from tests.labelled.tables import markdown

_DOCUMENT = Path(__file__).parents[2] / "docs" / "curation-quality.md"
_BEGIN, _END = "<!-- tables: begin -->", "<!-- tables: end -->"


@dataclass(frozen=True)
class Quality:
    """by_video: (name, factor) -> tally. seconds: of video."""

    by_video: dict[tuple[str, str], Tally]
    copies: Agreement
    seconds: float

    @property
    def whole(self) -> Tally:
        return sum(self.by_video.values(), Tally())

    @property
    def by_factor(self) -> dict[str, Tally]:
        sums: dict[str, Tally] = defaultdict(Tally)
        for (_, factor), tally in self.by_video.items():
            sums[factor] += tally
        return dict(sums)


def measure(folder: Path, small: bool, workers: int = 1) -> Quality:
    made = make(folder / "videos", small, workers=workers)
    labels = [about for _, about in made]
    found = curate(Workspace(str(folder / "workspace")), [path for path, _ in made], Engine(workers=workers))
    by_video = {(a.name, a.factor): compare(a, b) for a, b in zip(labels, found, strict=True)}
    return Quality(by_video, same_recordings(labels, found), sum(len(a.right) / a.fps for a in labels))


def numbers(tally: Tally) -> dict[str, float | None]:
    """Shares in [0, 1]; None where there is nothing to count."""
    pairs = list(tally.decisions.elements())
    decided = rejections([found for _, found in pairs], [true for true, _ in pairs], 1 / RATE)
    looks = tally.counted.total()
    exact = sum(number for (found, true), number in tally.counted.items() if found == true)
    return {
        "cuts_f1": tally.cuts.f1 if tally.cuts != Agreement() else None,
        "soft_cuts_f1": tally.soft_cuts.f1 if tally.soft_cuts != Agreement() else None,
        "people_exact": exact / looks if looks else None,
        "pck": tally.body[0] / tally.body[1] if tally.body[1] else None,
        "swapped_hands": tally.hands[0] / tally.hands[1] if tally.hands[1] else None,
        "rejected_precision": decided.precision,
        "rejected_recall": decided.recall,
        "rejected_f1": decided.f1,
        "person_seconds": len(pairs) / RATE,
    }


def reasons(tally: Tally) -> tuple[dict[tuple[str, str], float], dict[str, Agreement]]:
    """(true, found) code -> seconds, and how well each code was found."""
    pairs = list(tally.decisions.elements())
    table = confusion([found for _, found in pairs], [true for true, _ in pairs], 1 / RATE)
    return table, per_reason(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    quality = measure(arguments.out, arguments.small, arguments.workers)
    table, _ = reasons(quality.whole)
    report = {
        "seed": SEED,
        "videos": len(quality.by_video),
        "seconds": round(quality.seconds, 1),
        "whole": numbers(quality.whole),
        "cuts": vars(quality.whole.cuts),
        "copies": {**vars(quality.copies), "precision": quality.copies.precision, "recall": quality.copies.recall},
        "by_factor": {name: numbers(tally) for name, tally in quality.by_factor.items()},
        "by_video": {name: numbers(tally) for (name, _), tally in quality.by_video.items()},
        "confusion_s": [[*pair, round(seconds, 2)] for pair, seconds in table.items()],
    }
    (arguments.out / "quality.json").write_text(json.dumps(report, indent=2))
    tables = markdown(report, *reasons(quality.whole))
    (arguments.out / "quality.md").write_text(tables)
    print(tables)
    if not arguments.small:
        text = _DOCUMENT.read_text("utf-8")
        before, after = text.split(_BEGIN)[0], text.split(_END)[1]
        _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{tables}\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    main()

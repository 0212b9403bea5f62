"""The figures of real people as Markdown, beside those of rendered ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.labelled.tables import share, table

NO_FIGURE = "–"


@dataclass(frozen=True)
class Row:
    """A figure. same: the decision in the tables of rendered videos that says the same, empty for none."""

    name: str
    goal: float | None = None
    better: Literal["higher", "lower"] = "higher"
    same: str = ""
    of_clips: bool = False

    def met(self, value: float | None) -> bool | None:
        """None without a goal or a value."""
        if self.goal is None or value is None:
            return None
        return value >= self.goal if self.better == "higher" else value <= self.goal

    @property
    def wanted(self) -> str:
        return NO_FIGURE if self.goal is None else f"{'≥' if self.better == 'higher' else '≤'} {share(self.goal)}"


ROWS = {
    "people": Row("photos: people found", 0.95),
    "animated": Row("photos: the right person animated", 0.95),
    "people_in_clips": Row("clips: number of people right", 0.95, same="number of people exactly right", of_clips=True),
    "body": Row("body, PCK@0.1", 0.9, same="body, PCK@0.1"),
    "close": Row("body, PCK@0.1: close people"),
    "far": Row("body, PCK@0.1: other people"),
    "placed": Row("body, PCK@0.1: of who is found"),
    "median_error": Row("median error, in longer sides of the person", better="lower"),
    "swapped": Row("hands on the other arm", 0.01, "lower", same="hands on the other arm"),
    "heads": Row("whole heads in the crop", 0.98),
    "hands": Row("hands in the crop", 0.95),
    "kept": Row("kept what is to be kept", 0.95, same="kept", of_clips=True),
    "rejected": Row("rejected what is to be rejected", 0.95, same="rejections: F1", of_clips=True),
    "hands_found": Row("hands found where they should be", 0.9, of_clips=True),
    "usable": Row("kept clips with usable landmarks", 0.95, of_clips=True),
    "speed": Row("video-seconds per core-second", of_clips=True),
}
_KEPT_RECALL = 3  # column of the recall in the rendered table of reasons


def rendered_figures(document: str) -> dict[str, str]:
    """Decision -> measured, of the tables of rendered videos in docs/curation-quality.md; of "kept" its recall."""
    found = {}
    for line in document.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1] in ("yes", "**no**") and len(cells) == 4:
            found[cells[0]] = cells[2]
        elif line.startswith("| kept |"):
            found["kept"] = cells[_KEPT_RECALL]
    return found


def side_by_side(figures: Mapping[str, float | None], rendered: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Lines of (decision, goal, rendered, real, met)."""
    said = {True: "yes", False: "**no**", None: NO_FIGURE}
    return [
        (row.name, row.wanted, rendered.get(row.same, NO_FIGURE), share(figures[key]), said[row.met(figures[key])])
        for key, row in ROWS.items()
    ]


def markdown(about: str, lines: Sequence[Sequence[str]], misses: Sequence[tuple[str, str]]) -> str:
    """about: what was measured on. lines: of `side_by_side`. misses: (photo or clip, what is wrong)."""
    parts = [f"{about}\n", table(("decision", "goal", "rendered", "real", "met"), lines)]
    if misses:
        parts += ["What is wrong in each:\n", table(("photo or clip", "missed"), misses)]
    return "\n".join(parts)

"""All clips and candidates on pages of their own, so that the first page stays light however many there are."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.manifest import Row
from pipelines.report.funnel import code_of
from pipelines.report.gallery import ClipCard, Sheet
from pipelines.report.page import render_sheet
from pipelines.workspace import Workspace

FOLDER = "report/clips"
Card = Callable[[Row], ClipCard]


@dataclass(frozen=True)
class Limits:
    """shown: cards of a sheet on the first page. per_page: cards of each further page. pages: of a sheet, at most."""

    shown: int
    per_page: int
    pages: int


def sheet_of(workspace: Workspace, title: str, rows: Sequence[Row], card: Card, limits: Limits) -> Sheet:
    """The first cards, and, where there are more, pages with all of them: `report/clips/TITLE-NUMBER.html`."""
    if len(rows) <= limits.shown:
        return Sheet(title, len(rows), tuple(map(card, rows)), None)
    pages = [rows[first : first + limits.per_page] for first in range(0, len(rows), limits.per_page)][: limits.pages]
    names = [f"{_slug(title)}-{number:04}.html" for number in range(1, len(pages) + 1)]
    first: tuple[ClipCard, ...] = ()
    for place, (name, part) in enumerate(zip(names, pages, strict=True)):
        cards = tuple(map(card, part))
        first = first or cards[: limits.shown]
        hidden = len(rows) - limits.pages * limits.per_page
        with workspace.publish(f"{FOLDER}/{name}") as path:
            path.write_text(render_sheet(title, cards, names, place, len(rows), max(0, hidden)), "utf-8")
    return Sheet(title, len(rows), first, f"clips/{names[0]}")


def by_reason(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rejected rows by the kind of their reason, most first; those with a picture come first in each."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (not row.get("thumbnail_path"), row["id"])):
        found[code_of(row["reason"])].append(row)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))


def forget_pages(workspace: Workspace) -> None:
    """Remove the pages of an earlier report, of which there may have been more."""
    for name in workspace.children(FOLDER):
        workspace.remove(f"{FOLDER}/{name}")


def _slug(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())

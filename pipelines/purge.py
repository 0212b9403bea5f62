"""Delete what a stage made of videos that were withdrawn since."""

from collections.abc import Collection, Iterator

from pipelines.engine import Journal, Outcome, Row
from pipelines.withdrawals import origins_of
from pipelines.workspace import Workspace

_PLACES = ("files", "tracks")  # where stages put the files of their items


def files_of(row: Row) -> Iterator[str]:
    """The files that a row names, in columns called `path` or `..._path`."""
    for column, value in row.items():
        if value and (column == "path" or column.endswith("_path")):
            yield value


def purge(
    workspace: Workspace, folder: str, journal: Journal, items: Collection[str], withdrawn: frozenset[str]
) -> None:
    """Make a stage's journal forget withdrawn videos under every config, and delete the files of what it forgot.

    items: keys of the work at hand. An error names no video: those of other work go, too. Then whatever no outcome
    names is deleted, for a killed run may have left it.
    """

    def concerned(outcome: Outcome) -> bool:
        if not outcome.rows:
            return outcome.key not in items
        return any(not withdrawn.isdisjoint(origins_of(row)) for row in outcome.rows)

    kept: set[str] = set()
    for outcome in journal.outcomes():
        paths = {path for row in outcome.rows for path in files_of(row)}
        if not concerned(outcome):
            kept |= paths
            continue
        for path in paths:
            workspace.remove(path)
    for place in _PLACES:
        for name in workspace.children(f"{folder}/{place}"):
            if f"{folder}/{place}/{name}" not in kept:
                workspace.remove(f"{folder}/{place}/{name}")
    # Last, so that what a kill leaves undone is found again.
    journal.forget(concerned)

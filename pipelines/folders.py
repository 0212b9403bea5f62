"""What of a folder is taken, and what is left out: nothing vanishes without a word."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_MOST_KINDS = 8  # that are named among those that were left out


def files_below(folder: Path, suffixes: Collection[str], skipped: Counter[str]) -> list[Path]:
    """Files with one of the suffixes (lower case) anywhere below a folder, sorted; links to nothing are among them.

    skipped: is told how many of what kind were left out. Links to folders are: they may lead in a circle.
    """

    def closed(_: OSError) -> None:
        skipped["folder without permission to read"] += 1

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=closed):
        skipped["link to a folder"] += sum(Path(parent, name).is_symlink() for name in folders)
        found += [Path(parent, name) for name in with_suffix(names, suffixes, skipped)]
    return sorted(found)


def with_suffix(names: Iterable[str], suffixes: Collection[str], skipped: Counter[str]) -> Iterator[str]:
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix in suffixes:
            yield name
        else:
            skipped[suffix or "without a suffix"] += 1


def counted(skipped: Counter[str]) -> str:
    """How many of each kind, most of them first: one line, however many there are."""
    ordered = sorted((kind for kind in skipped.items() if kind[1]), key=lambda kind: (-kind[1], kind[0]))
    shown = [f"{count:,} {kind}" for kind, count in ordered[:_MOST_KINDS]]
    more = len(ordered) - len(shown)
    return ", ".join([*shown, f"{more:,} more kinds"] if more else shown)


def nothing_there(name: str, what: str, suffixes: Collection[str], skipped: Counter[str]) -> str:
    """The sentence about a folder in which nothing of that kind was found."""
    beside = f", but {counted(skipped)}" if skipped.total() else ""
    return f"{name}: holds no {what} ({' '.join(sorted(suffixes))}){beside}; name another folder"

"""How many cores this process may use, which on shared machines and in containers is less than the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = "sys/fs/cgroup"


def cores(root: Path = Path("/")) -> int:
    """At least 1: those that the scheduler allows, and no more than the quotas of all control groups around this
    process, rounded up.

    root: of the file system that tells the quotas.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(math.ceil, _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """In cores; see cgroups(7) and proc(5): a line is `number:controllers:path`, without controllers in version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(root / _CGROUPS, path):
                yield from _quota(*_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for mounted in {"cpu", controllers}:
                for folder in _upwards(root / _CGROUPS / mounted, path):
                    yield from _quota(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    """The folder of a group and of those around it. A container may see its own group at the top alone."""
    parts = Path(path.lstrip("/")).parts
    for count in range(len(parts), -1, -1):
        yield mounted.joinpath(*parts[:count])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _quota(*words: str) -> Iterator[float]:
    """words: microseconds of computing and of the time in which they are granted; none, `max` or -1 is no quota."""
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
        yield int(words[0]) / int(words[1])

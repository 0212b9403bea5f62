"""What a benchmark measured, and how results are written."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Result:
    """One number. name: `suite.what`. against: what a ratio compares with, or how the number was taken, in words.
    goal: what the project holds itself to, or None where the number only informs."""

    name: str
    value: float
    unit: str
    against: str
    better: Better
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def table(results: Sequence[Result]) -> str:
    """Lines of aligned columns."""
    rows = [("name", "value", "unit", "goal", "")]
    for result in results:
        goal = "" if result.goal is None else f"{'>=' if result.better == 'higher' else '<='} {result.goal:g}"
        said = {None: "", True: "met", False: "MISSED"}[result.met]
        rows.append((result.name, f"{result.value:.3g}", result.unit, goal, said))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def merge(path: Path, results: Iterable[Result], suites: Iterable[str]) -> None:
    """Write results as one object, name -> what was measured; those of other suites stay. Raises: ValueError for a
    name that is not of the suites, or comes twice."""
    suites, found = set(suites), {}
    for result in results:
        if result.name.split(".")[0] not in suites or result.name in found:
            raise ValueError(f"result {result.name!r}: comes twice, or is not of suite {', '.join(sorted(suites))}")
        found[result.name] = {key: value for key, value in asdict(result).items() if key != "name"}
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = {name: value for name, value in kept.items() if name.split(".")[0] not in suites}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept | found, indent=1, sort_keys=True) + "\n", "utf-8")

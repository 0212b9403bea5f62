"""What came from what, as a tree: for people with lines, for machines as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipelines.errors import one_line

_MOST = 20  # things of one kind below another that people are shown


@dataclass(frozen=True)
class Node:
    """kind: video, clips, model ... id: of one thing, empty for several together. facts: what is told about it."""

    kind: str
    id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    below: tuple["Node", ...] = ()

    def as_json(self) -> dict[str, Any]:
        node = {"kind": self.kind, **({"id": self.id} if self.id else {}), **self.facts}
        return node | ({"below": [child.as_json() for child in self.below]} if self.below else {})

    def as_text(self) -> str:
        return "\n".join([self._line(), *self._branches()])

    def _line(self) -> str:
        facts = ", ".join(f"{key} {value}" for key, value in self.facts.items() if value not in (None, "", []))
        return one_line("  ".join(part for part in (self.kind, self.id, facts) if part))

    def _branches(self) -> Iterator[str]:
        shown, more = self.below[:_MOST], len(self.below) - _MOST
        for place, child in enumerate(shown):
            last = place == len(shown) - 1 and more <= 0
            yield f"{'└─' if last else '├─'} {child._line()}"
            yield from (f"{'  ' if last else '│ '} {line}" for line in child._branches())
        if more > 0:
            yield f"└─ and {more} more (--json lists all)"

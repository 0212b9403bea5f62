"""The measured figures as Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.labelled.score import Agreement

# Of each figure: its name in the tables, and its goal.
_FIGURES: dict[str, tuple[str, Callable[[float], bool], str]] = {
    "cuts_f1": ("hard cuts: F1 at ±2 frames", lambda v: v >= 0.98, "≥ .98"),
    "soft_cuts_f1": ("gradual changes: F1 within the change ±2 frames", lambda v: v >= 0.98, "≥ .98"),
    "people_exact": ("number of people exactly right", lambda v: v >= 0.95, "≥ .95 of looks"),
    "pck": ("body, PCK@0.1", lambda v: v >= 0.90, "≥ .90 of visible points"),
    "swapped_hands": ("hands on the other arm", lambda v: v <= 0.01, "≤ .01 of looks"),
    "rejected_f1": ("rejections: F1", lambda v: v >= 0.95, "≥ .95"),
    "copies_recall": ("copies: recall", lambda v: v >= 0.98, "≥ .98"),
    "copies_precision": ("copies: precision", lambda v: v >= 0.99, "≥ .99"),
}
_COLUMNS = ("people_exact", "pck", "swapped_hands", "rejected_precision", "rejected_recall", "rejected_f1")


def markdown(
    report: Mapping[str, Any], confusion: Mapping[tuple[str, str], float], per_reason: Mapping[str, Agreement]
) -> str:
    """report: as `run` writes it. confusion: (true, found) -> seconds."""
    values = report["whole"] | {f"copies_{name}": report["copies"][name] for name in ("recall", "precision")}
    goals = [
        (name, goal, share(values[key]), "yes" if met(values[key]) else "**no**")
        for key, (name, met, goal) in _FIGURES.items()
        if values[key] is not None
    ]
    factors = [(name, *(share(of[key]) for key in _COLUMNS)) for name, of in report["by_factor"].items()]
    kinds = [
        (code, f"{of.right + of.missed:.1f}", share(of.precision), share(of.recall), _errors(code, confusion))
        for code, of in per_reason.items()
        if of.right + of.missed
    ]
    return "\n".join(
        (
            f"{report['videos']} videos, {report['seconds']} s, seed {report['seed']}.\n",
            table(("decision", "goal", "measured", "met"), goals),
            "Decisions about people, by what the videos are about:\n",
            table(("about", "count", "PCK@0.1", "swaps", "rejections: precision", "recall", "F1"), factors),
            "Each decision, in seconds of people who are there:\n",
            table(("right", "seconds", "precision", "recall", "what was decided instead (s)"), kinds),
        )
    )


def _errors(code: str, confusion: Mapping[tuple[str, str], float]) -> str:
    wrong = {found: seconds for (true, found), seconds in confusion.items() if true == code != found}
    return ", ".join(f"{found} {seconds:.1f}" for found, seconds in sorted(wrong.items(), key=lambda item: -item[1]))


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("0.", ".", 1)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

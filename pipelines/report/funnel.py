"""What became of the candidates of each stage, counted from its manifest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.manifest import Manifest, Row, Status

# Stage, and what one of its rows is.
STEPS = (
    ("videos", "videos"),
    ("people", "tracks of a person"),
    ("clips", "clips"),
    ("duplicates", "different clips"),
    ("coverage", "clips to train on"),
)


def code_of(reason: str | None) -> str:
    """The kind of a reason, as people read it: `too_dark: mean 12` is "too dark"."""
    return (reason or "no reason given").partition(":")[0].replace("_", " ").strip()[:80]


@dataclass(frozen=True)
class Part:
    """Rows of one outcome; `share` and `start` are percents of the step's rows."""

    status: str
    label: str
    count: int
    share: float
    start: float


@dataclass(frozen=True)
class Step:
    """A stage in the funnel. footage: seconds of video in its kept rows, where it is known."""

    name: str
    noun: str
    total: int
    kept: int
    rejected: int
    quarantined: int
    parts: tuple[Part, ...]
    footage: float | None


def step_of(name: str, noun: str, manifest: Manifest) -> Step:
    """Count the outcomes of a stage: kept, then the rejections by reason (most first), then what was quarantined."""
    rows = manifest.rows(status=None)
    counts = manifest.counts
    rejected = Counter(code_of(row["reason"]) for row in rows if row["status"] == Status.REJECTED)
    ordered = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    outcomes = [
        (str(Status.KEPT), "kept", counts.kept),
        *((str(Status.REJECTED), code, count) for code, count in ordered),
        (str(Status.QUARANTINED), "quarantined", counts.quarantined),
    ]
    parts, start = [], 0.0
    for status, label, count in outcomes:
        if count:
            share = 100 * count / counts.total
            parts.append(Part(status, label, count, round(share, 3), round(start, 3)))
            start += share
    kept = [row for row in rows if row["status"] == Status.KEPT]
    return Step(
        name, noun, counts.total, counts.kept, counts.rejected, counts.quarantined, tuple(parts), _footage(kept)
    )


def funnel(inputs: Mapping[str, Manifest]) -> tuple[Step, ...]:
    return tuple(step_of(name, noun, inputs[name]) for name, noun in STEPS)


def _footage(rows: Sequence[Row]) -> float | None:
    """Seconds of video in rows that say how long they are."""
    spans = [seconds_of(row) for row in rows]
    return sum(span for span in spans if span is not None) if any(span is not None for span in spans) else None


def seconds_of(row: Row) -> float | None:
    """The length of a video, shot, track or clip."""
    if row.get("duration") is not None:
        return float(row["duration"])
    if row.get("start_s") is not None and row.get("end_s") is not None:
        return float(row["end_s"]) - float(row["start_s"])
    return None

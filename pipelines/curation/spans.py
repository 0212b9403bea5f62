"""The stretches of a track that may be clips, and why the others may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.tracks import Track


@dataclass(frozen=True)
class Span:
    """Frames [first, after) of a track, and why they cannot be a clip (None: they may)."""

    first: int
    after: int
    reason: str | None


def spans_of(track: Track, crowded: NDArray[np.bool_], longest: int, max_gap: int) -> list[Span]:
    """Every frame of a track in exactly one span: candidates of at most `longest` frames, and the stretches between
    them.

    crowded: (T,) frames in which others interfere. max_gap: frames for which the person may be lost.
    """
    seen = tracking.close_gaps(track.seen[:, 0], max_gap)
    spans = [Span(first, after, "several_people") for first, after in tracking.runs(crowded)]
    spans += [Span(first, after, "low_visibility: lost") for first, after in tracking.runs(~seen & ~crowded)]
    for first, after in tracking.runs(seen & ~crowded):
        edges = np.linspace(first, after, int(np.ceil((after - first) / longest)) + 1).round().astype(int)
        spans += [Span(int(a), int(b), None) for a, b in pairwise(edges)]
    return sorted(spans, key=lambda span: span.first)


def pieces_of(faults: Sequence[str | None]) -> list[Span]:
    """The frames of a clip in runs with the same fault, or none."""
    edges = [0, *(k for k in range(1, len(faults)) if faults[k] != faults[k - 1]), len(faults)]
    return [Span(first, after, faults[first]) for first, after in pairwise(edges) if first < after]

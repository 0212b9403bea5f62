"""How far what curation found is from what is known to be true: plain functions over arrays, no models, no files.

Keypoints are (88, 3) in the project's schema, x and y in pixels here, confidence 0 where a point is not known. Boxes
are (x0, y0, x1, y1) in pixels.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipelines import keypoints as kp

Floats = NDArray[np.floating]
_WRIST = 0  # of the points of a hand


@dataclass(frozen=True)
class Agreement:
    """Counts of right findings, false findings and misses; seconds or frames may be counted, too."""

    right: float = 0
    false: float = 0
    missed: float = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(self.right + other.right, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """1 where nothing was found."""
        return self.right / (self.right + self.false) if self.right + self.false else 1.0

    @property
    def recall(self) -> float:
        """1 where there was nothing to find."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
        total = 2 * self.right + self.false + self.missed
        return 2 * self.right / total if total else 1.0


def cuts(found: Sequence[float], true: Sequence[float], tolerance: float) -> Agreement:
    """Found against true instants, each used once, of which two agree when they are at most `tolerance` apart.

    Walking both in order pairs as many as can be paired, as all tolerances are the same.
    """
    found, true = sorted(found), sorted(true)
    i = j = right = 0
    while i < len(found) and j < len(true):
        if abs(found[i] - true[j]) <= tolerance:
            i, j, right = i + 1, j + 1, right + 1
        elif found[i] < true[j]:
            i += 1
        else:
            j += 1
    return Agreement(right, len(found) - right, len(true) - right)


def exact_share(found: Sequence[int], true: Sequence[int]) -> float:
    """Share of the frames with exactly the true number of people. Raises: ValueError where there is no frame."""
    if not true or len(found) != len(true):
        raise ValueError(f"{len(found)} frames were counted, {len(true)} are labelled; both must be the same, over 0")
    return float(np.mean(np.equal(found, true)))


def match(found: Sequence[Floats], true: Sequence[Floats], least_iou: float = 0.3) -> list[tuple[int, int]]:
    """(index found, index true) of the boxes (4,) that belong together: the pairing of the largest total overlap."""
    if not found or not true:
        return []
    ious = np.array([[iou(a, b) for b in true] for a in found])
    rows, columns = linear_sum_assignment(-np.where(ious >= least_iou, ious, 0))
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if ious[a, b] >= least_iou]


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes (4,)."""
    both = float(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - both
    return both / union if union > 0 else 0.0


def right_points(found: Floats, true: Floats, size: float, share: float = 0.1) -> tuple[int, int]:
    """(body points in the right place, body points that are visible) of one person in one frame.

    PCK as of Yang & Ramanan (2013): a point is right when it is at most `share` of the person's size from its place.
    size: the longer side of the true box, pixels. A visible point that was not found is wrong.
    """
    found, true = found[kp.BODY_SLICE], true[kp.BODY_SLICE]
    visible = true[:, 2] > 0
    near = np.linalg.norm(found[:, :2] - true[:, :2], axis=1) <= share * size
    return int((near & (found[:, 2] > 0))[visible].sum()), int(visible.sum())


def swapped_hands(found: Floats, true: Floats) -> bool | None:
    """Whether a hand of one person in one frame lies on the other arm; None where that cannot be told.

    A hand is swapped when its wrist is nearer to the true wrist of the other side than to its own. It can be told where
    the true wrists are farther apart than half the size of a hand, as otherwise either place is right.
    """
    hands = {"left_hand": "right_hand", "right_hand": "left_hand"}
    places = {side: true[kp.PARTS[side]][_WRIST, :2] for side in hands}
    apart = float(np.linalg.norm(places["left_hand"] - places["right_hand"]))
    size = max(float(np.ptp(true[kp.PARTS[side], :2], axis=0).max()) for side in hands)
    seen = [side for side in hands if found[kp.PARTS[side], 2].any()]
    if not seen or apart <= size / 2:
        return None
    wrists = {side: found[kp.PARTS[side]][_WRIST, :2] for side in seen}
    return any(
        bool(np.linalg.norm(wrists[side] - places[hands[side]]) < np.linalg.norm(wrists[side] - places[side]))
        for side in seen
    )


def rejections(found: Sequence[str | None], true: Sequence[str | None], weight: float = 1.0) -> Agreement:
    """Of spans of equal length, `weight` long, which are rejected (a reason) and which kept (None), whatever the
    reason."""
    pairs = Counter((f is not None, t is not None) for f, t in zip(found, true, strict=True))
    return Agreement(*(weight * pairs[key] for key in ((True, True), (True, False), (False, True))))


def confusion(
    found: Sequence[str | None], true: Sequence[str | None], weight: float = 1.0
) -> dict[tuple[str, str], float]:
    """(true code, found code) -> length; "kept" for None. What stands behind the colon of a reason is left out."""
    pairs = Counter((_code(t), _code(f)) for f, t in zip(found, true, strict=True))
    return {pair: weight * count for pair, count in sorted(pairs.items())}


def per_reason(table: Mapping[tuple[str, str], float]) -> dict[str, Agreement]:
    """Of each code in a `confusion`, how well it was found."""
    codes = sorted({code for pair in table for code in pair})
    return {
        code: Agreement(
            right=table.get((code, code), 0),
            false=sum(length for (t, f), length in table.items() if f == code != t),
            missed=sum(length for (t, f), length in table.items() if t == code != f),
        )
        for code in codes
    }


def _code(reason: str | None) -> str:
    return "kept" if reason is None else reason.split(":")[0]


def same_sets(found: Iterable[Iterable[Hashable]], true: Iterable[Iterable[Hashable]]) -> Agreement:
    """Of all pairs of items, which lie in one set of duplicates."""
    ours, theirs = _pairs(found), _pairs(true)
    return Agreement(len(ours & theirs), len(ours - theirs), len(theirs - ours))


def _pairs(sets: Iterable[Iterable[Hashable]]) -> set[frozenset[Hashable]]:
    return {frozenset((a, b)) for items in map(list, sets) for i, a in enumerate(items) for b in items[:i] if a != b}

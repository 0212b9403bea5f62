"""Footage whose every label is known, and how pieces of it are joined and timed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]

# What a cell of `Footage.right` may hold beside the code of a reason for rejection.
ABSENT, UNCLEAR, KEPT = "", "?", "kept"
# What a cell of `Footage.there` may hold.
OUT, HARDLY, THERE = range(3)
CODE = "<U20"  # dtype of the cells


@dataclass(frozen=True)
class Cut:
    """A change of shot at `time` (s): the first frame of the next one, or the middle of a transition that takes `soft`
    seconds."""

    time: float
    soft: float = 0.0


@dataclass(frozen=True)
class Footage:
    """T frames with up to P people, of whom each has an index for the whole video.

    frames: RGB (T, H, W, 3). points: (T, P, 88, 3) in the project's schema, but in pixels; confidence 1 where a point
    is in the picture and not hidden. boxes: (T, P, 4) of the pixels that a person covers, or would cover were nobody
    in front; 0 where none. there: (T, P) int8, whether a person is in the picture: `OUT`, `THERE`, or `HARDLY` where
    that is a matter of opinion. right: (T, P) the right decision on each person: `KEPT`, the code of a reason to reject
    them, `UNCLEAR` where several are right, `ABSENT` where the person is out of the picture.
    source: (T,) seconds in the footage that this was made of, as far as copies are concerned.
    """

    frames: Frames
    fps: float
    points: Floats
    boxes: Floats
    there: NDArray[np.int8]
    right: NDArray[np.str_]
    source: Floats
    cuts: tuple[Cut, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.frames.shape[2], self.frames.shape[1]

    def frame(self, seconds: float) -> int:
        return round(seconds * self.fps)

    def __getitem__(self, chosen: NDArray[np.integer]) -> "Footage":
        """The frames with these rising indices, some of them perhaps more than once; hard cuts among them stay."""
        moved = [
            replace(cut, time=float(np.searchsorted(chosen, self.frame(cut.time))) / self.fps) for cut in self.cuts
        ]
        length = len(chosen) / self.fps
        return Footage(
            self.frames[chosen],
            self.fps,
            self.points[chosen],
            self.boxes[chosen],
            self.there[chosen],
            self.right[chosen],
            self.source[chosen],
            tuple(cut for cut in moved if 0 < cut.time < length),
        )

    def judged(self, code: str, start: float = 0.0, end: float = float("inf")) -> "Footage":
        """The same with a reason to reject everybody who is there in [start, end) seconds, unless there was one."""
        times = np.arange(len(self.frames)) / self.fps
        inside = ((times >= start) & (times < end))[:, None]
        return replace(self, right=np.where(inside & np.isin(self.right, (KEPT, UNCLEAR)), code, self.right))


def joined(parts: Sequence[Footage], soft: float = 0.0, through_black: bool = False) -> Footage:
    """Parts one after another: by hard cuts, or by transitions of `soft` seconds, in which nothing is clear.

    A transition mixes the end of one part with the beginning of the next, or goes through black, which takes half of
    its time from each.
    """
    whole = parts[0]
    for part in parts[1:]:
        whole = _faded(whole, part, soft, through_black) if soft else _cut(whole, part)
    return whole


def _cut(a: Footage, b: Footage) -> Footage:
    people = a.right.shape[1], b.right.shape[1]
    length = len(a.frames) / a.fps
    moved = tuple(replace(cut, time=cut.time + length) for cut in b.cuts)
    return Footage(
        np.concatenate([a.frames, b.frames]),
        a.fps,
        _apart(a.points, b.points, people),
        _apart(a.boxes, b.boxes, people),
        _apart(a.there, b.there, people),
        _apart(a.right, b.right, people),
        np.concatenate([a.source, length + b.source]).astype(np.float32),
        (*a.cuts, Cut(length), *moved),
    )


def _apart(a: NDArray[Any], b: NDArray[Any], people: tuple[int, int]) -> NDArray[Any]:
    """Arrays (T, P, ...) after each other; the people of the second part are others than those of the first."""
    whole = np.zeros((len(a) + len(b), sum(people), *a.shape[2:]), a.dtype)
    whole[: len(a), : people[0]], whole[len(a) :, people[0] :] = a, b
    return whole


def _faded(a: Footage, b: Footage, soft: float, through_black: bool) -> Footage:
    count = a.frame(soft)
    weight = (np.arange(1, count + 1, dtype=np.float32) / (count + 1))[:, None, None, None]
    if through_black:
        half = count // 2
        first, second = a.frames[-half:], b.frames[:half]
        out, into = 1 - 2 * weight[:half], 2 * weight[-half:] - 1
        a = replace(a, frames=np.concatenate([a.frames[:-half], (first * out).astype(np.uint8)]))
        b = replace(b, frames=np.concatenate([(second * into).astype(np.uint8), b.frames[half:]]))
        return replace(_unclear(_cut(a, b), len(a.frames) - half, 2 * half), cuts=_softened(a, b, soft, 0.0))
    mixed = (a.frames[-count:] * (1 - weight) + b.frames[:count] * weight).astype(np.uint8)
    whole = _cut(a, b[np.arange(count, len(b.frames))])
    whole = replace(whole, frames=np.concatenate([a.frames[:-count], mixed, b.frames[count:]]))
    return replace(_unclear(whole, len(a.frames) - count, count), cuts=_softened(a, b, soft, soft))


def _softened(a: Footage, b: Footage, soft: float, shared: float) -> tuple[Cut, ...]:
    length = len(a.frames) / a.fps
    moved = (replace(cut, time=cut.time + length - shared) for cut in b.cuts)
    return (*a.cuts, Cut(length - shared / 2, soft), *moved)


def _unclear(footage: Footage, first: int, count: int) -> Footage:
    right, there = footage.right.copy(), footage.there.copy()
    span = slice(first, first + count)
    right[span] = np.where(right[span] == ABSENT, ABSENT, UNCLEAR)
    there[span] = np.minimum(there[span], HARDLY)
    return replace(footage, right=right, there=there)

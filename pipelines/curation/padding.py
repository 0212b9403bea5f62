"""Pictures that only pad a video to a higher rate: 15 a second in a file of 25, telecine, every one shown twice.

They are an honest encoding, not a fault, and are left out while the video is decoded, so that all that follows sees the
content at its own rate. What is repeated irregularly stays, to be judged: a freeze, a stutter.

A pattern is a period of at most `_LONGEST` frames of which the same ones repeat the picture before, seen for three
periods. From a repeat an encoder makes up to a quarter of the change from one picture to the next. Where nothing moves
a pattern cannot be seen: it holds from where it is seen until a frame of it is no repeat.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Picture

_LONGEST = 8  # frames of a period: that of 15 pictures in 24 frames
_PERIODS, _FEWEST = 3, 12  # periods and frames in which a pattern is seen
_AHEAD = _LONGEST * _PERIODS
_APART = 3.0  # times the change at the repeats is that at the new pictures
_NOISE = 0.05  # grey levels, added to every change
_NEW, _CUT = 0.5, 2.0  # of the change at new pictures, from which a frame is no repeat: others, and key frames
_PAUSES = 1 / 12  # of the frames may be new and look like a repeat
_HELD_S = 0.15  # a picture that is shown for longer is held, however regularly


@dataclass(frozen=True)
class Timed:
    """A picture. time: when the file shows it. steady: when it would be shown at the content's own rate. Both in s."""

    time: float
    steady: float
    picture: Picture


@dataclass(frozen=True)
class Pattern:
    """repeats: for each frame of the period, whether it repeats the one before; frame n of the video is the
    (n % period)-th. change: median at the new pictures, grey levels."""

    repeats: tuple[bool, ...]
    change: float

    def repeated(self, number: int) -> bool:
        return self.repeats[number % len(self.repeats)]

    def fits(self, changes: NDArray[np.float64], number: int) -> bool:
        """Whether frames from this number on repeat as they should. changes: (T,), as for `pattern_of`."""
        repeats = np.take(self.repeats, np.arange(number, number + len(changes)), mode="wrap")
        pauses = (changes[~repeats] < self.change / _APART).sum()
        return not (changes[repeats] >= _NEW * self.change).any() and bool(pauses <= _PAUSES * len(changes))

    def delay(self, number: int) -> float:
        """By how many frames a new picture comes later than at a steady rate."""
        new = np.flatnonzero(~np.array(self.repeats))
        late = new - np.arange(len(new)) * len(self.repeats) / len(new)
        return float(late[new.searchsorted(number % len(self.repeats))] - late.mean())


def without_padding(pictures: Iterable[tuple[float, Picture]]) -> Iterator[Timed]:
    """Of (time, picture) in their order those that are not padding. `_AHEAD` pictures are held at a time."""
    coming = _changes(pictures)
    held = deque(islice(coming, _AHEAD))
    pattern: Pattern | None = None
    number, step_s, last = 0, 0.0, -np.inf
    while held:
        times = np.array([time for time, _, _ in held])
        step_s = float(np.median(np.diff(times))) if len(times) > 1 else step_s
        changes = np.array([change for _, _, change in held])
        keys = np.array([picture.frame.key_frame for _, picture, _ in held])
        told = np.where(keys, np.nan, changes)
        if pattern is None or not pattern.fits(told, number):
            pattern = pattern_of(told, number, step_s) or pattern
        if pattern and _breaks(pattern, changes, bool(keys[0]), number):
            pattern = None
        time, picture, _ = held.popleft()
        if pattern is None or not pattern.repeated(number):
            delay_s = pattern.delay(number) * step_s if pattern else 0.0
            last = max(last, time - delay_s)
            yield Timed(time, last, picture)
        held.extend(islice(coming, 1))
        number += 1


def pattern_of(changes: NDArray[np.float64], number: int, step_s: float) -> Pattern | None:
    """The pattern with the shortest period in which frames begin that change by so much; None where there is none.

    changes: (T,) grey levels, from the frame before each; nan at key frames, which are coded anew and look new.
    number: of the first. step_s: from frame to frame.
    """
    for period in range(2, _LONGEST + 1):
        count = max(_PERIODS, -(-_FEWEST // period)) * period
        if count > len(changes):
            return None
        table = changes[:count].reshape(-1, period) + _NOISE
        typical = np.sort(table, axis=0)[len(table) // 2]  # medians; what is not known counts as large
        if np.isnan(typical).any():
            continue
        ranked = np.sort(typical)
        ratios = ranked[1:] / ranked[:-1]
        split = int(ratios.argmax())
        if ratios[split] < _APART:
            continue
        repeats = typical <= ranked[split]
        new = float(np.median(typical[~repeats]))
        held = max(length for length in np.diff(np.flatnonzero(~np.tile(repeats, 3))))
        pattern = Pattern(tuple(np.roll(repeats, number).tolist()), new)
        if held * step_s <= _HELD_S and pattern.fits(table.ravel(), number):
            return pattern
    return None


def _breaks(pattern: Pattern, changes: NDArray[np.float64], is_key: bool, number: int) -> bool:
    """Whether the first of these frames should repeat the one before and does not."""
    if not pattern.repeated(number):
        return False
    new = [change for ahead, change in enumerate(changes) if not pattern.repeated(number + ahead)]
    if not new:
        return False
    least = (_CUT if is_key else _NEW) * (float(np.median(new)) + _NOISE)
    return bool(changes[0] + _NOISE >= max(_APART * _NOISE, least))


def _changes(pictures: Iterable[tuple[float, Picture]]) -> Iterator[tuple[float, Picture, float]]:
    """(time, picture, mean absolute difference of its brightness from that of the one before; infinite at first)."""
    before: NDArray[np.int16] | None = None
    for time, picture in pictures:
        glimpse = picture.glimpse().astype(np.int16)
        if before is None or before.shape != glimpse.shape:
            yield time, picture, np.inf
        else:
            yield time, picture, float(np.abs(glimpse - before).mean())
        before = glimpse

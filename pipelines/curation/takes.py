"""The stretches of a video without a cut, and who is in them.

The picture alone says where most cuts are (see shots.py). Where it only jumps, the people decide: if nobody of the
frame before is there at most a step further, it is a cut.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pipelines.curation.shots import Moment
from pipelines.curation.tracker import Track, Tracker


@dataclass(frozen=True)
class Take:
    """start_s, end_s: seconds from the video's first frame. times: of the frames in which people were looked for.
    tracks: their indices are those of the times."""

    start_s: float
    end_s: float
    times: list[float]
    tracks: list[Track]


def takes(watched: Iterator[Moment], make_tracker: Callable[[], Tracker]) -> Iterator[Take]:
    """In order, each as soon as it has ended. Moments of soft transitions belong to none."""
    for _, shot in groupby((moment for moment in watched if moment.shot is not None), lambda moment: moment.shot):
        yield from _of_shot(shot, make_tracker)


def _of_shot(shot: Iterator[Moment], make_tracker: Callable[[], Tracker]) -> Iterator[Take]:
    tracker, times = make_tracker(), list[float]()
    start: float | None = None
    end = 0.0
    jumped: float | None = None
    for moment in shot:
        start = moment.time if start is None else start
        jumped = moment.time if moment.jump and jumped is None else jumped
        if moment.frame is not None:
            if jumped is not None and not tracker.goes_on(len(times), moment.frame):
                yield _take(start, jumped, times, tracker)
                tracker, times, start = make_tracker(), [], jumped
            jumped = None
            tracker.step(len(times), moment.frame)
            times.append(round(moment.time, 4))
        end = moment.until
    yield _take(start or 0.0, end, times, tracker)


def _take(start: float, end: float, times: list[float], tracker: Tracker) -> Take:
    return Take(round(start, 4), round(end, 4), times, tracker.finish())

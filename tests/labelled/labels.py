"""The labels of a video, as a file beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.labelled.footage import ABSENT, HARDLY, KEPT, THERE, UNCLEAR, Cut, Floats, Footage

_SHORT_S, _SLACK_S = 1.0, 0.2  # a clip must be so long; up to so much longer it is unclear what is right
_EDGE_S = 0.25  # nearer to a change of what is right either is


@dataclass(frozen=True)
class Labels:
    """What is true of a video of T frames with P people.

    factor: what the video is about. cuts: see `Cut`. points (T, P, 88, 3), boxes (T, P, 4), there and right (T, P): see
    `Footage`. family: videos with the same one show the same recording, at the times source (T,) of it, in seconds.
    """

    name: str
    factor: str
    family: str
    size: tuple[int, int]
    fps: float
    cuts: tuple[Cut, ...]
    points: Floats
    boxes: Floats
    there: NDArray[np.int8]
    right: NDArray[np.str_]
    source: Floats

    @classmethod
    def of(cls, footage: Footage, name: str, factor: str, family: str) -> "Labels":
        shots = _shots(footage)
        right = _eased(_too_short(footage.right, shots, footage.fps), footage.fps)
        return cls(
            name, factor, family, footage.size, footage.fps, footage.cuts, footage.points, footage.boxes,
            footage.there, right, footage.source,
        )  # fmt: skip

    @property
    def count(self) -> NDArray[np.int64]:
        """(T,) people in each frame, -1 where that is a matter of opinion."""
        return np.where((self.there == HARDLY).any(1), -1, (self.there == THERE).sum(1))

    def save(self, path: Path) -> None:
        cuts = np.array([(cut.time, cut.soft) for cut in self.cuts], np.float64).reshape(-1, 2)
        about = {name: np.array(getattr(self, name)) for name in self.__dataclass_fields__ if name != "cuts"}
        np.savez_compressed(path, cuts=cuts, **about)

    @classmethod
    def load(cls, path: Path) -> "Labels":
        with np.load(path, allow_pickle=False) as file:
            words = {name: str(file[name]) for name in ("name", "factor", "family")}
            arrays = {name: file[name] for name in ("points", "boxes", "there", "right", "source")}
            width, height = map(int, file["size"])
            cuts = tuple(Cut(float(time), float(soft)) for time, soft in file["cuts"])
            return cls(size=(width, height), fps=float(file["fps"]), cuts=cuts, **words, **arrays)


def _shots(footage: Footage) -> NDArray[np.int64]:
    """(T,) index of the shot of each frame."""
    times = np.arange(len(footage.frames)) / footage.fps
    return np.searchsorted([cut.time for cut in footage.cuts], times + 1e-6)


def _too_short(right: NDArray[np.str_], shots: NDArray[np.int64], fps: float) -> NDArray[np.str_]:
    """What may be kept, but not for long enough, is too short."""
    judged = right.copy()
    for person in range(right.shape[1]):
        column = right[:, person]
        for span in _runs(np.isin(column, (KEPT, UNCLEAR)), shots):
            if (span.stop - span.start) / fps < _SHORT_S and (column[span] == KEPT).any():
                judged[span, person] = "too_short"
        for span in _runs(column == KEPT, shots):
            if (span.stop - span.start) / fps < _SHORT_S + _SLACK_S and judged[span.start, person] == KEPT:
                judged[span, person] = UNCLEAR
    return judged


def _eased(right: NDArray[np.str_], fps: float) -> NDArray[np.str_]:
    """Nobody can tell to the frame where a decision must change."""
    eased, reach = right.copy(), round(_EDGE_S * fps)
    for person in range(right.shape[1]):
        column = right[:, person]
        for t in np.flatnonzero(column[1:] != column[:-1]) + 1:
            if ABSENT not in column[t - 1 : t + 1]:
                eased[max(0, t - reach) : t + reach, person] = UNCLEAR
    eased[right == ABSENT] = ABSENT
    return eased


def _runs(wanted: NDArray[np.bool_], shots: NDArray[np.int64]) -> Iterator[slice]:
    """Spans of wanted frames, each within one shot."""
    state = np.where(wanted, shots, -1)
    edges = [0, *(np.flatnonzero(np.diff(state)) + 1).tolist(), len(state)]
    for first, after in pairwise(edges):
        if state[first] >= 0:
            yield slice(first, after)

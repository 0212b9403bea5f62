"""What a player does between the file and the screen, so that everything here sees what the viewer sees.

Which stream is the video, when each frame is shown, pixels that are not square, pictures that are turned or mirrored.
What a player would do and this does not is refused by name.
"""

import heapq
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.fields import without_combs
from pipelines.errors import DataError

# Containers with an index of times, or with so many times that one can be searched for. In others what follows a seek
# may have the times of other frames (MPEG-PS) or none that are its own (AVI): they are read from the start.
_SOUGHT = ("mov,", "matroska,", "mpegts", "flv", "asf")
_NUMBERED = "avi"  # when its packets are shown only the decoder tells
# Containers of photos, and of one photo or of pictures that move; FFmpeg's names, and the brands of the last.
_PHOTOS, _MOVES_OR_NOT = ("image2", "_pipe"), ("gif", "apng", "webp_anim")
_PHOTO_BRANDS = frozenset({"avif", "heic", "heix", "mif1"})
_BROADCAST = ("mpegts", "mpeg")  # whose clocks may be set while they run
_FIRST_STEP_S = 1.0  # by which a seek that landed too late is tried again, then by twice as much
_LATE_S = 0.5  # what is so much earlier than what came before was not filmed in one go,
_GAP_S = 10.0  # nor, where a clock may be set, what is so much later
_TURN_TOLERANCE = 2.0  # degrees
_SQUARE, _WIDEST = 0.005, 4.0  # pixels that are so nearly square are; wider or narrower ones than those are an error
_SAME_SHAPE = 0.02  # by which the aspects of two resolutions may differ and only be rounded

A_PHOTO = "is a photo; only videos can be ingested"
NO_TIMES = "has frames without time stamps; convert it to H.264 in MP4"


@dataclass(frozen=True)
class Screen:
    """How frames are shown. size: (width, height) in pixels as the viewer sees them. A frame is turned upside down if
    `flipped`, then counter-clockwise by `turns` quarters."""

    size: tuple[int, int]
    flipped: bool
    turns: int

    def coded_size(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """(width, height), before it is turned, of a picture that is shown at `size`; None: as large as the video."""
        width, height = size or self.size
        return (height, width) if self.turns % 2 else (width, height)

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (H, W, 3) as it is coded, the right way up."""
        return np.ascontiguousarray(np.rot90(picture[::-1] if self.flipped else picture, self.turns))


class Video:
    """A video that is open, see `opened`. Times count from its first frame, which is decoded at once.

    container, stream: PyAV's. first: the first frame. origin: its time in the file, in units of the stream.
    """

    def __init__(self, path: Path, container: Any) -> None:
        self.path, self.container = path, container
        self.stream = video_stream(path, container)
        self.stream.codec_context.thread_count = 1
        self.stream.codec_context.options = {"export_side_data": "venc_params"}  # for `Picture.quantiser`
        self._all = self._decoded()
        found = next(self._all, None)
        if found is None or not found[1].width or not found[1].height:
            raise DataError(f"{path}: no frame can be decoded; convert it to H.264 or copy it again")
        self.origin, self.first = found
        self._unread: list[tuple[int, Any]] | None = [found]
        self._shape = self._shape_of(self.first)
        self.screen = screen_of(path, self.stream, self.first)

    @property
    def is_sought(self) -> bool:
        """Whether a time in it can be found without reading all that is before."""
        return str(self.container.format.name).startswith(_SOUGHT)

    def frames(self, start: float = 0.0) -> Iterator[tuple[float, Any]]:
        """(seconds from the first frame, frame) with rising times, from a key frame before `start` (s) on.

        Raises: DataError where the video becomes another one.
        """
        frames = self._sought(start) if start > 0 and self.is_sought else None
        if frames is None and self._unread is None:
            with opened(self.path) as again:
                yield from again.frames()
            return
        frames = chain(self._unread or (), self._all) if frames is None else frames
        self._unread = None
        yield from without_combs(self._in_one_go(frames))

    def _sought(self, start: float) -> Iterator[tuple[int, Any]] | None:
        """Frames from a key frame before `start` on; None where only reading from the start leads to one.

        A seek may land behind its aim, and what is shown before the first key frame may lack what it was coded from.
        """
        from av.error import FFmpegError

        self._unread = None
        wanted, back = self.origin + start / self.stream.time_base, 0.0
        while back < start:
            try:
                self.container.seek(int(wanted - Fraction(back) / self.stream.time_base), stream=self.stream)
                frames = self._decoded()
                landed = next((found for found in frames if found[1].key_frame), None)
            except FFmpegError:
                return None
            if landed is not None and landed[0] <= wanted:
                return chain((landed,), frames)
            back = 2 * back or _FIRST_STEP_S
        return None

    def _decoded(self) -> Iterator[tuple[int, Any]]:
        """(time in units of the stream, frame) in the order in which frames are shown."""
        numbers: list[int] | None = [] if is_numbered(self.container) else None
        for packet in self.container.demux(self.stream):
            if numbers is not None and packet.size and packet.dts is not None:
                heapq.heappush(numbers, packet.dts)
            for frame in packet.decode():
                ticks = frame.pts if numbers is None else heapq.heappop(numbers) if numbers else None
                if ticks is None:
                    raise DataError(f"{self.path}: {NO_TIMES}")
                yield ticks, frame

    def _in_one_go(self, frames: Iterator[tuple[int, Any]]) -> Iterator[tuple[float, Any]]:
        """What was filmed in one go, with times in seconds; a frame that comes a little late is not shown."""
        last = -1.0
        for ticks, frame in frames:
            time = float((ticks - self.origin) * self.stream.time_base)
            if jumps(last, time, math.inf):
                raise DataError(f"{self.path}: {clock_jumps(last, time)}")
            if abs(self._shape_of(frame) / self._shape - 1) > _SAME_SHAPE:
                old, new = (f"{one.width} x {one.height}" for one in (self.first, frame))
                raise DataError(
                    f"{self.path}: its picture changes its shape at {time:.2f} s ({old} pixels at first, then {new}); "
                    "cut it there and ingest the parts"
                )
            if time >= last:
                yield time, frame
                last = time

    def _shape_of(self, frame: Any) -> float:
        """Width by height as the stream says, which may say otherwise later on."""
        return float(frame.width / frame.height * (self.stream.codec_context.sample_aspect_ratio or 1))


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """Raises: DataError where the file holds no video, or one that cannot be shown as a player shows it."""
    with open_container(path) as container:
        yield Video(path, container)


@contextmanager
def from_start(video: Video) -> Iterator[Any]:
    """The container of a video, as if it were new: only in MP4 does a seek surely lead to the first packet."""
    if video.container.format.name.startswith(_SOUGHT[0]):
        video.container.seek(0)
        yield video.container
        return
    with open_container(video.path) as again:
        yield again


def open_container(path: Path) -> Any:
    """PyAV's, the header read. A sound one needs little memory for that: one that finds none is damaged."""
    import av

    try:
        return av.open(str(path), metadata_errors="replace")
    except MemoryError:  # no cause, which would let the engine try it again
        raise DataError(f"{path}: its header is damaged (it asks for too much memory); copy it again") from None


def video_stream(path: Path, container: Any) -> Any:
    """The first stream that moves: covers are streams, too. Raises: DataError where there is none that can be read."""
    from av.stream import Disposition

    if container.format.name.endswith(_PHOTOS):
        raise DataError(f"{path}: {A_PHOTO}")
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    stream = next((one for one in container.streams.video if not one.disposition & still), None)
    if stream is None:
        raise DataError(f"{path}: has no video stream; only videos can be ingested")
    if stream.codec_context is None:
        raise DataError(f"{path}: is coded in a way that cannot be read; convert it to H.264 in MP4")
    return stream


def screen_of(path: Path, stream: Any, frame: Any) -> Screen:
    """How a player shows a stream that begins with this frame. Raises: DataError for what no player should be asked."""
    from av.sidedata.sidedata import Type

    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _WIDEST <= aspect <= _WIDEST:
        raise DataError(
            f"{path}: its pixels are said to be {aspect:g} times as wide as high; convert it to H.264 in MP4"
        )
    width, height = frame.width, frame.height
    if aspect > 1 + _SQUARE:
        width = round(width * aspect)
    elif aspect < 1 - _SQUARE:
        height = round(height / aspect)
    # FFmpeg reports how far the player must turn the picture counter-clockwise and leaves it to us.
    turns = round(frame.rotation / 90)
    if abs(frame.rotation - 90 * turns) > _TURN_TOLERANCE:
        raise DataError(
            f"{path}: is shown turned by {frame.rotation} degrees; convert it to H.264 in MP4 the right way up"
        )
    matrix = side_data(frame, Type.DISPLAYMATRIX)
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist() if matrix else (1, 0, 0, 0, 1)
    return Screen((height, width) if turns % 2 else (width, height), a * d < b * c, turns)


def side_data(frame: Any, kind: Any) -> Any:
    """What was coded beside a frame, None where nothing was.

    PyAV gives none of it where FFmpeg knows a kind that PyAV does not: EXIF, views of spatial videos.
    """
    try:
        return frame.side_data.get(kind)
    except ValueError:
        return None


def is_still(container: Any, frames: int) -> bool:
    """Whether a file with so many frames is a photo although its container may hold a video."""
    may = container.format.name in _MOVES_OR_NOT or container.metadata.get("major_brand") in _PHOTO_BRANDS
    return may and frames == 1


def is_numbered(container: Any) -> bool:
    """Whether packets have numbers, in the order in which they are decoded, and no times."""
    return bool(container.format.name == _NUMBERED)


def promises_length(container: Any) -> bool:
    """Whether the header tells how long the video is; where it cannot, FFmpeg has guessed."""
    return container.format.name not in _BROADCAST


def longest_gap(container: Any) -> float:
    """Seconds by which a clock may go ahead from one packet to the next."""
    return _GAP_S if container.format.name in _BROADCAST else math.inf


def jumps(before: float, after: float, gap: float) -> bool:
    """Whether a clock goes from one time (s) to another as no camera's does. gap: see `longest_gap`."""
    return not before - _LATE_S <= after <= before + gap


def clock_jumps(before: float, after: float) -> str:
    """What is said of such a file."""
    return (
        f"its clock jumps from {before:.2f} to {after:.2f} s, as where recordings were joined; "
        "cut it there and ingest the parts"
    )

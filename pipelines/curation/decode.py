"""Video decoding behind two small protocols, so that a decoder can be exchanged in one place.

`PyAvDecoder` streams a span of any video that FFmpeg reads, as a player shows it (see `playback`); sampling goes by
time and is therefore right for variable frame rates. `DecordDecoder` picks single frames out of curated clips, where
it is the fastest at random access.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.playback import Screen, Video, opened, side_data
from pipelines.curation.tone import HDR, tone_mapped
from pipelines.errors import DataError
from pipelines.manifest import Row
from pipelines.workspace import Workspace

Frame = NDArray[np.uint8]
T = TypeVar("T")
_SAME_TIME = 2e-4
_H264 = 1  # FFmpeg's AV_VIDEO_ENC_PARAMS_H264
_JUMP_S = 8.0  # a longer stretch is jumped over: it holds a key frame to go on from, as a rule


class SequentialDecoder(Protocol):
    def frames(self, path: Path, start: float = 0.0, end: float = math.inf) -> Iterator[tuple[float, Frame]]:
        """(seconds from the first frame, RGB (H,W,3)) of the frames in [start, end), in order."""
        ...


class SparseDecoder(Protocol):
    def __len__(self) -> int: ...

    def get_batch(self, indices: Sequence[int]) -> Frame:
        """RGB (N,H,W,3) of the frames with these indices."""
        ...


def video_path(workspace: Workspace, row: Row) -> Path:
    """Local path of a row of the `videos` manifest."""
    return workspace.local(row["path"]) if row["path"] else Path(row["url"])


def deadline_s(video: Row) -> float:
    """Seconds after which a worker that looks at this video is taken to hang: many times what it needs.

    video: a row with `duration` (s).
    """
    return 300.0 + 60.0 * float(video["duration"])


def bounded_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Even size with the same aspect whose longest side is at most `longest` pixels; never larger than the original."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@dataclass(frozen=True)
class Picture:
    """A decoded frame that is turned into RGB only at the sizes that are asked for."""

    frame: Any
    screen: Screen

    def rgb(self, size: tuple[int, int] | None = None) -> Frame:
        """RGB (H, W, 3) as the viewer sees it. size: (width, height) as displayed, in pixels; None: the video's."""
        width, height = self.screen.coded_size(size)
        transfer = self.frame.color_trc
        layout = "rgb48le" if transfer in HDR else "rgb24"
        picture = self.frame.reformat(width=width, height=height, format=layout, interpolation="AREA").to_ndarray()
        return self.screen.upright(tone_mapped(picture, transfer) if transfer in HDR else picture)

    def glimpse(self) -> NDArray[np.uint8]:
        """Brightness of every fourth pixel of every fourth line, as it is coded: nothing is averaged away."""
        planar = self.frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "gray"))
        grey = (
            self.frame if planar and self.frame.format.components[0].bits == 8 else self.frame.reformat(format="gray")
        )
        plane = grey.planes[0]
        lines = np.frombuffer(plane, np.uint8)[: plane.line_size * grey.height].reshape(grey.height, -1)
        return lines[::4, : grey.width : 4]

    def quantiser(self) -> float | None:
        """Mean quantisation parameter of the luma blocks, 0 (lossless) to 51; None where it is not H.264."""
        from av.sidedata.sidedata import Type

        coded = side_data(self.frame, Type.VIDEO_ENC_PARAMS)
        return float(coded.qp_map().mean()) if coded and coded.codec_type == _H264 and coded.nb_blocks else None


@dataclass(frozen=True)
class PyAvDecoder:
    """fps: take the frames nearest to a grid of so many per second (no frame twice); None takes all.
    size: output (width, height) as displayed, in pixels; None keeps the original."""

    fps: float | None = None
    size: tuple[int, int] | None = None

    def frames(self, path: Path, start: float = 0.0, end: float = math.inf) -> Iterator[tuple[float, Frame]]:
        """See `SequentialDecoder`. Raises: DataError where the file cannot be decoded."""
        for time, picture in nearest_to_grid(pictures(path, start), self.fps):
            if time >= end - 1e-6:
                return
            if time >= start - 1e-6:
                yield time, picture.rgb(self.size)


def pictures(path: Path, start: float = 0.0) -> Iterator[tuple[float, Picture]]:
    """(seconds from the first frame, picture), from a key frame before `start` on.

    Raises: DataError where the file cannot be decoded.
    """
    with _decoding(path) as video:
        yield from _pictures(video, start)


def pictures_at(path: Path, times: Sequence[float]) -> Iterator[Picture]:
    """The pictures with these rising times (as `pictures` gave them, to a tenth of a millisecond).

    It takes one pass that jumps over long stretches which nobody wants.

    Raises: DataError where the file cannot be decoded or has no such picture.
    """
    if not times:
        return
    with _decoding(path) as video:
        long = [index for index in range(1, len(times)) if times[index] - times[index - 1] > _JUMP_S]
        for first, after in pairwise([0, *(long if video.is_sought else ()), len(times)]):
            yield from _run_of_pictures(video, times[first:after])


def _run_of_pictures(video: Video, times: Sequence[float]) -> Iterator[Picture]:
    """What a seek has led past is looked for once more, from the start."""
    found = 0
    for start in (max(0.0, times[0] - _SAME_TIME), 0.0):
        for time, picture in _pictures(video, start):
            if time > times[found] + _SAME_TIME:
                break
            if abs(time - times[found]) <= _SAME_TIME:
                yield picture
                found += 1
                if found == len(times):
                    return
    raise DataError(f"{video.path}: has no frame at {times[found]} s any more; ingest it again")


@contextmanager
def _decoding(path: Path) -> Iterator[Video]:
    from av.error import FFmpegError

    try:
        with opened(path) as video:
            yield video
    except FFmpegError as error:
        raise DataError(f"{path}: cannot be decoded ({error}); copy it again or convert it to H.264") from error


def _pictures(video: Video, start: float) -> Iterator[tuple[float, Picture]]:
    for time, frame in video.frames(start):
        yield time, Picture(frame, video.screen)


def nearest_to_grids(
    frames: Iterator[tuple[float, T]], rates: Sequence[float | None]
) -> Iterator[tuple[float, T, tuple[bool, ...]]]:
    """Of (time, item) pairs with rising times those that are nearest to a time k / rate, for any of the rates.

    Each comes once, with the rates that it is for (a flag per rate). A rate of None takes all.
    """
    held: tuple[float, T] | None = None
    due: list[int] = []
    for time, item in frames:
        if held is None:
            due = [0 if fps is None else math.ceil(time * fps - 0.5) for fps in rates]
        else:
            middle = (held[0] + time) / 2
            taken = tuple(fps is None or k / fps <= middle for k, fps in zip(due, rates, strict=True))
            due = [
                math.floor(middle * fps) + 1 if fps is not None and chosen else k
                for k, fps, chosen in zip(due, rates, taken, strict=True)
            ]
            if any(taken):
                yield *held, taken
        held = time, item
    if held is not None:
        # Half a step of tolerance: the last frame is shown until the video ends.
        taken = tuple(fps is None or held[0] >= (k - 0.5) / fps for k, fps in zip(due, rates, strict=True))
        if any(taken):
            yield *held, taken


def nearest_to_grid(frames: Iterator[tuple[float, T]], fps: float | None) -> Iterator[tuple[float, T]]:
    """See `nearest_to_grids`, for one rate."""
    for time, item, _ in nearest_to_grids(frames, (fps,)):
        yield time, item


class DecordDecoder:
    """Random access to one video. source: a path, or the bytes of the file. Raises: DataError where it is no video."""

    def __init__(self, source: Path | bytes) -> None:
        import io

        import decord

        self._name = str(source) if isinstance(source, Path) else f"video of {len(source)} bytes"
        try:
            file = str(source) if isinstance(source, Path) else io.BytesIO(source)
            self._reader = decord.VideoReader(file, ctx=decord.cpu(0), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise DataError(f"{self._name}: is not a video that can be decoded; make it again") from error

    def __len__(self) -> int:
        return len(self._reader)

    def get_batch(self, indices: Sequence[int]) -> Frame:
        """RGB (N,H,W,3). Raises: DataError for an index beyond the end or damaged content."""
        import decord

        if not all(0 <= index < len(self) for index in indices):
            raise DataError(f"{self._name}: has {len(self)} frames, not all of {list(indices)}; correct its row")
        try:
            frames: Frame = self._reader.get_batch(list(indices)).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise DataError(f"{self._name}: is damaged; make it again") from error
        return frames

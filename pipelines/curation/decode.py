"""Video decoding behind two small protocols, so that a decoder can be exchanged in one place.

`PyAvDecoder` streams a span of any video that FFmpeg reads; rotation and time stamps are handled, sampling goes by
time and is therefore right for variable frame rates. `DecordDecoder` picks single frames out of curated clips, where
it is the fastest at random access.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.manifest import Row
from pipelines.workspace import Workspace

Frame = NDArray[np.uint8]
_SAME_TIME = 2e-4


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


def bounded_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Even size with the same aspect whose longest side is at most `longest` pixels; never larger than the original."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@dataclass(frozen=True)
class PyAvDecoder:
    """fps: take the frames nearest to a grid of so many per second (no frame twice); None takes all.
    size: output (width, height) as displayed, in pixels; None keeps the original."""

    fps: float | None = None
    size: tuple[int, int] | None = None

    def frames(self, path: Path, start: float = 0.0, end: float = math.inf) -> Iterator[tuple[float, Frame]]:
        """See `SequentialDecoder`. Raises: DataError where the file cannot be decoded."""
        from av.error import FFmpegError

        try:
            for time, frame in nearest_to_grid(_timed_frames(path, start), self.fps):
                if time >= end - 1e-6:
                    return
                if time >= start - 1e-6:
                    yield time, self._to_rgb(frame)
        except FFmpegError as error:
            raise DataError(f"{path}: cannot be decoded ({error}); copy it again or convert it to H.264") from error

    def frames_at(self, path: Path, times: Sequence[float]) -> Iterator[Frame]:
        """The frames with these rising times (as `frames` gave them, to a tenth of a millisecond).

        Raises: DataError where the file cannot be decoded or has no such frame.
        """
        from av.error import FFmpegError

        waiting = iter(times)
        wanted = next(waiting, None)
        try:
            for time, frame in _timed_frames(path, max(0.0, times[0] - _SAME_TIME) if times else 0.0):
                if wanted is None:
                    return
                if abs(time - wanted) < _SAME_TIME:
                    yield self._to_rgb(frame)
                    wanted = next(waiting, None)
        except FFmpegError as error:
            raise DataError(f"{path}: cannot be decoded ({error}); copy it again or convert it to H.264") from error
        if wanted is not None:
            raise DataError(f"{path}: has no frame at {wanted} s any more; ingest it again")

    def _to_rgb(self, frame: Any) -> Frame:
        turned = bool(frame.rotation % 180)
        width, height = self.size or (frame.width, frame.height)
        if self.size and turned:
            width, height = height, width
        scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        # FFmpeg reports how far the player must turn the picture counter-clockwise and leaves it to us.
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), round(frame.rotation / 90)))


def _timed_frames(path: Path, start: float) -> Iterator[tuple[float, Any]]:
    """(seconds from the first frame, undecoded-to-RGB frame), from the key frame before `start` on."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise DataError(f"{path}: has no video stream; remove it from the sources")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        origin = stream.start_time or 0
        if start > 0:
            container.seek(origin + int(start / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.pts is None:
                raise DataError(f"{path}: has frames without time stamps; convert it to H.264 in MP4")
            yield float((frame.pts - origin) * stream.time_base), frame


def nearest_to_grid(frames: Iterator[tuple[float, Any]], fps: float | None) -> Iterator[tuple[float, Any]]:
    """Of (time, item) pairs with rising times those nearest to the times k / fps, each once; all where fps is None."""
    if fps is None:
        yield from frames
        return
    held: tuple[float, Any] | None = None
    due = 0
    for time, item in frames:
        if held is None:
            due = math.ceil(time * fps - 0.5)
        elif due / fps <= (held[0] + time) / 2:
            yield held
            due = math.floor((held[0] + time) / 2 * fps) + 1
        held = time, item
    # Half a step of tolerance: the last frame is shown until the video ends.
    if held is not None and held[0] >= (due - 0.5) / fps:
        yield held


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

"""Interlaced video: every frame holds two moments, one in its odd and one in its even lines.

FFmpeg's bwdif draws the first moment whole from its lines and from the frames around, so that frames and times stay.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any


def without_combs(frames: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    """(time, frame) as they come where no frame is interlaced; from the first one on, those that are drawn anew.

    A frame is the same wherever one begins to read, but for the first: bwdif looks at the one before.
    """
    drawn: _Bwdif | None = None
    before: Any = None
    for time, frame in frames:
        if drawn is not None and not drawn.takes(frame):
            yield from drawn.rest()
            drawn = before = None
        if drawn is None and frame.interlaced_frame:
            drawn = _Bwdif(frame)
            if before is not None and drawn.takes(before):
                drawn.shows(before)
        if drawn is None:
            yield time, frame
            before = frame
        else:
            yield from drawn.frames(time, frame)
    if drawn is not None:
        yield from drawn.rest()


class _Bwdif:
    """The filter for frames like this one. It gives every frame when it has the next one."""

    def __init__(self, frame: Any) -> None:
        from av.filter import Graph

        self._kind = _kind(frame)
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        nodes = (source, self._graph.add("bwdif", "mode=send_frame:deint=interlaced"), self._graph.add("buffersink"))
        self._graph.link_nodes(*nodes).configure()
        self._times: deque[float | None] = deque()  # of the frames in the filter; None for one that is shown already

    def takes(self, frame: Any) -> bool:
        return _kind(frame) == self._kind

    def shows(self, frame: Any) -> None:
        """Give it a frame that only shows what was before."""
        self._times.append(None)
        self._graph.vpush(frame)

    def frames(self, time: float, frame: Any) -> Iterator[tuple[float, Any]]:
        self._times.append(time)
        self._graph.vpush(frame)
        yield from self._ready()

    def rest(self) -> Iterator[tuple[float, Any]]:
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[tuple[float, Any]]:
        from av.error import BlockingIOError, EOFError

        while self._times:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return
            time = self._times.popleft()
            if time is not None:
                yield time, frame


def _kind(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name

"""The one way in which the project writes video."""

import heapq
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.sound import Sound, sound_packets

# Bit-exact muxing leaves out the encoder's version; the encoder itself repeats itself on one thread only.
_MUXER = {"fflags": "+bitexact"}
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers


def encode_mp4(frames: Iterable[NDArray[np.uint8]], fps: float, crf: int = 16) -> bytes:
    """H.264 in MP4, the same bytes every time.

    frames: RGB uint8 (H, W, 3), H and W even. crf: quality, lower is better.
    Raises: ValueError where there is no frame.
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", container_options=_MUXER) as container:
        stream = _h264(container, fps, crf)
        count = 0
        for frame in frames:
            if not count:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            count += 1
        if not count:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode(None))
    return buffer.getvalue()


@contextmanager
def write_segment(path: Path, time_base: Fraction, fps: float) -> Iterator[Callable[[int, NDArray[np.uint8]], None]]:
    """Give a function that adds a frame to a part of a longer video, see `join`; the same bytes every time.

    It takes the frame's time, in `time_base` and rising, and the frame: RGB uint8 (H, W, 3), H and W even. fps: about
    how many there are per second.
    """
    import av

    first: int | None = None
    with av.open(str(path), "w", format="mp4", container_options=_MUXER) as container:
        stream = _h264(container, fps, 16)
        # A third of the time for .6 dB and 6 % more bytes; a picture takes not much longer to paint than to encode.
        # Without frames that look ahead a packet is a frame, so that parts can be joined at any times.
        stream.options = stream.options | {"preset": "veryfast", "bf": "0"}
        context = stream.codec_context
        stream.time_base = context.time_base = time_base
        # Players take what says nothing for BT.709 where it is large, and show other colours than the photo's.
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED

        def write(tick: int, frame: NDArray[np.uint8]) -> None:
            nonlocal first
            if first is None:
                first = tick
                stream.height, stream.width = frame.shape[:2]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            picture.pts, picture.time_base = tick - first, time_base
            container.mux(stream.encode(picture))

        yield write
        container.mux(stream.encode(None))


def join(
    path: Path,
    segments: Sequence[Path],
    ticks: Sequence[int],
    time_base: Fraction,
    sound: Sound | None = None,
    comment: str = "",
) -> None:
    """One mp4 of the segments of a video (see `write_segment`), without encoding them again; the same bytes every time.

    ticks: when each frame is shown, the first at 0, and when the last one ends: one more than there are frames.
    comment: what the file says of itself.
    Raises: DataError where the sound cannot be read.
    """
    import av

    with (
        av.open(str(segments[0])) as first,
        av.open(
            str(path), "w", format="mp4", options={"movflags": "+faststart"}, container_options=_MUXER
        ) as container,
    ):
        container.metadata["comment"] = comment
        stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = time_base
        packets = [_timed_packets(stream, segments, ticks, time_base)]
        if sound is not None:
            packets.append(sound_packets(container, sound))
        # In the order of time: the muxer holds what comes too early in memory.
        for _, packet in heapq.merge(*packets, key=lambda timed: timed[0]):
            container.mux(packet)


def _timed_packets(
    stream: Any, segments: Sequence[Path], ticks: Sequence[int], time_base: Fraction
) -> Iterator[tuple[float, Any]]:
    import av

    count = 0
    for segment in segments:
        with av.open(str(segment)) as part:
            for packet in part.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    packet.time_base = time_base
                    packet.pts = packet.dts = ticks[count]
                    packet.duration = ticks[count + 1] - ticks[count]
                    count += 1
                    yield float(packet.pts * time_base), packet


def _h264(container: Any, fps: float, crf: int) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    # A key frame per second, so that any second can be read without the ones before it. x264's look at how blocks
    # are used later (mbtree) reads memory that nobody wrote: at some sizes equal frames then give other bytes.
    options = {"crf": str(crf), "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
    stream.options = options | {"g": str(max(1, round(fps)))}
    return stream

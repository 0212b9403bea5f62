"""The sound of a video, cut to a stretch of it: as it is where mp4 holds it, else as AAC."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from pipelines.curation.playback import open_container, opened
from pipelines.errors import DataError

_HELD = {"aac", "ac3", "alac", "eac3", "mp3", "opus"}  # by mp4, and by its players
_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_TIME_BASE = Fraction(1, 48000)
Packets = Iterator[tuple[float, Any]]


@dataclass(frozen=True)
class Sound:
    """path: of the video. start, end: of the stretch, seconds from its first frame."""

    path: Path
    start: float
    end: float


def has_sound(path: Path) -> bool:
    """Whether a video has a stream of sound that can be read."""
    with open_container(path) as container:
        return bool(container.streams.audio) and container.streams.audio[0].codec_context is not None


def sound_packets(output: Any, sound: Sound) -> Packets:
    """(seconds from the start of the stretch, packet to be muxed) of a new stream of sound of an open container.

    The stream is added at once. Raises: DataError where the sound cannot be read.
    """
    with open_container(sound.path) as source:
        given = source.streams.audio[0]
        copies = given.codec_context.name in _HELD
        if copies:
            stream = output.add_stream_from_template(given)
        else:
            rate = given.codec_context.sample_rate
            stream = output.add_stream("aac", rate=rate if rate in _AAC_RATES else 48000)
            stream.codec_context.layout = "mono" if given.codec_context.channels == 1 else "stereo"
    return _packets(stream, sound, _copied if copies else _encoded)


def _packets(stream: Any, sound: Sound, written: Callable[..., Packets]) -> Packets:
    """A seek may land behind the beginning of the stretch: then the file is read from its start."""
    from av.error import FFmpegError

    try:
        with opened(sound.path) as video:
            origin = float(video.origin * video.stream.time_base) + sound.start
            tries = (True, False) if video.is_sought else (False,)
        for seeks in tries:
            with open_container(sound.path) as source:
                if seeks:
                    source.seek(max(0, int((origin - 1) * 1_000_000)))
                coming = (packet for packet in source.demux(source.streams.audio[0]) if packet.pts is not None)
                first = next(coming, None)
                if first is not None and (not seeks or float(first.pts * first.time_base) <= origin):
                    yield from written(chain((first,), coming), stream, origin, sound.end - sound.start)
                    return
    except FFmpegError as error:
        raise DataError(f"{sound.path}: its sound cannot be read ({error}); convert it to AAC, or remove it") from error


def _copied(packets: Iterator[Any], stream: Any, origin: float, seconds: float) -> Packets:
    for packet in packets:
        shift = round(origin / packet.time_base)
        time = float(packet.pts * packet.time_base) - origin
        if time >= seconds:
            return
        if packet.pts >= shift:
            packet.stream = stream
            packet.pts -= shift
            packet.dts = packet.pts
            yield time, packet


def _encoded(packets: Iterator[Any], stream: Any, origin: float, seconds: float) -> Packets:
    import av

    context = stream.codec_context
    resampler = av.AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate)
    for frame in chain.from_iterable(packet.decode() for packet in packets):
        time = None if frame.pts is None else float(frame.pts * frame.time_base) - origin
        if time is None or time < 0:
            continue
        if time >= seconds:
            break
        frame.pts, frame.time_base = round(time / _TIME_BASE), _TIME_BASE
        for part in resampler.resample(frame):
            yield from _timed(stream.encode(part))
    for part in resampler.resample(None):
        yield from _timed(stream.encode(part))
    yield from _timed(stream.encode(None))


def _timed(packets: list[Any]) -> Packets:
    for packet in packets:
        yield float(packet.pts * packet.time_base), packet

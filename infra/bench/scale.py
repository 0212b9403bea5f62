"""Suite `scale`: what grows with the length of a video and with the number of clips. Takes an hour.

The long video is one minute over and over: somebody moves for ten seconds, and nobody is there for the rest.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from infra.bench.results import Result
from infra.bench.workers import Worker
from pipelines.curation.decode import Frame, PyAvDecoder
from pipelines.curation.duplicates.search import packed, similar_pairs
from pipelines.curation.duplicates.signature import COEFFICIENTS
from pipelines.engine import Engine
from pipelines.synthesis.avatars import render_avatar_video
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace
from tests.labelled.found import curate

_MINUTES, _FPS, _SHOWN_S, _SIZE = 30, 24, 10, (1920, 1080)
_CLIPS, _FRESH, _LEAST = 1_000_000, 1000, 0.6


def run() -> Iterator[Result]:
    with Worker(_make_searcher) as searcher:
        seconds, mib = searcher.ask()
    against = f"{_FRESH} new clips against {_CLIPS} random appearances that look alike by chance only"
    yield Result("scale.seconds_per_1000_of_a_million_clips", seconds, "s", against, "lower")
    yield Result("scale.memory_for_a_million_clips", mib, "MiB", against, "lower")
    with tempfile.TemporaryDirectory() as folder:
        video = _long_video(Path(folder))
        with Worker(_make_curator) as curator:
            mib, kept = curator.ask(str(video), str(Path(folder) / "workspace"))
    yield Result(
        "scale.peak_memory_long_video",
        mib,
        "MiB",
        f"resident, of the process that curates {_MINUTES} minutes of 1080p, all models loaded; {kept} clips kept",
        "lower",
        1.5e9 / 2**20,
    )


def _peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _make_searcher() -> Callable[[], tuple[float, float]]:
    def search() -> tuple[float, float]:
        """(seconds, MiB more than before)."""
        draw = np.random.default_rng(0)
        before = _peak_mib()
        appearances = np.empty((_CLIPS, COEFFICIENTS), np.int8)
        for first in range(0, _CLIPS, 10_000):
            some = draw.standard_normal((10_000, COEFFICIENTS)).astype(np.float32)
            appearances[first : first + 10_000] = packed(some / np.linalg.norm(some, axis=1, keepdims=True))
        fresh = np.arange(_CLIPS) >= _CLIPS - _FRESH
        began = time.perf_counter()
        for _ in similar_pairs(appearances, np.arange(_CLIPS), fresh, _LEAST):
            pass
        return time.perf_counter() - began, _peak_mib() - before

    return search


def _make_curator() -> Callable[[str, str], tuple[float, int]]:
    def peak(video: str, folder: str) -> tuple[float, int]:
        """(MiB, kept clips)."""
        (found,) = curate(Workspace(folder), [Path(video)], Engine())
        clips = [clip for track in found.tracks for clip in track.clips]
        return _peak_mib(), sum(clip["reason"] is None for clip in clips)

    return peak


def _long_video(folder: Path) -> Path:
    """The minute is coded once, and its packets are written again and again."""
    import av

    minute, long = folder / "minute.mp4", folder / "long.mp4"
    minute.write_bytes(encode_mp4(_minute(folder), _FPS, 23))
    with av.open(str(minute)) as source, av.open(str(long), "w") as made:
        coded = source.streams.video[0]
        stream = made.add_stream_from_template(coded)
        packets = [packet for packet in source.demux(coded) if packet.dts is not None]
        length = round(60 / coded.time_base)
        for number in range(_MINUTES):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + number * length, packet.dts + number * length
                again.time_base, again.is_keyframe, again.stream = Fraction(coded.time_base), packet.is_keyframe, stream
                made.mux(again)
    return long


def _minute(folder: Path) -> Iterator[Frame]:
    """Somebody in the middle of a wide picture, then a place without anybody, in the noise of a camera."""
    width, height = _SIZE
    shown = folder / "shown.mp4"
    render_avatar_video(shown, seed=0, seconds=_SHOWN_S, fps=_FPS, size=height, framing="full")
    side = (width - height) // 2
    empty: Frame | None = None
    for _, frame in PyAvDecoder().frames(shown):
        wide = np.pad(frame, ((0, 0), (side, side), (0, 0)), mode="edge")
        empty = np.repeat(wide[:, :1], width, axis=1) if empty is None else empty
        yield wide
    assert empty is not None
    noise = np.random.default_rng(0).integers(-2, 3, (8, height, width, 1))
    noisy = [np.clip(empty + grain, 0, 255).astype(np.uint8) for grain in noise]
    for index in range((60 - _SHOWN_S) * _FPS):
        yield noisy[index % len(noisy)]

"""Videos that we write are the frames that went in, and the same bytes each time."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from talking_video import heard_at, write_talking

from pipelines.curation.decode import DecordDecoder
from pipelines.sound import Sound
from pipelines.video import encode_mp4, join, write_segment


def test_encoding_is_repeatable_and_faithful() -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    frames = [np.stack([np.roll(np.tile(ramp, (64, 1)), 2 * i, axis=1)] * 3, axis=2) for i in range(20)]
    content = encode_mp4(frames, fps=16.0)
    assert encode_mp4(iter(frames), fps=16.0) == content
    decoder = DecordDecoder(content)
    assert len(decoder) == 20
    difference = decoder.get_batch(range(20)).astype(int) - np.stack(frames)
    assert np.abs(difference).mean() < 3


def test_single_frames_are_those_of_the_whole_video() -> None:
    """Training reads them so, across key frames."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    content = encode_mp4([np.roll(still, 2 * i, 1) for i in range(40)], fps=12.0)
    whole = DecordDecoder(content).get_batch(range(40))
    for _ in range(20):
        some = sorted(set(rng.integers(0, 40, 4).tolist()))
        assert np.array_equal(DecordDecoder(content).get_batch(some), whole[some]), some


def test_equal_frames_give_equal_bytes_whatever_the_memory_held_before() -> None:
    """At this size x264's mbtree gave several results in a few dozen encodings."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    frames = [np.roll(still, 3 * i, 1) + rng.integers(0, 6, still.shape).astype(np.uint8) for i in range(24)]
    found = set()
    for number in range(40):
        used = np.full(int(rng.integers(1000, 400_000)), number, np.uint8)
        found.add(encode_mp4(frames, fps=8.0, crf=18))
        del used
    assert len(found) == 1


def test_a_video_has_frames() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        encode_mp4([], fps=16.0)


def moving(count: int, size: int = 64) -> list[np.ndarray]:
    ramp = np.linspace(0, 255, size, dtype=np.uint8)
    return [np.stack([np.roll(np.tile(ramp, (size, 1)), 2 * i, axis=1)] * 3, axis=2) for i in range(count)]


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def joined(folder: Path, frames: list[np.ndarray], times_ms: list[int], per_segment: int, **more: object) -> Path:
    segments = []
    for start in range(0, len(frames), per_segment):
        segments.append(folder / f"{start}.mp4")
        part = slice(start, start + per_segment)
        with write_segment(segments[-1], Fraction(1, 1000), 25) as write:
            for time, frame in zip(times_ms[part], frames[part], strict=True):
                write(time, frame)
    ticks = [time - times_ms[0] for time in [*times_ms, times_ms[-1] + 40]]
    out = folder / f"joined-{per_segment}.mp4"
    join(out, segments, ticks, Fraction(1, 1000), **more)
    return out


def test_segments_become_one_video_with_the_times_of_all_frames(tmp_path: Path) -> None:
    frames, times = moving(30), np.cumsum([40, 40, 25, 90, 33] * 6).tolist()
    out = joined(tmp_path, frames, times, 7, comment="made in a test")
    assert times_of(out) == pytest.approx([(time - times[0]) / 1000 for time in times], abs=1e-4)
    with av.open(str(out)) as container:
        assert container.metadata["comment"] == "made in a test"
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.abs(np.stack(decoded).astype(int) - np.stack(frames)).mean() < 3
    first = out.read_bytes()
    assert joined(tmp_path, frames, times, 7, comment="made in a test").read_bytes() == first


def test_colours_are_said_and_come_back(tmp_path: Path) -> None:
    frame = np.full((64, 64, 3), (200, 60, 30), np.uint8)
    out = joined(tmp_path, [frame] * 3, [0, 40, 80], 3)
    with av.open(str(out)) as container:
        shown = next(container.decode(video=0))
    assert shown.colorspace == 1
    assert np.abs(shown.to_ndarray(format="rgb24").astype(int) - frame).max() <= 4


@pytest.mark.parametrize(
    ("codec", "name", "keyint"),
    [
        ("aac", "a.mp4", 10),
        ("pcm_s16le", "b.mkv", 10),
        ("aac", "c.ts", 250),
        ("aac", "d.flv", 250),
        ("mp2", "e.ts", 40),
    ],
)
def test_sound_stays_in_step_where_the_beginning_is_cut(tmp_path: Path, codec: str, name: str, keyint: int) -> None:
    source = write_talking(tmp_path / name, [40 * i for i in range(250)], 8.0, codec, keyint=keyint)
    assert heard_at(source) == pytest.approx(8.0, abs=0.03)
    out = joined(tmp_path, moving(25), [40 * i for i in range(25)], 10, sound=Sound(source, 7.2, 8.2))
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert float(container.streams.audio[0].duration * container.streams.audio[0].time_base) < 1.05
    assert heard_at(out) == pytest.approx(0.8, abs=0.03)
    assert times_of(out)[0] == 0

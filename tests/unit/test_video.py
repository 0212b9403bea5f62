"""Videos that we write are the frames that went in, and the same bytes each time."""

import numpy as np
import pytest

from pipelines.curation.decode import DecordDecoder
from pipelines.video import encode_mp4


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

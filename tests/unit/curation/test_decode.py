"""Frames come with their true times and the right way up, whatever the rate, the rotation and the place in the file."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation import decode
from pipelines.curation.decode import (
    DecordDecoder,
    PyAvDecoder,
    bounded_size,
    nearest_to_grid,
    nearest_to_grids,
    pictures_at,
    video_path,
)
from pipelines.errors import DataError
from pipelines.workspace import Workspace
from tests.grey_video import shade, write_video


def rotate_header(path: Path) -> None:
    """Write a display matrix of 90 degrees clockwise into the track header of an MP4 file."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    content[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 200, 240, 280, 600, 640, 1000]
    path = write_video(tmp_path / "vfr.mkv", times)
    found = list(PyAvDecoder().frames(path))
    assert [round(time * 1000) for time, _ in found] == times
    assert [shade(frame) for _, frame in found] == list(range(8))


def test_sampling_takes_the_nearest_frames_once(tmp_path: Path) -> None:
    times = [0, 40, 200, 240, 280, 600, 640, 1000]
    path = write_video(tmp_path / "vfr.mkv", times)
    assert [round(time * 1000) for time, _ in PyAvDecoder(fps=5).frames(path)] == [0, 200, 280, 600, 640, 1000]


def test_a_span_is_the_same_frames_as_in_the_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cfr.mp4", list(range(0, 1200, 40)))
    whole = [(time, shade(frame)) for time, frame in PyAvDecoder(fps=10).frames(path)]
    span = [(time, shade(frame)) for time, frame in PyAvDecoder(fps=10).frames(path, 0.5, 0.9)]
    assert span == [(time, grey) for time, grey in whole if 0.5 <= time < 0.9]


def test_pictures_at_gives_exactly_those(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cfr.mp4", list(range(0, 1200, 40)))
    assert [shade(picture.rgb()) for picture in pictures_at(path, [0.08, 0.6, 0.64])] == [2, 15, 16]
    with pytest.raises(DataError, match=r"no frame at 0\.61 s"):
        list(pictures_at(path, [0.08, 0.61]))


def test_a_stretch_that_nobody_wants_is_jumped_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "long.mp4", list(range(0, 20000, 40)))
    decoded = []
    whole = decode.Picture
    monkeypatch.setattr(decode, "Picture", lambda frame, screen: decoded.append(frame) or whole(frame, screen))
    times = [0.04, 0.08, 15.0, 15.04]
    assert [shade(picture.rgb()) for picture in pictures_at(path, times)] == [round(25 * time) % 32 for time in times]
    assert 4 <= len(decoded) < 20


@pytest.mark.parametrize("size", [None, (24, 32)])
def test_rotation_is_applied(tmp_path: Path, size: tuple[int, int] | None) -> None:
    path = write_video(tmp_path / "turned.mp4", [0, 40, 80])
    rotate_header(path)
    _, frame = next(PyAvDecoder(size=size).frames(path))
    width, height = size or (48, 64)
    assert frame.shape == (height, width, 3)
    # Turned clockwise, what was in the left upper quarter is in the right upper one.
    corner = frame[: height // 2 - 2, width // 2 + 2 :]
    assert corner.min() > 200
    assert frame[:, : width // 2 - 2].max() < 60


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(DataError, match=r"broken\.mp4"):
        list(PyAvDecoder().frames(path))
    with pytest.raises(DataError, match=r"broken\.mp4"):
        DecordDecoder(path)


def test_decord_reads_paths_and_bytes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", list(range(0, 800, 40)))
    for source in (path, path.read_bytes()):
        decoder = DecordDecoder(source)
        assert len(decoder) == 20
        assert [shade(frame) for frame in decoder.get_batch([3, 17, 3])] == [3, 17, 3]
        with pytest.raises(DataError, match="has 20 frames"):
            decoder.get_batch([20])


@given(
    steps=st.lists(st.integers(5, 300), min_size=1, max_size=60),
    fps=st.sampled_from([1.0, 5.0, 16.0, 30.0]),
)
def test_the_sample_is_what_a_search_would_find(steps: list[int], fps: float) -> None:
    times = np.cumsum([0, *steps]) / 1000
    sampled = [time for time, _ in nearest_to_grid(iter([(float(t), None) for t in times]), fps)]
    grid = np.arange(int(np.floor(times[-1] * fps)) + 1) / fps
    nearest = {int(np.abs(times - g).argmin()) for g in grid}
    assert sampled == sorted(set(sampled))
    assert {int(np.flatnonzero(times == time)[0]) for time in sampled} >= nearest
    assert len(sampled) <= len(nearest) + 1


@given(steps=st.lists(st.integers(5, 300), min_size=1, max_size=60))
def test_two_rates_take_what_each_would_alone(steps: list[int]) -> None:
    frames = [(float(time), None) for time in np.cumsum([0, *steps]) / 1000]
    both = list(nearest_to_grids(iter(frames), (16.0, 30.0)))
    for place, fps in enumerate((16.0, 30.0)):
        alone = [time for time, _ in nearest_to_grid(iter(frames), fps)]
        assert [time for time, _, taken in both if taken[place]] == alone
    assert all(any(taken) for _, _, taken in both)


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(16, 2000))
def test_bounded_size(width: int, height: int, longest: int) -> None:
    w, h = bounded_size(width, height, longest)
    assert w % 2 == h % 2 == 0
    assert max(w, h) <= max(longest, 2) + 1
    assert w <= width + 1
    assert h <= height + 1


def test_video_path_prefers_the_copy_in_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.publish("videos/files/a.mp4") as path:
        path.write_bytes(b"x")
    assert video_path(workspace, {"path": "videos/files/a.mp4", "url": "https://a/b"}).read_bytes() == b"x"
    assert video_path(workspace, {"path": None, "url": str(tmp_path / "b.mp4")}) == tmp_path / "b.mp4"

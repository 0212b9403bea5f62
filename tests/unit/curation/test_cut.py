"""Frames are picked at a fixed rate, and every window gets its own out of one pass."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.curation.cut import Window, cut_windows, frames_to_show, nearest_frames, resized
from tests.grey_video import shade, write_video


def test_all_windows_are_cut_in_one_pass(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", list(range(0, 2000, 40)))

    def window(first: int, after: int, chosen: list[int]) -> Window:
        times = np.arange(first, after) / 25
        return Window(times, np.full((after - first, 2), 30), 10, chosen)

    windows = [window(10, 30, [0, 0, 5, 19]), window(0, 12, [2, 3, 11]), window(20, 21, [0]), window(5, 28, [22])]
    found = dict(cut_windows(path, windows, 8))
    assert {number: [shade(frame) for frame in frames] for number, frames in found.items()} == {
        0: [10, 10, 15, 29],
        1: [2, 3, 11],
        2: [20],
        3: [27],
    }
    assert all(frame.shape == (8, 8, 3) for frames in found.values() for frame in frames)


def test_frames_at_a_fixed_rate() -> None:
    assert nearest_frames(np.arange(10) / 16, 16.0) == list(range(10))
    # A slower source repeats frames, a faster one loses some; both keep the speed of the motion.
    assert nearest_frames(np.arange(5) / 10, 25.0) == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]
    assert nearest_frames(np.arange(9) / 32, 16.0) == [0, 2, 4, 6, 8]
    # Frames of a 24 fps source that were sampled on the same grid are all taken, once.
    times = np.array([0, 1, 3, 4, 6, 7, 9]) / 24
    assert nearest_frames(times, 16.0) == list(range(7))


def test_content_keeps_its_own_rate() -> None:
    assert frames_to_show(np.arange(16) / 16, 16.0) == (list(range(16)), 16.0)
    assert frames_to_show(np.arange(12) / 12, 16.0) == (list(range(12)), 12.0)
    of_25 = np.array([5 * (k // 3) + (0, 2, 4)[k % 3] for k in range(30)]) / 25
    assert frames_to_show(of_25, 16.0) == (list(range(30)), pytest.approx(15.0, abs=0.05))
    assert frames_to_show(np.arange(9) / 32, 16.0) == ([0, 2, 4, 6, 8], 16.0)
    assert frames_to_show(np.array([3.0]), 16.0) == ([0], 16.0)
    # Where the rate changes, a clip keeps the speed of the motion.
    slower = np.concatenate([np.arange(16) / 16, 1 + np.arange(8) / 8])
    assert frames_to_show(slower, 16.0) == (nearest_frames(slower, 16.0), 16.0)


@pytest.mark.parametrize("corner", [(-10, 20), (30, -15), (70, 60), (20, 20)])
def test_what_is_filmed_stays_and_what_is_beyond_is_quiet(corner: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)
    window = resized(frame, np.array(corner), side=40, size=40)
    rows, columns = np.arange(corner[1], corner[1] + 40), np.arange(corner[0], corner[0] + 40)
    filmed = ((rows >= 0) & (rows < 80))[:, None] & ((columns >= 0) & (columns < 100))
    edges = frame[np.clip(rows, 0, 79)][:, np.clip(columns, 0, 99)]
    np.testing.assert_array_equal(window[filmed], edges[filmed])
    if not filmed.all():  # smooth, and of the colours of the edge
        assert window[~filmed].std() < 0.6 * frame.std()
        assert abs(float(window[~filmed].mean()) - float(edges[~filmed].mean())) < 15

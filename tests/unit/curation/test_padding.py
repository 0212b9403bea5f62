"""What pads a video to a higher rate is left out, and nothing else."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipelines.curation.decode import pictures
from pipelines.curation.padding import pattern_of, without_padding
from pipelines.curation.shots import ShotsConfig, moments


def scene(number: int) -> np.ndarray:
    """A bright square that moves over a textured wall."""
    wall = cv2.resize(np.random.default_rng(1).integers(60, 160, (12, 16, 3), np.uint8), (160, 120))
    x, y = round(65 + 50 * np.sin(0.09 * number)), round(45 + 40 * np.cos(0.07 * number))
    wall[y : y + 30, x : x + 30] = 220
    return wall


def write(path: Path, shown: list[int], rate: int, crf: int = 30) -> Path:
    """Scene `shown[n]` as frame n, so coarsely that no two frames come out equal; a key frame every 1.3 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(rate), options={"crf": str(crf), "g": str(rate * 4 // 3)}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(number))))
        container.mux(stream.encode(None))
    return path


def padded(content: float, rate: int, seconds: float = 3.0) -> list[int]:
    return [int(frame * content / rate + 1e-6) for frame in range(round(seconds * rate))]


def kept(path: Path, rate: int) -> list[int]:
    """Numbers of the frames that are no padding."""
    return [round(shown.time * rate) for shown in without_padding(pictures(path))]


def first_of_each(shown: list[int]) -> list[int]:
    return [frame for frame, number in enumerate(shown) if not frame or number != shown[frame - 1]]


@pytest.mark.parametrize(
    ("content", "rate"),
    [(15, 25), (15, 30), (15, 24), (12.5, 25), (12, 24), (12, 30), (10, 25), (10, 30), (20, 25), (24, 30), (24, 60),
     (30, 60)],
)  # fmt: skip
def test_padding_is_left_out(tmp_path: Path, content: float, rate: int) -> None:
    shown = padded(content, rate)
    video = write(tmp_path / "video.mp4", shown, rate)
    assert kept(video, rate) == first_of_each(shown)
    steady = np.array([one.steady for one in without_padding(pictures(video))])
    np.testing.assert_allclose(np.diff(steady)[1:], 1 / content, atol=1e-3)


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_a_video_without_padding_is_whole(tmp_path: Path, rate: int) -> None:
    video = write(tmp_path / "video.mp4", list(range(3 * rate)), rate)
    assert kept(video, rate) == list(range(3 * rate))


def test_a_freeze_stays(tmp_path: Path) -> None:
    shown = [*range(30), *[29] * 30, *range(30, 60)]
    assert kept(write(tmp_path / "video.mp4", shown, 25), 25) == list(range(90))


def test_a_freeze_of_padded_content_stays(tmp_path: Path) -> None:
    shown = [*padded(12.5, 25, 2.0), *[24] * 25, *(25 + number for number in padded(12.5, 25, 2.0))]
    found = kept(write(tmp_path / "video.mp4", shown, 25), 25)
    frozen = [frame for frame in found if 50 <= frame < 75]
    assert len(frozen) >= 12, "what is looked at while nothing is new"
    assert [frame for frame in found if frame >= 90] == [frame for frame in first_of_each(shown) if frame >= 90]


def test_an_irregular_stutter_stays(tmp_path: Path) -> None:
    again = np.random.default_rng(3).random(150) < 0.3
    shown = np.cumsum(~again).tolist()
    repeats = set(range(150)) - set(first_of_each(shown))
    found = repeats & set(kept(write(tmp_path / "video.mp4", shown, 25), 25))
    assert len(found) > len(repeats) / 2, "but for what looks regular by chance for a while"


def test_a_cut_within_padding_loses_nothing(tmp_path: Path) -> None:
    """The pattern after the cut is another one."""
    shown = [*padded(15, 30, 1.5), *(300 + number for number in padded(20, 30, 1.5))]
    found = [shown[frame] for frame in kept(write(tmp_path / "video.mp4", shown, 30), 30)]
    assert set(found) == set(shown)
    assert len(found) <= len(set(shown)) + 2, "where one pattern is over and the next is not seen"


def test_where_nothing_moves_there_is_no_pattern() -> None:
    rng = np.random.default_rng(5)
    assert pattern_of(rng.uniform(0, 0.05, 24), 0, 0.04) is None
    assert pattern_of(rng.uniform(1, 3, 24), 0, 0.04) is None
    assert pattern_of(np.zeros(24), 0, 0.04) is None


def test_what_is_shown_for_long_is_held_and_not_padded() -> None:
    changes = np.tile([2.0, 0, 0, 0], 6)
    assert pattern_of(changes, 0, 1 / 30) is not None
    assert pattern_of(changes, 0, 1 / 25) is None


class NoCuts:
    def stream(self, frames: Iterator[np.ndarray]) -> Iterator[float]:
        return (0.0 for _ in frames)


def test_people_are_looked_for_in_every_picture_of_slow_content_once(tmp_path: Path) -> None:
    """Between 15 pictures a second and 16 looks, none is skipped and none looked at twice."""
    shown = padded(15, 25)
    video = write(tmp_path / "video.mp4", shown, 25)
    looks = moments(video, NoCuts(), ShotsConfig(), 25.0, 16.0, (160, 120))  # type: ignore[arg-type]
    assert [round(25 * look.time) for look in looks if look.frame is not None] == first_of_each(shown)

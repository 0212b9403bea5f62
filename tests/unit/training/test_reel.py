"""From a photo and a driver whose people are known to files: frames, times, sound, parts that survive a kill."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from filming import film, followed, painter_of, portrait
from talking_video import heard_at, write_talking
from tiny_training import TINY

from pipelines.curation.cut import resized
from pipelines.curation.watch import frames_at
from pipelines.keypoints import BODY_SLICE
from training.fields import stack, tensors
from training.inputs import prepare_driver
from training.painter import Sampling, joined
from training.reel import STATEMENT, Outputs, Wish

TESTS = Path(__file__).resolve().parents[2]
UNEVEN = np.cumsum([0, *([40, 40, 25, 90, 33] * 14)]).tolist()  # some three seconds
HISTORY = replace(TINY.model, window=5, history=1)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of uneven frames that differ, with a click at 2 s."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    frames = [np.roll(still, 2 * index, 1) for index in range(len(UNEVEN))]
    return write_talking(tmp_path_factory.mktemp("driver") / "driver.mp4", UNEVEN, 2.0, frames=frames)


def frames_of(path: Path) -> tuple[np.ndarray, list[float]]:
    with av.open(str(path)) as container:
        decoded = [(frame.to_ndarray(format="rgb24"), float(frame.time)) for frame in container.decode(video=0)]
    return np.stack([frame for frame, _ in decoded]), [time for _, time in decoded]


def program(driver: Path, out: str, *more: str) -> subprocess.Popen[str]:
    root = TESTS.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}:{TESTS}"}
    command = [sys.executable, str(TESTS / "filming.py"), str(driver.parent), driver.name, out, *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def whole(driver: Path) -> Path:
    out = driver.parent / "whole.mp4"
    film(driver, out, leave_out=20)
    return out


def test_every_frame_of_the_driver_is_shown_when_it_was(driver: Path, whole: Path) -> None:
    frames, times = frames_of(whole)
    expected = [(time - UNEVEN[20]) / 1000 for time in UNEVEN[20:]]
    assert times == pytest.approx(expected, abs=2e-4)
    beside, beside_times = frames_of(Outputs(whole).side_by_side)
    assert beside_times == times
    assert beside.shape[1:] == (96, 3 * 128, 3)
    # The third panel is the output, the second the driver's frame of that time.
    assert np.abs(beside[:, :, 256:].astype(int) - frames).mean() < 2
    shown = next(frames_at(driver, followed(driver).times[70:]))
    panel = beside[50, :, 128:256].astype(int)
    assert np.abs(panel - np.kron(shown, np.ones((2, 2, 1)))).mean() < 12


def test_sound_goes_along(whole: Path) -> None:
    for path in (whole, Outputs(whole).side_by_side):
        assert heard_at(path) == pytest.approx(2.0 - UNEVEN[20] / 1000, abs=0.03)


def test_around_the_window_is_the_photo(whole: Path) -> None:
    frames, _ = frames_of(whole)
    assert frames.shape[1:] == (96, 128, 3)
    left = np.abs(frames[:, :, :30].astype(int) - portrait().image[:, :30])
    assert left.mean() < 2.5
    window = frames[:, 20:76, 36:92].astype(int)
    assert np.abs(window[0] - window[-1]).mean() > 1


def test_it_says_what_it_is_and_nothing_of_the_files(whole: Path) -> None:
    for path in (whole, Outputs(whole).side_by_side):
        with av.open(str(path)) as container:
            assert container.metadata["comment"] == STATEMENT
        content = path.read_bytes()
        assert b"driver" not in content.replace(STATEMENT.encode(), b"")
        assert str(path.parent).encode() not in content


def test_tokens_in_chunks_are_those_of_the_whole_video(driver: Path) -> None:
    painter, where = painter_of(), followed(driver)
    chunks = list(painter.encode(where, frames_at(driver, where.times)))
    assert len(chunks) > 2
    windows = [
        resized(frame, corner, where.side, TINY.model.size)
        for frame, corner in zip(frames_at(driver, where.times), where.corners, strict=True)
    ]
    driver_crops = prepare_driver(np.stack(windows), where.keypoints, TINY.model)
    expected = painter.animator.encode(stack([driver_crops]))
    for got, wanted in zip(tensors(joined(chunks)), tensors(expected), strict=True):
        assert got.shape == wanted.shape
        assert torch.allclose(got, wanted, atol=1e-5)
    assert joined(chunks).body[0].std(0).max() > 1e-3


@pytest.mark.parametrize("config", [replace(TINY.model, window=2), HISTORY])
def test_painting_from_the_middle_gives_the_same_pictures(driver: Path, config: object) -> None:
    painter, where = painter_of(config), followed(driver)
    tokens = joined(list(painter.encode(where, frames_at(driver, where.times))))
    sampling = Sampling(3, 2, 1.5)
    everything = list(painter.paint(portrait(), 40, tokens, 30.0, 0, sampling))
    assert len(everything) == len(UNEVEN)
    assert everything[0].shape == (40, 40, 3)
    rest = list(painter.paint(portrait(), 40, tokens, 30.0, 10, sampling))
    assert np.array_equal(np.stack(rest), np.stack(everything[10:]))


def test_what_rests_does_not_tremble(driver: Path) -> None:
    painter, where = painter_of(), followed(driver)
    tokens = joined(list(painter.encode(where, frames_at(driver, where.times)))).at(torch.zeros(40, dtype=torch.long))
    trembling = replace(tokens, body=tokens.body + 0.003 * torch.randn(tokens.body.shape))
    photo = painter.animator.look_at(torch.zeros(1, 3, 32, 32), torch.from_numpy(portrait().keypoints[None]))
    placed = painter.animator.guide(photo, trembling).points[..., :2]
    steady = painter._places(photo, trembling, 30.0)[..., :2]

    def trembles(points: torch.Tensor) -> float:
        return float(points.diff(dim=1).diff(dim=1).norm(dim=-1)[..., BODY_SLICE].mean())

    assert 0 < trembles(steady) < 0.3 * trembles(placed)
    assert (steady - placed).abs().max() < 0.02


def test_seed_steps_and_strength_take_part(driver: Path) -> None:
    painter, where = painter_of(), followed(driver)
    tokens = joined(list(painter.encode(where, frames_at(driver, where.times))))

    def first(*sampling: object) -> bytes:
        return next(painter.paint(portrait(), 32, tokens, 30.0, 0, Sampling(*sampling))).tobytes()

    made = [first(0, None, 1.0), first(1, None, 1.0), first(0, 3, 1.0), first(0, None, 3.0)]
    assert len(set(made)) == 4
    assert first(1, None, 1.0) == made[1]


def test_what_was_killed_goes_on_and_gives_the_same_bytes(driver: Path, whole: Path) -> None:
    outputs = Outputs(driver.parent / "killed.mp4")
    running = program(driver, "killed.mp4", "0.05")
    part = outputs.parts / "test" / "made-000000.mp4"
    deadline = time.monotonic() + 240
    while not part.exists():
        assert running.poll() is None, running.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not outputs.video.exists()
    assert (outputs.parts / "test" / "beside-000000.mp4").exists()
    before = part.stat().st_mtime_ns
    film(driver, outputs.video, leave_out=20)
    assert part.stat().st_mtime_ns == before
    straight = Outputs(whole)
    assert outputs.video.read_bytes() == straight.video.read_bytes()
    assert outputs.side_by_side.read_bytes() == straight.side_by_side.read_bytes()


def test_only_the_square(driver: Path) -> None:
    out = driver.parent / "square.mp4"
    film(driver, out, wish=Wish(crop=True), leave_out=len(UNEVEN) - 3)
    assert frames_of(out)[0].shape == (3, 64, 64, 3)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    """Frames of 720p at eight per second: holding those of the longer one would take a GB more."""
    still = np.random.default_rng(0).integers(80, 180, (45, 80, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    grown = []
    for seconds in (20, 60):
        frames = [still[:, ::-1] if index % 2 else still for index in range(8 * seconds)]
        name = f"{seconds}.mp4"
        write_talking(tmp_path / name, [125 * index for index in range(len(frames))], 3.0, frames=frames)
        running = program(tmp_path / name, f"out-{seconds}.mp4")
        told, _ = running.communicate()
        assert running.returncode == 0, told
        grown.append(float(told))
    assert grown[1] - grown[0] < 12

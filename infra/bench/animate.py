"""Suite `animate`: what a user waits for between the command and the finished video.

The command runs in a process of its own, with the model that comes with the package, on a photo and drivers of 512
pixels a side. Two drivers of different length tell its start-up apart from what each frame costs: the watching, the
tokens, the painting, both outputs.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.bench.results import Result
from pipelines.cores import cores

_SIDE, _FPS = 512, 25.0
_SHORT_S, _LONG_S = 2.0, 10.0


@dataclass(frozen=True)
class _Run:
    frames: int
    seconds: float
    # The most memory that the process held, bytes.
    memory: float


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = _photo(folder)
        drivers = [_driver(folder, seconds) for seconds in (_SHORT_S, _LONG_S)]
        # What has to be fetched once is there before anything is timed.
        _animate(folder, photo, drivers[0])
        short, long = (_animate(folder, photo, driver) for driver in drivers)
    per_frame = (long.seconds - short.seconds) / (long.frames - short.frames)
    yield Result(
        "animate.frames_per_second",
        1 / per_frame,
        "frames/s",
        f"after start, photo and video of {_SIDE} px on {cores()} cores, side-by-side included; "
        f"{long.frames} frames in {long.seconds:.0f} s",
        "higher",
        6,
    )
    yield Result(
        "animate.start_up",
        short.seconds - short.frames * per_frame,
        "s",
        "of the command beyond what its frames take",
        "lower",
        5,
    )
    yield Result(
        "animate.memory_long_vs_short",
        long.memory / short.memory,
        "x",
        f"most memory with {_LONG_S:.0f} s of video over that with {_SHORT_S:.0f} s: "
        f"{long.memory / 1e6:.0f} against {short.memory / 1e6:.0f} MB",
        "lower",
        1.05,
    )


def _driver(folder: Path, seconds: float) -> Path:
    from pipelines.synthesis.avatars import render_avatar_video

    path = folder / f"driver-{seconds:.0f}.mp4"
    render_avatar_video(path, seed=1, seconds=seconds, fps=_FPS, size=_SIDE, framing="upper")
    return path


def _photo(folder: Path) -> Path:
    import av

    from pipelines.synthesis.avatars import render_avatar_video

    video, path = folder / "photo.mp4", folder / "photo.png"
    render_avatar_video(video, seed=2, seconds=0.2, fps=_FPS, size=_SIDE, framing="upper")
    with av.open(str(video)) as container:
        next(container.decode(video=0)).to_image().save(path)
    return path


def _animate(folder: Path, photo: Path, driver: Path) -> _Run:
    out = folder / "out.mp4"
    arguments = ["--reference", photo, "--driving", driver, "--out", out, "--overwrite", "--model", "starter", "--json"]
    unimotion = Path(sys.executable).parent / "unimotion"
    began = time.monotonic()
    process = subprocess.Popen(
        [unimotion, "animate", *arguments, "--workspace", folder / "workspace"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        raise RuntimeError(f"unimotion animate ended with {os.waitstatus_to_exitcode(status)}")
    import av

    with av.open(str(out)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    return _Run(frames, seconds, usage.ru_maxrss * 1024.0)

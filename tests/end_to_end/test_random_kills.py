"""Workers and drivers killed at random: what is made in the end is what an undisturbed run makes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.synthesis.avatars import render_avatar_video
from tests.end_to_end.conftest import rows

Command = Callable[..., Any]
KILLS, VIDEOS_PER_BATCH, WORKERS = 50, 8, 2
STAGES = ("videos", "people", "clips", "duplicates", "coverage", "identities", "split")


def make_batch(folder: Path, number: int) -> list[Path]:
    folder.mkdir()
    for k in range(VIDEOS_PER_BATCH):
        seed, framing = number * VIDEOS_PER_BATCH + k, ("upper", "full")[k % 2]
        render_avatar_video(folder / f"{seed}.mp4", seed=seed, seconds=1.5, fps=12, size=256, framing=framing)
    return sorted(folder.glob("*.mp4"))


def start(workspace: Path, params: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).parent / "unimotion"), "curate", "--workspace", str(workspace)]
    command += ["--params", str(params), "--workers", str(WORKERS)]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, **quiet)


def kill_someone(driver: subprocess.Popen[bytes], draw: random.Random) -> str:
    """One of the workers, or the driver: at random, or where there is no worker."""
    family = psutil.Process(driver.pid).children(recursive=True)
    workers = [process for process in family if "ray::_Actor" in " ".join(process.cmdline())]
    if workers and draw.random() < 0.6:
        draw.choice(workers).kill()
        return "worker"
    os.killpg(driver.pid, signal.SIGKILL)
    for process in family:
        if process.is_running():
            process.kill()
    driver.wait()
    return "driver"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_50_random_kills_change_nothing(command: Command, params: Path, tmp_path: Path) -> None:
    draw = random.Random(0)
    disturbed, calm = tmp_path / "disturbed", tmp_path / "calm"
    kills: list[str] = []
    batches: list[list[Path]] = []
    while len(kills) < KILLS:
        batches.append(make_batch(tmp_path / f"batch{len(batches)}", len(batches)))
        name = f"batch{len(batches)}"
        assert command("ingest", *batches[-1], "--batch", name, workspace=disturbed).code == 0
        driver = start(disturbed, params)
        while len(kills) < KILLS:
            time.sleep(draw.uniform(1.0, 14.0))
            try:
                if driver.poll() is not None:
                    break
                kills.append(kill_someone(driver, draw))
            except psutil.NoSuchProcess:
                continue  # it ended by itself meanwhile
            if kills[-1] == "driver":
                driver = start(disturbed, params)
        driver.wait(600)
    assert {"worker", "driver"} == set(kills)
    # What was given up because its worker was killed twice is tried again.
    done = command("curate", "--params", params, workspace=disturbed)
    assert done.code == 0, done.everything
    for number, videos in enumerate(batches):
        assert command("ingest", *videos, "--batch", f"batch{number + 1}", workspace=calm).code == 0
        done = command("curate", "--params", params, workspace=calm)
        assert done.code == 0, done.everything
    assert any(row["status"] == "kept" for row in rows(calm, "clips")), "nothing went through the later stages"
    for stage in STAGES:
        assert rows(disturbed, stage) == rows(calm, stage), stage
    assert not list(disturbed.rglob(".part-*"))
    made, expected = (
        sorted(str(path.relative_to(w)) for f in ("people", "clips") for path in (w / f).rglob("*.*") if path.is_file())
        for w in (disturbed, calm)
    )
    assert made == expected
    print(f"{kills.count('worker')} workers and {kills.count('driver')} drivers killed, {len(batches)} batches")

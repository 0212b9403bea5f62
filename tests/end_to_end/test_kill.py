"""`kill -9` at any stage, then the same command: it finishes, and everything is as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import digests, rows

Command = Callable[..., Any]


def kill_while(stage: str, workspace: Path, params: Path, delay: float, verb: str = "run") -> None:
    """Start a command and kill its whole process group `delay` seconds after it begins to work on a stage."""
    command = [str(Path(sys.executable).parent / "unimotion"), verb, "--workspace", str(workspace)]
    process = subprocess.Popen(
        [*command, "--params", str(params)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 400
    while not (workspace / stage).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(delay)
    assert process.poll() is None, f"the run ended before it could be killed in {stage}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_in_each(
    stages: Sequence[tuple[str, float]],
    job: Path,
    command: Command,
    params: Path,
    videos: list[Path],
    workspace: Path,
) -> None:
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    for stage, delay in stages:
        kill_while(stage, workspace, params, delay)
    done = command("run", "--params", params, "--json", workspace=workspace)
    assert done.code == 0, done.everything
    assert digests(workspace) == digests(job)
    undisturbed, killed = (json.loads((w / "summary.json").read_text())["training"] for w in (job, workspace))
    for key in ("steps", "loss_first", "loss_last"):
        assert killed[key] == undisturbed[key]
    assert not list(workspace.rglob(".part-*"))


def test_killed_while_looking_for_people(
    job: Path, command: Command, params: Path, videos: list[Path], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    kill_while("people", workspace, params, 1.0, "curate")
    done = command("curate", "--params", params, workspace=workspace)
    assert done.code == 0, done.everything
    for stage in ("videos", "people", "clips", "duplicates", "coverage", "identities", "split"):
        assert rows(workspace, stage) == rows(job, stage)
    assert not list(workspace.rglob(".part-*"))


@pytest.mark.slow
def test_killed_in_every_stage(job: Path, command: Command, params: Path, videos: list[Path], tmp_path: Path) -> None:
    stages = ["people", "clips", "duplicates", "coverage", "identities", "split", "motions", "pairs", "shards"]
    stages += ["train", "model", "evaluation"]
    places = [(stage, 0.3) for stage in stages]
    places.insert(stages.index("model"), ("train", 12.0))
    kill_in_each(places, job, command, params, videos, tmp_path / "workspace")

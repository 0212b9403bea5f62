import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines import heartbeat
from pipelines.heartbeat import beating, lost

BEAT = """
import sys, time
from pathlib import Path
from pipelines.heartbeat import beating
with beating(Path(sys.argv[1])):
    print("beating", flush=True)
    sys.stdin.read()
"""
Start = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start another process with a heartbeat, which ends when its standard input does."""
    processes = []

    def begin(path: Path) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-c", BEAT, path], text=True, **pipes)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "beating\n"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def alter(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def last_beat(path: Path, seconds_ago: float) -> None:
    moment = time.time() - seconds_ago
    os.utime(path, (moment, moment))


def test_a_process_that_ends_leaves_no_heartbeat(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "made" / "run"
    process = start(path)
    assert path.exists()
    process.communicate()
    assert os.listdir(path.parent) == []
    assert lost(path) is None


def test_after_an_error_the_heartbeat_stays_and_its_process_is_lost_when_it_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(SystemExit), beating(path):
        sys.exit(1)
    assert lost(path) is None
    alter(path, born=1)
    assert lost(path) is not None


def test_a_killed_process_is_lost_at_once_also_as_long_as_nobody_reaps_it(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "run"
    process = start(path)
    assert lost(path) is None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{process.pid}").exists()
    for _ in range(2):  # as a zombie, and reaped
        found = lost(path)
        assert found is not None
        assert found.pid == process.pid
        process.wait()


def test_another_process_with_its_number_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with beating(path):
        alter(path, born=1)
        assert lost(path) is not None


def test_a_living_process_of_this_host_is_not_lost_however_old_its_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with beating(path):
        last_beat(path, 1e6)
        assert lost(path) is None


@pytest.mark.parametrize("kernel", ["another boot pid:[1]", None])
def test_a_process_elsewhere_is_lost_when_its_heartbeat_is_old(tmp_path: Path, kernel: str | None) -> None:
    path = tmp_path / "run"
    with beating(path):
        alter(path, kernel=kernel, born=1)
        last_beat(path, 45)
        assert lost(path) is None
        last_beat(path, 75)
        assert lost(path) is not None


def test_the_heart_goes_on_beating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_EVERY_S", 0.01)
    path = tmp_path / "run"
    with beating(path):
        last_beat(path, 75)
        before = path.stat().st_mtime
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 60

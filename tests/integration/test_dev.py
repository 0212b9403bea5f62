"""`make dev` ends with all that it has started, however it ends: real processes, counted."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Starts one that is deaf to requests, in a session of its own, and one in its group; all wait for ever.
SERVER = """
import subprocess, sys, time
wait = "import signal, time; signal.signal(signal.SIGTERM, {}); print(1, flush=True); time.sleep(1e6)"
for handler, apart in (("signal.SIG_IGN", True), ("signal.SIG_DFL", False)):
    command = [sys.executable, "-c", wait.format(handler)]
    subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=apart).stdout.readline()
print("up", flush=True)
time.sleep(1e6)
"""
Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start a process with its input and output at our end, as a script does with &: deaf to Ctrl-C."""
    started: list[subprocess.Popen[str]] = []

    def popen(*command: str, **environment: str) -> "subprocess.Popen[str]":
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(
            command, env=os.environ | environment, text=True, cwd=REPOSITORY, start_new_session=True, **pipes
        )
        signal.signal(signal.SIGINT, before)
        started.append(process)
        return process

    yield popen
    for process in started:
        if process.poll() is None:
            for member in (*family_of(process), psutil.Process(process.pid)):
                member.kill()
        process.wait()


def family_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def living(family: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Those that have not ended after so many seconds. Another process reaps them."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not (left := [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]):
            return []
        time.sleep(0.1)
    return left


def guard(begin: Begin, *programs: str) -> "subprocess.Popen[str]":
    commands = [[sys.executable, "-c", program] for program in programs]
    return begin(sys.executable, str(REPOSITORY / "infra" / "guard.py"), json.dumps(commands))


def test_the_guard_ends_everybody_when_its_input_closes(begin: Begin) -> None:
    process = guard(begin, SERVER, SERVER)
    assert process.stdout is not None
    assert process.stdin is not None
    assert [process.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    family = family_of(process)
    assert len(family) == 6
    process.stdin.close()
    assert living(family, 20) == []
    assert process.wait() == 0


def test_the_guard_ends_everybody_when_one_ends(begin: Begin) -> None:
    process = guard(begin, SERVER.replace("SIG_IGN", "SIG_DFL"), "import time; time.sleep(1e6)")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    family = family_of(process)
    next(member for member in family if member.cmdline()[-1].startswith("import time;")).kill()
    assert living(family, 20) == []
    assert process.wait() == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_dev_ends_with_all_that_it_started(begin: Begin, tmp_path: Path, number: signal.Signals) -> None:
    ports = {"DAGSTER_PORT": str(free_port()), "MLFLOW_PORT": str(free_port())}
    log = tmp_path / "log"
    command = f"exec {sys.executable} infra/dev.py > {log} 2>&1"
    process = begin("sh", "-c", command, PYTHONPATH=str(REPOSITORY), UNIMOTION_WORKSPACE=str(tmp_path / "w"), **ports)
    deadline = time.monotonic() + 180
    while not all(answers(port) for port in ports.values()) and time.monotonic() < deadline:
        time.sleep(0.5)
    family = family_of(process)
    assert len(family) > 8
    process.send_signal(number)
    assert living(family, 20) == []
    assert process.wait() == (-number if number == signal.SIGKILL else 0)
    said = log.read_text()
    assert "Serving dagster-webserver" in said
    assert "code location name" not in said
    assert "Traceback" not in said


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answers(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5):
            return True
    except OSError:
        return False

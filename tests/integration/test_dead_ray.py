"""Ray killed under our feet: the command says so in one sentence and leaves nothing behind; the next one goes on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipelines.cluster import connect
from pipelines.errors import UsageError
from pipelines.ray_folders import end_processes, fresh_folder

SENTENCE = "the {} of Ray has died (killed, or out of memory); run the same command again: it goes on where it was"
NAMES = {"raylet": "raylet", "gcs_server": "GCS server"}
# 0.5 s for an item; a note of each tells what was made twice, and in which process.
CURATE = """
import os, sys, time
from pathlib import Path
from pipelines.engine import Engine, Item, Journal
from pipelines.errors import WorkError
from pipelines.progress import Progress

def make_worker(notes=sys.argv[2]):
    def work(payload):
        time.sleep(0.5)
        with open(notes, "a") as file:
            file.write(f"{payload['number']} {os.getpid()}\\n")
        return [{"id": str(payload["number"])}]
    return work

items = [Item(f"key{number}", {"number": number}, str(number)) for number in range(int(sys.argv[3]))]
engine, quiet = Engine(2, sys.argv[4] or None), Progress("test", quiet=True)
try:
    outcomes = engine.map(make_worker, items, Journal(Path(sys.argv[1])), quiet)
except WorkError as error:
    sys.exit(str(error))
assert [outcome.rows for outcome in outcomes] == [[{"id": str(number)}] for number in range(len(items))]
"""
CLUSTER = """
import sys, time
import ray
ray.init("local", num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[1])
print(ray.get_runtime_context().gcs_address, flush=True)
time.sleep(600)
"""


def start(code: str, *arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
    here = Path(__file__).resolve()
    paths = os.pathsep.join(map(str, (here.parent, here.parents[1], here.parents[2])))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_cluster() -> Iterator[tuple[str, "subprocess.Popen[str]", Path]]:
    """The address of a cluster that somebody else started on this machine, its process and its folder."""
    folder = fresh_folder()
    other = start(CLUSTER, folder, RAY_AUTH_MODE="disabled")
    assert other.stdout
    try:
        yield other.stdout.readline().strip(), other, folder
    finally:
        other.kill()
        end_processes(folder)
        other.communicate()


def wait_for_lines(path: Path, count: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "made nothing"
        time.sleep(0.05)


def kill(name: str, above: int) -> list[psutil.Process]:
    """Kill Ray's server of a name that lies below a process, and give all that lay there."""
    family: list[psutil.Process] = psutil.Process(above).children(recursive=True)
    next(process for process in family if process.name() == name).kill()
    return family


def assert_ended(
    process: "subprocess.Popen[str]", name: str, family: list[psutil.Process], within_s: float = 10.0
) -> None:
    began = time.monotonic()
    _, complaint = process.communicate(timeout=60)
    print(f"ended {time.monotonic() - began:.0f} s after the death of the {name}")
    assert process.returncode == 1
    assert complaint.strip().splitlines()[-1] == SENTENCE.format(NAMES[name])
    assert "Traceback" not in complaint
    assert not psutil.wait_procs(family, timeout=within_s)[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_dead_server_ends_the_work_and_the_next_run_goes_on(name: str, tmp_path: Path) -> None:
    journal, notes = tmp_path / "journal", tmp_path / "notes"
    process = start(CURATE, journal, notes, "400", "")
    wait_for_lines(notes, 6, process)
    assert_ended(process, name, kill(name, process.pid))
    finished = [line for line in journal.read_text().splitlines() if line]
    again = start(CURATE, journal, notes, str(len(finished) + 4), "")
    _, complaint = again.communicate(timeout=120)
    assert again.returncode == 0, complaint
    made = [line.split()[0] for line in notes.read_text().splitlines()]
    # What the two workers were at when Ray died may be made again.
    assert len(made) - len(set(made)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_dead_server_of_a_cluster_that_the_user_named(name: str, tmp_path: Path) -> None:
    journal, notes = tmp_path / "journal", tmp_path / "notes"
    with running_cluster() as (address, other, folder):
        process = start(CURATE, journal, notes, "400", address)
        wait_for_lines(notes, 6, process)
        workers = [psutil.Process(int(pid)) for pid in {line.split()[1] for line in notes.read_text().splitlines()}]
        assert workers
        kill(name, other.pid)
        assert_ended(process, name, workers, within_s=90.0)
        assert other.poll() is None, "what is not ours was ended"
        assert folder.exists()


def test_no_cluster_is_joined_unasked(tmp_path: Path) -> None:
    process = start(CURATE, tmp_path / "journal", tmp_path / "notes", "4", "", RAY_ADDRESS="127.0.0.1:1")
    _, complaint = process.communicate(timeout=100)
    assert process.returncode == 0, complaint


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_an_address_where_no_ray_answers_is_named(address: str) -> None:
    with pytest.raises(UsageError, match=f"^{address}: .*leave --ray-address"):
        connect(address, 1)

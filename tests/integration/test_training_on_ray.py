"""Training on Ray Train: two workers do what one does, and a killed run ends where an unbroken one does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
import pytest
import ray
import toy_shards
from tiny_training import TINY

from pipelines.cluster import connect
from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import Phase
from training.history import read_history, read_taken
from training.launch import _Ear, _relayed, launch
from training.loop import Alone, Job, fit

LONG = replace(
    TINY, phases=(Phase("warm-up", 10, batch=4, learn="retargeting"), Phase("frames", 40, batch=4)), save_every=10
)
SCRIPT = """
import sys
from test_training_on_ray import job
from training.launch import launch
launch(job(sys.argv[1], sys.argv[2]), workers=2, max_failures=40, address=None)
"""
LONGER = replace(LONG, phases=(LONG.phases[0], replace(LONG.phases[1], steps=390)), save_every=10)
PRESETS = {"long": LONG, "longer": LONGER}
KILLS = 21  # one of them of everything


def job(url: str, preset: str = "long") -> Job:
    return Job(url, "train/run", PRESETS[preset], 0, 1, False)


def start(workspace: Workspace, preset: str = "long", complaint: IO[str] | None = None) -> "subprocess.Popen[bytes]":
    here = Path(__file__).resolve()
    paths = os.pathsep.join(map(str, (here.parent, here.parents[1], here.parents[2])))
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, workspace.url, preset],
        env=environment,
        start_new_session=True,
        stderr=complaint,
    )


def steps(workspace: Workspace) -> list[int]:
    return checkpoint.complete_steps(workspace, "train/run")


def wait_for(workspace: Workspace, step: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while not steps(workspace) or steps(workspace)[-1] < step:
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < deadline, "made no checkpoint"
        time.sleep(0.05)


def losses(rows: list[Mapping[str, Any]]) -> list[float]:
    return [row["loss"] for row in rows]


@pytest.mark.slow
def test_a_killed_driver_and_a_killed_worker_cost_nothing_but_time(workspace: Workspace, tmp_path: Path) -> None:
    toy_shards.write_toy_shards(workspace)
    process = start(workspace)
    wait_for(workspace, 10, process)
    process.kill()
    process.wait()
    assert steps(workspace)[-1] < LONG.steps
    process = start(workspace)
    wait_for(workspace, 20, process)
    kill_worker(process.pid, set())
    assert process.wait(180) == 0
    assert steps(workspace)[-1] == LONG.steps
    unbroken = Workspace(str(tmp_path / "unbroken"))
    toy_shards.write_toy_shards(unbroken)
    fit(job(unbroken.url), Alone())
    assert losses(read_history(workspace, "train/run")) == pytest.approx(
        losses(read_history(unbroken, "train/run")), rel=2e-3
    )


def test_what_workers_say_is_heard_to_the_last_sentence() -> None:
    connect(None, 1)
    ear, said = ray.remote(num_cpus=0)(_Ear).remote(), list[str]()
    with _relayed(ear, said.append):
        for sentence in ("step 1", "step 2"):
            ray.get(ear.say.remote(sentence))
    assert said == ["step 1", "step 2"]
    assert ray.get(ear.said.remote()) == []


@pytest.mark.slow
def test_what_no_restart_would_mend_is_said_at_once(workspace: Workspace) -> None:
    toy_shards.write_toy_shards(workspace)
    shard = workspace.local("shards/pairs/train.tar")
    content = bytearray(shard.read_bytes())
    for place in range(1000, len(content), 5000):
        content[place] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(WorkError, match=r"^/.*shards/pairs/train.tar: p\d.* is damaged; delete the folder shards"):
        launch(job(workspace.url), workers=2, max_failures=40, address=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_killed_server_of_ray_ends_the_run_and_the_next_goes_on(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    toy_shards.write_toy_shards(workspace)
    with (tmp_path / "complaint").open("w") as complaint:
        process = start(workspace, "longer", complaint)
    wait_for(workspace, 10, process)
    family = psutil.Process(process.pid).children(recursive=True)
    next(child for child in family if child.name() == name).kill()
    assert process.wait(60) == 1
    said = (tmp_path / "complaint").read_text().splitlines()[-1]
    assert "of Ray has died (killed, or out of memory); run the same command again" in said
    assert said.startswith("pipelines.errors.WorkError: ")
    assert not psutil.wait_procs(family, timeout=10)[1]
    reached = steps(workspace)
    assert reached[-1] < LONGER.steps
    assert start(workspace, "longer").wait(300) == 0
    assert steps(workspace)[-1] == LONGER.steps
    assert [row["step"] for row in read_history(workspace, "train/run")] == list(range(LONGER.steps))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_worker_killed_twenty_times_costs_nothing_but_time(workspace: Workspace, tmp_path: Path) -> None:
    toy_shards.write_toy_shards(workspace)
    random, process = np.random.default_rng(0), start(workspace, "longer")
    ended: set[int] = set()
    for kill in range(KILLS):
        wait_for(workspace, (steps(workspace) or [0])[-1] + 10, process)
        time.sleep(random.uniform(0, 1))
        if kill == KILLS // 2:
            kill_everything(process)
            process = start(workspace, "longer")
        elif kill + 1 < KILLS or steps(workspace)[-1] < LONGER.steps:
            ended |= kill_worker(process.pid, ended)
    assert process.wait(300) == 0
    unbroken = Workspace(str(tmp_path / "unbroken"))
    toy_shards.write_toy_shards(unbroken)
    assert start(unbroken, "longer").wait(300) == 0
    killed, whole = (read_history(place, "train/run") for place in (workspace, unbroken))
    assert [row["step"] for row in killed] == list(range(LONGER.steps))
    assert losses(killed) == pytest.approx(losses(whole), abs=1e-4)
    taken = read_taken(workspace, "train/run")
    assert [row["position"] for row in taken] == list(range(sum(phase.steps * phase.batch for phase in LONGER.phases)))
    assert taken == read_taken(unbroken, "train/run")


def kill_worker(driver: int, ended: set[int]) -> set[int]:
    """Kill a training worker below a driver that is none of `ended`, and give all that there were.

    Waits for one: the partner of the last that was killed may have written a checkpoint before it ended, too.
    """
    deadline = time.monotonic() + 60
    while not (found := train_workers(driver) - ended):
        assert time.monotonic() < deadline, "started no worker"
        time.sleep(0.05)
    os.kill(max(found), signal.SIGKILL)
    return found


def kill_everything(process: "subprocess.Popen[bytes]") -> None:
    for pid in (process.pid, *below(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def train_workers(driver: int) -> set[int]:
    """Ray names its processes after their actor class."""
    return {pid for pid, name in below(driver).items() if "RayTrainWorker" in name}


def below(driver: int) -> dict[int, str]:
    """The processes that a driver began, and those that they began, with their names."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    table = {int(pid): (int(parent), " ".join(rest)) for pid, parent, *rest in map(str.split, listed.splitlines())}

    def is_below(pid: int) -> bool:
        while pid in table and pid != driver:
            pid = table[pid][0]
        return pid == driver

    return {pid: name for pid, (_, name) in table.items() if pid != driver and is_below(pid)}

"""As many workers as this process may have, not as many as the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cores import cores

ONE = min(os.sched_getaffinity(0))  # of the cores that this test may use


def machine(root: Path, groups: str, **files: str) -> Path:
    """A file system that tells of control groups. files: content by path below /sys/fs/cgroup, `__` for a slash."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture(autouse=True)
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.parametrize(
    ("content", "expected"), [("max 100000", 64), ("300000 100000", 3), ("150000 100000", 2), ("5000 100000", 1)]
)
def test_a_quota_of_version_2(tmp_path: Path, content: str, expected: int) -> None:
    root = machine(tmp_path, "0::/job/step\n", **{"job__step__cpu.max": "max 100000\n", "job__cpu.max": content})
    assert cores(root) == expected


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "expected"), [("-1", 64), ("400000", 4), ("20000", 1)])
def test_a_quota_of_version_1(tmp_path: Path, mounted: str, quota: str, expected: int) -> None:
    files = {f"{mounted}__box__cpu.cfs_quota_us": quota, f"{mounted}__box__cpu.cfs_period_us": "100000\n"}
    root = machine(tmp_path, "5:memory:/box\n4:cpu,cpuacct:/box\n1:cpuset:/\n", **files)
    assert cores(root) == expected


def test_a_container_that_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    files = {"cpu__cpu.cfs_quota_us": "200000", "cpu__cpu.cfs_period_us": "100000"}
    assert cores(machine(tmp_path, "4:cpu:/docker/0f3a\n", **files)) == 2


@pytest.mark.parametrize("content", ["", "many 100000", "100000", "100000 0"])
def test_what_tells_no_quota_is_none(tmp_path: Path, content: str) -> None:
    assert cores(machine(tmp_path, "0::/\n", **{"cpu.max": content})) == 64
    assert cores(tmp_path / "elsewhere") == 64


def test_affinity_decides_how_many_workers_commands_have() -> None:
    code = """
from dagster_project.foundry import Foundry
from pipelines.cli.machine import doctor
from pipelines.cores import cores
from pipelines.doctor import _python
(option,) = [option for option in doctor.params if option.name == "workers"]
print(cores(), option.default(), Foundry().workers, _python().detail.split(", ")[1])
"""
    free = {name: value for name, value in os.environ.items() if name != "UNIMOTION_WORKERS"}
    command = ["taskset", "-c", str(ONE), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=free)
    assert done.stdout == "1 1 1 1 cores\n"

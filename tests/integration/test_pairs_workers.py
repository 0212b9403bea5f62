"""Rendered shards have the same bytes with one worker and with four, and after a kill in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.engine import Engine
from pipelines.manifest import read
from pipelines.stage import run_stage
from pipelines.synthesis.pairs import STAGE, PairsConfig
from pipelines.workspace import Workspace
from tests.pairs_inputs import EMPTY, publish

CONFIG = PairsConfig(
    train_groups=8,
    validation_groups=1,
    test_groups=1,
    identities=2,
    frames=2,
    size=64,
    groups_per_shard=1,
    engine="raster",
    texture=64,
)


@pytest.fixture(scope="module", autouse=True)
def shut_ray_down() -> Iterator[None]:
    import ray

    yield
    ray.shutdown()


def shards(workspace: Workspace) -> dict[str, bytes]:
    folder = Path(workspace.url) / "pairs" / "shards"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = publish(Workspace(str(tmp_path_factory.mktemp("alone"))), EMPTY)
    run_stage(STAGE, workspace, CONFIG, Engine(), quiet=True)
    return workspace


@pytest.mark.slow
def test_four_workers_write_the_same_bytes(alone: Workspace, tmp_path: Path) -> None:
    workspace = publish(Workspace(str(tmp_path)), EMPTY)
    run_stage(STAGE, workspace, CONFIG, Engine(4), quiet=True)
    assert shards(workspace) == shards(alone)
    assert read(workspace, "pairs").digest == read(alone, "pairs").digest


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(alone: Workspace, tmp_path: Path) -> None:
    workspace = publish(Workspace(str(tmp_path / "workspace")), EMPTY)
    values = {name: value for name, value in vars(CONFIG).items() if value != getattr(PairsConfig(), name)}
    params = tmp_path / "params.yaml"
    params.write_text("pairs: {" + ", ".join(f"{name}: {value}" for name, value in values.items()) + "}\n")
    command = [str(Path(sys.executable).parent / "unimotion"), "stage", "pairs"]
    command += ["--workspace", workspace.url, "--params", str(params)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = Path(workspace.url) / "pairs" / "shards"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if folder.exists() and len(shards(workspace)) >= 3:
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if not path.name.startswith(".")}
    assert 3 <= len(done) < len(shards(alone))
    subprocess.run(command, check=True, capture_output=True)
    assert shards(workspace) == shards(alone)
    assert not list(folder.glob(".part-*"))
    # What was whole and in the journal before the kill was not made again; each worker's last may have missed it.
    kept = [name for name, at in done.items() if (folder / name).stat().st_mtime_ns == at]
    assert kept

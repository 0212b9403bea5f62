"""Commands as users run them: the installed console command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    complaints: list[str]  # the lines that begin with the name of the command
    everything: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def unimotion(*arguments: str | Path, workspace: Path, timeout: float = 600, **environment: str) -> Outcome:
    """The workspace is given relative to the working folder, as people do."""
    folder = workspace.parent if workspace.parent.is_dir() else Path.cwd()
    where = ["--workspace", os.path.relpath(workspace, folder)]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "unimotion"), *map(str, arguments), *where],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environment},
    )
    complaints = [line for line in done.stderr.splitlines() if line.startswith("unimotion: ")]
    return Outcome(done.returncode, done.stdout, complaints, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def command() -> Callable[..., Outcome]:
    return unimotion


REPOSITORY = Path(__file__).resolve().parents[2]
Command = Callable[..., Outcome]
PARAMS = """
sources: {}
videos: {}
people: {}
clips: {}
duplicates: {}
coverage: {}
identities: {}
split: {}
motions: {}
pairs: {train_groups: 8, validation_groups: 2, test_groups: 4, identities: 2, frames: 3, size: 64, groups_per_shard: 4,
        engine: raster}
shards: {}
train: {preset: tiny}
model: {}
evaluation: {}
report: {}
"""


@pytest.fixture(scope="session")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(PARAMS)
    return path


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two avatars, and two real signers where the development clips are there."""
    from pipelines.synthesis.avatars import render_avatar_video

    folder = tmp_path_factory.mktemp("videos")
    for seed, framing in enumerate(("upper", "full")):
        render_avatar_video(folder / f"{framing}.mp4", seed=seed, seconds=1.5, fps=12, size=256, framing=framing)
    clips = REPOSITORY.parent / "shared" / "clips" / "asl"
    return [
        *sorted(folder.glob("*.mp4")),
        *(path for name in ("eat", "help") if (path := clips / f"{name}.mkv").exists()),
    ]


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory, command: Command, params: Path, videos: list[Path]) -> Path:
    workspace = tmp_path_factory.mktemp("job") / "workspace"
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    done = command("run", "--params", params, "--json", workspace=workspace)
    assert done.code == 0, done.everything
    assert done.json == json.loads((workspace / "summary.json").read_text())
    return workspace


def digests(workspace: Path) -> dict[str, str]:
    summary = json.loads((workspace / "summary.json").read_text())
    return {name: stage["digest"] for name, stage in summary["stages"].items()}


def rows(workspace: Path, stage: str) -> list[dict[str, Any]]:
    path = workspace / "manifests" / stage
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path.with_suffix(".parquet")]
    return [row for file in files for row in pq.read_table(file).to_pylist()]

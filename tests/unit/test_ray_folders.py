"""Folders of dead Rays go, those of living ones stay, and a path that Ray cannot take is not taken."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import ray_folders
from pipelines.ray_folders import fresh_folder

HOLD = "from pipelines.ray_folders import fresh_folder; print(fresh_folder(), flush=True); input()"


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("RAY_TMPDIR", str(made))
    monkeypatch.setattr(ray_folders, "_LONGEST_ROOT", len(str(made)))
    return made


def test_what_a_dead_process_left_is_deleted_and_what_lives_stays(root: Path) -> None:
    code = HOLD.replace(
        "print", f"from pipelines import ray_folders; ray_folders._LONGEST_ROOT = {len(str(root))}; print"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout
    held = Path(other.stdout.readline().strip())
    strange = root / "unimotion-ray-strange"
    strange.mkdir()
    mine = fresh_folder()
    assert held.is_dir()
    assert mine.is_dir()
    other.kill()
    other.communicate()
    last = fresh_folder()
    assert not held.exists()
    assert {strange, mine, last} == set(root.iterdir())


@pytest.mark.parametrize("name", ["x" * 60, "it's"])
def test_a_path_that_ray_cannot_take_is_not_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    made = fresh_folder()
    assert made.parent == Path("/tmp")
    assert len(f"{made}{ray_folders._LONGEST_BELOW}") <= 107

"""What several tests share. Every test has a workspace of its own; nothing is written outside pytest's folders."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipelines.workspace import Workspace

# Before any test imports the libraries that read them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers of the suite are its parallelism
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
}
# The same examples in every run; a slow machine is no failure.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(str(tmp_path / "workspace"))
    made.prepare()
    return made


@pytest.fixture(scope="session")
def perceiving(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with all networks that find people, which tests share, since they are large."""
    from pipelines.curation.models import ensure_models

    made = Workspace(str(tmp_path_factory.mktemp("perceiving")))
    made.prepare()
    ensure_models(made)
    return made


@pytest.fixture(scope="session")
def judging_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `models` with all networks that judge pictures: large, so that workspaces of tests link to it."""
    from pipelines.evaluation.seen.judges import Judges

    made = Workspace(str(tmp_path_factory.mktemp("judging")))
    made.prepare()
    Judges.open(made)
    return made.local_root / "models"


@pytest.fixture
def judging(workspace: Workspace, judging_models: Path) -> Workspace:
    """A workspace that can judge pictures without a download."""
    (workspace.local_root / "models").symlink_to(judging_models)
    return workspace


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small file system; only root may."""
    folders: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"mounted{len(folders)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("mounting a small file system needs root")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def clips() -> Path:
    """Real clips for development; they are not part of the product."""
    folder = REPOSITORY.parent / "shared" / "clips"
    if not folder.is_dir():
        pytest.skip("the development clips (../shared/clips) are not here")
    return folder


@pytest.fixture(scope="session")
def photos() -> Path:
    """Real photos for development; they are not part of the product."""
    folder = REPOSITORY.parent / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("the development photos (../shared/photos) are not here")
    return folder

"""What several tests share. Every test has a workspace of its own; nothing is written outside pytest's folders."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from pipelines.workspace import Workspace

# Before any test imports the libraries that read them.
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
def clips() -> Path:
    """Real clips for development; they are not part of the product."""
    folder = REPOSITORY.parent / "shared" / "clips"
    if not folder.is_dir():
        pytest.skip("the development clips (../shared/clips) are not here")
    return folder

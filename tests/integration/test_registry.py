"""The champion is the version that the registry says it is: a real registry with three versions."""

from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from training import tracking


@pytest.fixture
def registry(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three versions; the folder of each holds its number."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = tracking.start_run(workspace, "f" * 64, {"a": 1}, "d")
    for number in "123":
        folder = workspace.local_root / f"export{number}"
        folder.mkdir()
        (folder / "config.json").write_text(number)
        assert tracking.register(workspace, folder, f"weights {number}", run, {}) == number
    return workspace


def content(folder: Path) -> str:
    return (folder / "config.json").read_text()


def used(workspace: Workspace) -> Path:
    best = tracking.best_version(workspace)
    assert best is not None
    return tracking.model_folder(workspace, best)


def test_the_champion_is_used_and_not_the_newest(registry: Workspace) -> None:
    tracking.promote(registry, "1")
    assert tracking.champion(registry) == "1"
    assert content(used(registry)) == "1"
    assert [version.aliases for version in tracking.versions(registry)] == [("champion",), (), ()]
    tracking.promote(registry, "2")
    assert content(used(registry)) == "2"
    assert [version.aliases for version in tracking.versions(registry)] == [(), ("champion",), ()]


def test_without_a_champion_the_newest_is_used(registry: Workspace) -> None:
    assert tracking.champion(registry) is None
    assert tracking.best_version(registry) == "models:/x-unimotion/3"
    tracking.promote(registry, "2")
    tracking._client(registry).delete_model_version("x-unimotion", "2")
    assert tracking.champion(registry) is None
    assert tracking.best_version(registry) == "models:/x-unimotion/3"


def test_a_workspace_without_a_registry_has_no_champion(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.champion(workspace) is None
    assert not (workspace.local_root / "mlflow").exists()
    assert tracking.best_version(workspace) is None
    assert tracking.champion(workspace) is None

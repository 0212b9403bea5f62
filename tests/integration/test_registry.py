"""The champion is the version that the registry says it is: a real registry with three versions."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training import promotion, tracking


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
    promotion.promote(registry, "1", "test")
    assert tracking.champion(registry) == "1"
    assert content(used(registry)) == "1"
    assert [version.aliases for version in tracking.versions(registry)] == [("champion",), (), ("challenger",)]
    promotion.promote(registry, "2", "test")
    assert content(used(registry)) == "2"
    assert [version.aliases for version in tracking.versions(registry)] == [
        ("previous",),
        ("champion",),
        ("challenger",),
    ]


def test_without_a_champion_the_newest_is_used(registry: Workspace) -> None:
    assert tracking.champion(registry) is None
    assert tracking.best_version(registry) == "models:/x-unimotion/3"
    promotion.promote(registry, "2", "test")
    tracking._client(registry).delete_model_version("x-unimotion", "2")
    assert tracking.champion(registry) is None
    assert tracking.best_version(registry) == "models:/x-unimotion/3"


def test_a_workspace_without_a_registry_has_no_champion(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.champion(workspace) is None
    assert not (workspace.local_root / "mlflow").exists()
    assert tracking.best_version(workspace) is None
    assert tracking.champion(workspace) is None


def tags(workspace: Workspace, version: str) -> dict[str, str]:
    found: dict[str, str] = tracking._client(workspace).get_model_version("x-unimotion", version).tags
    return found


def test_a_promotion_can_be_rolled_back_and_says_why(registry: Workspace) -> None:
    promotion.promote(registry, "1", "the first")
    promotion.promote(registry, "3", "sharper hands")
    assert [version.aliases for version in tracking.versions(registry)] == [("previous",), (), ("champion",)]
    assert tags(registry, "3")["unimotion.decision"] == "champion: sharper hands"
    assert promotion.roll_back(registry, "hands tremble") == ("3", "1")
    assert content(used(registry)) == "1"
    assert tags(registry, "3")["unimotion.decision"] == "rolled back: hands tremble"
    assert tags(registry, "1")["unimotion.decision"] == "champion: version 3 was rolled back: hands tremble"
    assert promotion.was_rolled_back(registry, "3")
    with pytest.raises(WorkError, match="no champion was replaced"):
        promotion.roll_back(registry, "once more")
    assert tracking.champion(registry) == "1"
    # Somebody may think better of it.
    promotion.promote(registry, "3", "it was the clip")
    assert not promotion.was_rolled_back(registry, "3")
    assert promotion.roll_back(registry, "it was not") == ("3", "1")


def test_a_rollback_that_was_cut_off_is_not_done_twice(registry: Workspace) -> None:
    for version in ("1", "3"):
        promotion.promote(registry, version, "test")
    promotion.roll_back(registry, "hands tremble")
    # As after a kill before the last thing that it does.
    tracking._client(registry).set_registered_model_alias("x-unimotion", "previous", "1")
    with pytest.raises(WorkError, match="no champion was replaced"):
        promotion.roll_back(registry, "hands tremble")
    assert tracking.champion(registry) == "1"
    assert not promotion.was_rolled_back(registry, "1")


def test_the_gate_does_not_unsay_what_people_said(registry: Workspace) -> None:
    promotion.promote(registry, "2", "looks better on our clips")
    promotion.refuse(registry, "2", "it is blurred", {})
    assert tags(registry, "2")["unimotion.decision"] == "champion: looks better on our clips"
    promotion.refuse(registry, "3", "it is blurred", {"less_copy": "lpips_vgg 0.1"})
    assert tags(registry, "3")["unimotion.decision"] == "refused: it is blurred"
    assert tags(registry, "3")["unimotion.decision.less_copy"] == "lpips_vgg 0.1"


def test_promoting_the_champion_again_keeps_whom_to_roll_back_to(registry: Workspace) -> None:
    for version in ("1", "2", "2"):
        promotion.promote(registry, version, "test")
    assert [version.aliases for version in tracking.versions(registry)] == [
        ("previous",),
        ("champion",),
        ("challenger",),
    ]


def test_a_version_that_is_not_there_is_not_promoted(registry: Workspace) -> None:
    with pytest.raises(WorkError, match=r"^version 7: is not in the registry; it has 1, 2, 3$"):
        promotion.promote(registry, "7", "test")
    assert tracking.champion(registry) is None


def test_the_commands_move_the_champion(registry: Workspace) -> None:
    def told(*arguments: str) -> str:
        result = CliRunner().invoke(main, [*arguments, "--workspace", str(registry.local_root)])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    assert told("promote", "models:/x-unimotion/1") == "version 1 is the champion"
    assert told("promote", "2", "--why", "a test") == "version 2 is the champion; before it was 1"
    assert tags(registry, "2")["unimotion.decision"] == "champion: a test"
    assert told("rollback") == "version 1 is the champion again; version 2 was rolled back"
    assert json.loads(told("promote", "3", "--json")) == {"champion": "3", "before": "1"}

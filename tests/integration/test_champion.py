"""A new version is compared with the champion on the same test pairs, and what was decided stays decided."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tiny_training import TINY, passed, run_training
from toy_shards import write_toy_shards

from pipelines import manifest
from pipelines.evaluation import gate
from pipelines.evaluation.figures import FIGURES
from pipelines.manifest import Row
from pipelines.workspace import Workspace
from training import presets, promotion, tracking
from training.export import load_animator, local_model, write_model
from training.model.animator import Animator, trainable
from training.rival import brought

NAMES = [figure.key for figure in FIGURES]


@pytest.fixture(autouse=True)
def _presets(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests are about what is compared: least training, and another network that makes larger pictures.
    monkeypatch.setitem(presets.PRESETS, "tiny", TINY)
    monkeypatch.setitem(presets.PRESETS, "larger", replace(TINY, model=replace(TINY.model, size=64)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def second(judging: Workspace) -> Workspace:
    """Version 1 is the champion; nothing was trained since."""
    write_toy_shards(judging, pairs=2, clips=0, test_pairs=1)
    run_training(judging)
    promotion.promote(judging, "1", "test")
    return judging


def told(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace.local("evaluation/gate.json").read_text())
    return found


def judged(workspace: Workspace, method: str) -> dict[str, list[float | None]]:
    """Sample -> figures."""
    rows: list[Row] = manifest.read(workspace, "evaluation").rows()
    return {row["sample"]: [row[name] for name in NAMES] for row in rows if row["method"] == method}


def made_again(workspace: Workspace, seed: int) -> bool:
    return run_training(workspace, seed)[2].recomputed


def test_the_champion_is_compared_on_the_same_pairs_once(second: Workspace) -> None:
    alone = manifest.read(second, "evaluation").digest
    first = judged(second, gate.MODEL)
    # The judged version has become the champion itself: there is nothing to compare.
    assert not made_again(second, 0)
    assert made_again(second, 1)
    assert told(second)["version"] == "2"
    assert told(second)["champion"] == "1"
    assert judged(second, gate.CHAMPION) == first
    assert judged(second, gate.MODEL).keys() == first.keys()
    assert judged(second, gate.MODEL) != first
    assert "lpips_vgg" in told(second)["differences"]["champion"]
    assert not second.children("evaluation/champion/" + "".join(second.children("evaluation/champion")))
    run = json.loads(second.local("model/registered.json").read_text())["mlflow_run_id"]
    assert tracking._client(second).get_run(run).data.metrics["test.champion.lpips_vgg"] > 0
    for holder in ("1", "2", "1"):
        promotion.promote(second, holder, "test")
        assert not made_again(second, 1)
    # Back at the champion's own training.
    assert made_again(second, 0)
    assert told(second)["champion"] is None
    assert manifest.read(second, "evaluation").digest == alone
    promotion.promote(second, "2", "test")
    assert made_again(second, 0)
    assert told(second)["champion"] == "2"


def test_taking_the_champions_place_changes_nothing_that_was_judged(
    second: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "judge", passed)
    run_training(second, 1)
    assert tracking.champion(second) == "2"
    before, digest = told(second), manifest.read(second, "evaluation").digest
    assert before["champion"] == "1"
    assert not made_again(second, 1)
    # As after a kill between the promotion and the manifest.
    second.remove(manifest.manifest_path("evaluation"))
    assert made_again(second, 1)
    assert (told(second), manifest.read(second, "evaluation").digest) == (before, digest)
    assert tracking.champion(second) == "2"


def test_what_was_rolled_back_does_not_come_back_by_itself(second: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "judge", passed)
    run_training(second, 1)
    assert tracking.champion(second) == "2"
    tags = tracking._client(second).get_model_version("x-unimotion", "2").tags
    assert tags["unimotion.decision"] == "champion: the gate passed it"
    assert "lpips_vgg" in tags["unimotion.decision.less_champion"]
    assert promotion.roll_back(second, "hands tremble") == ("2", "1")
    second.remove(manifest.manifest_path("evaluation"))
    assert made_again(second, 1)
    assert tracking.champion(second) == "1"
    promotion.promote(second, "2", "it was the clip")
    second.remove(manifest.manifest_path("evaluation"))
    assert made_again(second, 1)
    assert tracking.champion(second) == "2"


@pytest.mark.slow
def test_a_refused_version_says_why(second: Workspace) -> None:
    run_training(second, 1)
    tags = tracking._client(second).get_model_version("x-unimotion", "2").tags
    assert tags["unimotion.decision"].startswith("refused: ")
    assert "lpips_vgg" in tags["unimotion.decision.less_copy-reference"]


def test_a_champion_that_is_gone_is_said_and_blocks_nothing(second: Workspace) -> None:
    shutil.rmtree(tracking.model_folder(second, "models:/x-unimotion/1"))
    assert made_again(second, 1)
    found = told(second)
    assert found["champion"] == "1"
    assert found["champion_trouble"].startswith("not compared with the champion, version 1: ")
    assert not judged(second, gate.CHAMPION)
    assert len(judged(second, gate.MODEL)) == 3
    assert not [reason for reason in found["reasons"] if "champion" in reason]
    assert not made_again(second, 1)


@pytest.fixture
def registered(workspace: Workspace) -> tuple[Workspace, Path]:
    """A workspace whose version 1 is an untrained network, and where the registry has its files."""
    weights = trainable(Animator(TINY.model))
    write_model(workspace, "export", TINY.model, weights)
    run = tracking.start_run(workspace, "f" * 64, {"a": 1}, "d")
    tracking.register(workspace, workspace.local("export/config.json").parent, "weights", run, {})
    return workspace, tracking.model_folder(workspace, "models:/x-unimotion/1")


def test_a_champion_is_brought_and_taken_away(registered: tuple[Workspace, Path]) -> None:
    workspace, _ = registered
    with brought(workspace, None) as nobody:
        assert nobody is None
    with brought(workspace, "1") as rival:
        assert rival is not None
        assert rival.trouble is None
        assert load_animator(local_model(workspace, rival.folder)).config == TINY.model
    assert not workspace.exists(f"{rival.folder}/model.safetensors")


def other_value(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "prediction": "residual"}))


def other_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dit_width": 64}))


def other_names(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["refine.weight"] = weights.pop(min(weights))
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("harm", [other_value, other_shapes, other_names, shutil.rmtree])
def test_a_champion_of_an_old_network_is_one_sentence(
    registered: tuple[Workspace, Path], harm: Callable[[Path], None]
) -> None:
    workspace, folder = registered
    harm(folder)
    with brought(workspace, "1") as rival:
        assert rival is not None
        assert rival.digest is None
        assert rival.trouble is not None
        assert rival.trouble.startswith("not compared with the champion, version 1: ")
        assert "\n" not in rival.trouble
    assert not workspace.children("evaluation/champion")


@pytest.mark.slow
def test_a_champion_that_makes_larger_pictures_is_compared(judging: Workspace) -> None:
    write_toy_shards(judging, pairs=2, clips=0, test_pairs=1)
    run_training(judging, preset="larger")
    promotion.promote(judging, "1", "test")
    run_training(judging)
    assert told(judging)["champion_trouble"] is None
    assert judged(judging, gate.CHAMPION).keys() == judged(judging, gate.MODEL).keys()

"""DVC as people use it: experiments in place and in copies, figures and curves, and a fresh clone that pulls.

Real DVC on a repository of its own, whose pipeline begins with shards of drawn people.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import toy_shards
import yaml

from pipelines import manifest
from pipelines.engine import Engine
from pipelines.stage import run_stage
from pipelines.workspace import Workspace
from training import outcome
from training.export import load_animator
from training.stages import TRAIN
from training.train import TrainConfig

REPOSITORY = Path(__file__).resolve().parents[2]
DVC = REPOSITORY / ".venv-dvc" / "bin" / "dvc"
PARAMS = """
shards: {}
train: {preset: tiny, seed: 0, variant: "", workers: 0, start: ""}
evaluation: {groups: 1}
"""
# All in all ten minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@dataclass(frozen=True)
class Project:
    """A repository with a pipeline that begins with shards."""

    root: Path

    @property
    def workspace(self) -> Workspace:
        return Workspace(str(self.root / "workspace"))

    def git(self, *arguments: str) -> str:
        return _done(["git", "-C", str(self.root), *arguments])

    def dvc(self, *arguments: str) -> str:
        return _done([str(DVC), "--cd", str(self.root), *arguments])

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "As it is")

    def metrics(self) -> Any:
        (of_workspace,) = json.loads(self.dvc("metrics", "show", "--json")).values()
        return of_workspace["data"]["workspace/outcome/metrics.json"]["data"]

    def weights(self) -> str:
        (row,) = manifest.read(self.workspace, "train").rows()
        return str(row["weights_sha256"])


def _done(command: list[str]) -> str:
    # Without an active environment, as in a shell that knows of none.
    hidden = ("VIRTUAL_ENV", "PYTHON", "MLFLOW_TRACKING", "GIT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "Test", f"GIT_{who}_EMAIL": "test@example.org"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, judging_models: Path) -> Project:
    """With a trained and judged model, all committed."""
    if not DVC.exists():
        pytest.skip("DVC's environment is not installed (make .venv-dvc/ready)")
    root = tmp_path_factory.mktemp("project")
    for name in ("pipelines", "training", ".dvc"):
        ignored = shutil.ignore_patterns("__pycache__", "tmp", "cache")
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignored)
    (root / "infra").mkdir()
    for name in ("infra/unimotion.sh", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / "params.yaml").write_text(PARAMS)
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    given = {"cmd": "true", "outs": [{"workspace/manifests/shards.parquet": {"persist": True}}]}
    described = {"shards": given, "train": stages["train"], "outcome": stages["outcome"]}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": described}, sort_keys=False))
    (root / ".venv").symlink_to(sys.prefix)
    made = Project(root)
    made.workspace.prepare()
    (root / "workspace" / "models").symlink_to(judging_models)
    toy_shards.write_toy_shards(made.workspace)
    made.git("init", "--quiet")
    made.dvc("repro")
    made.commit()
    return made


def test_figures_curves_and_pictures_are_shown(project: Project) -> None:
    metrics = project.metrics()
    (row,) = manifest.read(project.workspace, "train").rows()
    assert metrics["training"]["loss_last"] == row["loss_last"]
    assert {"model", "copy-reference", "truth"} <= metrics["test"].keys()
    project.dvc("plots", "show", "--out", "dvc_plots")
    page = (project.root / "dvc_plots" / "index.html").read_text()
    assert "losses.csv" in page
    assert list((project.root / "dvc_plots").rglob("*pair-0.jpg"))
    losses = (project.root / "workspace" / outcome.LOSSES).read_text().splitlines()
    assert len(losses) == 1 + row["steps"]
    assert losses[0].startswith("step,loss")


def test_nothing_of_it_registers_a_model(project: Project) -> None:
    from training.tracking import versions

    assert versions(project.workspace) == []


@pytest.mark.parametrize("options", [(), ("--temp",)], ids=["in place", "in a copy"])
def test_an_experiment_tries_another_seed(project: Project, options: tuple[str, ...]) -> None:
    before, trained = project.metrics(), project.weights()
    state = _state(project.root / "workspace")
    name = f"seed{len(options)}"
    # The figures of test pairs take time, and are looked at above.
    asked = [f"--set-param=train.seed={1 + len(options)}", "--set-param=evaluation.groups=0"]
    project.dvc("exp", "run", *options, "--name", name, *asked)
    compared = json.loads(project.dvc("metrics", "diff", "HEAD", name, "--json"))
    changed = compared["workspace/outcome/metrics.json"]
    assert changed["training.loss_last"]["old"] == before["training"]["loss_last"]
    assert changed["training.loss_last"]["new"] != before["training"]["loss_last"]
    project.dvc("plots", "diff", "HEAD", name, "--out", "dvc_plots")
    if options:
        # The workspace of the repository is as it was.
        assert _state(project.root / "workspace") == state
    else:
        assert project.weights() != trained
        project.git("checkout", "--quiet", "--force", "HEAD")
        project.dvc("checkout")
    assert project.weights() == trained
    from training.tracking import versions

    assert versions(project.workspace) == []


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and "mlflow" not in path.parts and path.name != ".lock"
    }


def test_a_clone_pulls_the_model_and_does_not_train_it_again(project: Project, tmp_path: Path) -> None:
    project.dvc("remote", "add", "--force", "--default", "store", str(tmp_path / "store"))
    project.dvc("push")
    project.commit()
    _done(["git", "clone", "--quiet", str(project.root), str(tmp_path / "clone")])
    clone = Project(tmp_path / "clone")
    (clone.root / ".venv").symlink_to(sys.prefix)
    clone.dvc("pull")
    load_animator(clone.root / "workspace" / outcome.MODEL)
    assert "Data and pipelines are up to date." in clone.dvc("status")
    assert "Running stage 'train'" not in clone.dvc("repro")
    # With the shards, as after the earlier stages have made them again.
    shutil.copytree(project.root / "workspace" / "shards", clone.root / "workspace" / "shards")
    config = TrainConfig("tiny", workers=0)
    again = run_stage(TRAIN, clone.workspace, config, Engine(), quiet=True)
    assert again.recomputed
    assert again.digest == manifest.read(project.workspace, "train").digest
    assert not list((clone.root / "workspace" / "train").rglob("checkpoints")), "it was trained again"
    assert not run_stage(TRAIN, clone.workspace, config, Engine(), quiet=True).recomputed

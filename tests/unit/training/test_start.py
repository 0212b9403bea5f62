"""A run that starts from a trained model goes on where that ended, or says at once why it cannot."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.engine import Engine
from pipelines.errors import UsageError, WorkError
from pipelines.shards import contents
from pipelines.stage import run_stage
from pipelines.workspace import Workspace, file_sha256
from training import checkpoint, launch, presets, start
from training.export import check_model, load_animator, write_model
from training.history import read_history
from training.loop import Alone, Job, fit
from training.model.animator import Animator, trainable
from training.train import STAGE, TrainConfig


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Of random weights."""
    torch.manual_seed(5)
    write_model(Workspace(str(tmp_path / "other")), "export", TINY.model, trainable(Animator(TINY.model)))
    return tmp_path / "other" / "export"


def validations(workspace: Workspace, run: str) -> list[float]:
    return [row["validation_loss"] for row in read_history(workspace, run) if row["validation_loss"] is not None]


def test_a_second_run_starts_at_the_loss_where_the_first_ended(workspace: Workspace) -> None:
    write_toy_shards(workspace)
    fit(Job(workspace.url, "train/first", TINY, 0, 1, False), Alone())
    last = checkpoint.complete_steps(workspace, "train/first")[-1]
    write_model(workspace, "export", TINY.model, checkpoint.load_ema(workspace, "train/first", last))
    # Steps of no length: what is measured is what was taken, and its running means.
    still = replace(TINY, phases=tuple(replace(phase, rate=0.0) for phase in TINY.phases), save_every=TINY.steps)
    start.take(workspace, str(workspace.local_root / "export"), still.model, "train/second/start")
    fit(Job(workspace.url, "train/second", still, 0, 1, False, started=True), Alone())
    ended = validations(workspace, "train/first")[-1]
    assert validations(workspace, "train/second") == [ended]
    again = load_animator(workspace.local_root / "export")
    means = checkpoint.load_ema(workspace, "train/second", TINY.steps)
    assert all(torch.equal(means[name], value) for name, value in again.named_parameters())


def test_the_start_is_part_of_what_a_run_is(workspace: Workspace, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []

    class LaunchedError(Exception):
        pass

    def note(job: Job, *_: object) -> None:
        jobs.append(job)
        raise LaunchedError

    monkeypatch.setattr(launch, "launch", note)
    monkeypatch.setitem(presets.PRESETS, "tiny", TINY)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_toy_shards(workspace)

    def run(folder: str) -> Job:
        with pytest.raises(LaunchedError):
            run_stage(STAGE, workspace, TrainConfig("tiny", workers=0, start=folder), Engine(), quiet=True)
        return jobs[-1]

    fresh, started = run(""), run(str(model))
    assert (fresh.started, started.started) == (False, True)
    copy = workspace.local(f"{started.run}/start/model.safetensors")
    assert file_sha256(copy) == start.digest(str(model))
    assert run(str(model)).run == started.run
    # The same place with other weights is another run.
    torch.manual_seed(6)
    write_model(Workspace(str(model.parent)), "export", TINY.model, trainable(Animator(TINY.model)))
    assert len({fresh.run, started.run, run(str(model)).run}) == 3


def test_what_the_first_model_saw_the_second_has_seen(
    workspace: Workspace, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "launch", lambda *_: pytest.fail("stop here"))
    monkeypatch.setitem(presets.PRESETS, "tiny", TINY)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_toy_shards(workspace)
    row = dict.fromkeys(contents.SCHEMA.names, "x") | {"sample": "old", "origin": "video-of-the-first"}
    other = Workspace(str(model.parent))
    with other.publish(f"export/{contents.NAME}") as path:
        pq.write_table(pa.Table.from_pylist([row], schema=contents.SCHEMA), path)
    config = TrainConfig("tiny", workers=0, start=str(model))
    with pytest.raises(pytest.fail.Exception):
        run_stage(STAGE, workspace, config, Engine(), quiet=True)
    (run,) = [name for name in workspace.children("train") if workspace.exists(f"train/{name}/{contents.NAME}")]
    seen = pq.read_table(workspace.local(f"train/{run}/{contents.NAME}"))["sample"].to_pylist()
    assert {"old", "p0", "c0"} <= set(seen)
    assert len(seen) == len(set(seen))


def test_sampling_may_differ_and_the_network_may_not(workspace: Workspace, model: Path) -> None:
    start.take(workspace, str(model), replace(TINY.model, window=3, history=1, steps=4, shift=2.0), "start")
    assert load_animator(workspace.local_root / "start").config == TINY.model
    with pytest.raises(UsageError, match=r"export: has retarget_layers 1, the preset 2; choose the preset"):
        start.take(workspace, str(model), replace(TINY.model, retarget_layers=2, dit_layers=2), "start")


def test_what_is_no_whole_model_is_refused(workspace: Workspace, model: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"start .*nowhere: has no readable model.safetensors \(No such file"):
        start.digest(str(tmp_path / "nowhere"))
    for name, content, sentence in (
        ("config.json", b"{", "is not a model"),
        ("config.json", b"{}", "has size 256, the preset 32"),
        ("model.safetensors", (model / "model.safetensors").read_bytes()[:-1], "is not a model"),
        ("model.safetensors", b"", "is not a model"),
    ):
        copy = Path(shutil.copytree(model, tmp_path / "copy", dirs_exist_ok=True))
        (copy / name).write_bytes(content)
        with pytest.raises((WorkError, UsageError), match=sentence):
            start.take(workspace, str(copy), TINY.model, "start")
    # Weights that its config does not describe.
    larger = replace(TINY.model, retarget_layers=2)
    write_model(workspace, "larger", larger, trainable(Animator(larger)))
    folder = workspace.local_root / "larger"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"retarget_layers": 1}))
    start.take(workspace, str(folder), TINY.model, "run/start")
    write_toy_shards(workspace)
    with pytest.raises(WorkError, match=r"has other weights than its config says \(motion.retarget.blocks"):
        fit(Job(workspace.url, "run", TINY, 0, 1, False, started=True), Alone())


def test_the_model_that_comes_with_the_package_is_small_and_known(workspace: Workspace) -> None:
    folder = start.model_folder(start.STARTER)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25e6
    check_model(folder)
    for preset in ("smoke", "demo", "starter"):
        start.take(workspace, start.STARTER, presets.PRESETS[preset].model, preset)
    about = json.loads((folder / "about.json").read_text())
    assert about["training"]["core_seconds"] > 0
    assert about["worth"]["means"]["model"]["lpips_vgg"] < about["worth"]["means"]["copy-reference"]["lpips_vgg"]
    origins = contents.distinct_origins(pq.read_table(folder / contents.NAME))
    assert set(origins["licence"].to_pylist()) <= {"BSD-3-Clause", "CC0-1.0"}

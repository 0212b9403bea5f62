"""What is deleted is what nothing goes on from; the current training, all models and what they saw stay."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from click.testing import CliRunner

from pipelines.cli import main
from pipelines.manifest import Status, build, write
from pipelines.workspace import Workspace
from training.retention import delete_leftovers, leftovers
from training.train import STAGE as TRAIN

CURRENT, ENDED, CUT_OFF, RESTING = ("c" * 32, "e" * 32, "0" * 32, "1" * 32)


def trained(workspace: Workspace) -> Path:
    """Four trainings and the latents of two; the last ones were left alone for 40 days."""
    root = workspace.local_root
    for run in (CURRENT, ENDED, CUT_OFF, RESTING):
        names = ["checkpoints/step-00000010/weights.safetensors", "start/model.safetensors", "contents.parquet"]
        names += ["export/model.safetensors"] if run in (CURRENT, ENDED) else []
        for name in names:
            (root / "train" / run / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "train" / run / name).write_bytes(b"1234")
    for name in ("new", "old"):
        (root / "train" / "latents" / name).mkdir(parents=True)
        (root / "train" / "latents" / name / "shard.safetensors").write_bytes(b"1234")
    (root / "train" / "mine").mkdir()
    long_ago = time.time() - 40 * 86_400
    for folder in (RESTING, "latents/old"):
        for path in (root / "train" / folder).rglob("*"):
            os.utime(path, (long_ago, long_ago))
    row = {"id": "t", "status": Status.KEPT, "export_path": f"train/{CURRENT}/export"}
    write(workspace, "train", build([row], TRAIN.schema), "f", 0)
    return root


def test_what_may_go(workspace: Workspace) -> None:
    trained(workspace)
    found = leftovers(workspace, 30)
    assert [(one.path, one.size) for one in found] == [
        (f"train/{RESTING}/checkpoints", 4),
        (f"train/{RESTING}/start", 4),
        (f"train/{ENDED}/checkpoints", 4),
        (f"train/{ENDED}/start", 4),
        ("train/latents/old", 4),
    ]
    assert found[0].why == "of a training that was cut off and left alone for 40 days"


def test_a_dry_run_deletes_nothing_and_the_other_only_that(workspace: Workspace) -> None:
    root = trained(workspace)
    before = {path for path in root.rglob("*") if path.is_file()}

    def told(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["gc", *arguments, "--workspace", str(root)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "MiB would be deleted" in told("--dry-run")
    assert {path for path in root.rglob("*") if path.is_file()} == before
    assert json.loads(told("--json"))["deleted"] is True
    gone = {str(path.relative_to(root)) for path in before if not path.exists()}
    assert gone == {
        "train/latents/old/shard.safetensors",
        f"train/{RESTING}/checkpoints/step-00000010/weights.safetensors",
        f"train/{RESTING}/start/model.safetensors",
        f"train/{ENDED}/checkpoints/step-00000010/weights.safetensors",
        f"train/{ENDED}/start/model.safetensors",
    }
    assert json.loads(told("--json"))["leftovers"] == []


def test_what_a_training_goes_on_with_meanwhile_stays(workspace: Workspace) -> None:
    root, waits = trained(workspace), threading.Event()
    with ThreadPoolExecutor(1) as thread:
        with workspace.exclusive("train"):
            deleted = thread.submit(delete_leftovers, workspace, 30, waits.set)
            assert waits.wait(10)
            (root / "train" / RESTING / "checkpoints" / "fresh").write_bytes(b"1234")
        assert f"train/{RESTING}/checkpoints" not in {one.path for one in deleted.result(10)}
    assert (root / "train" / RESTING / "checkpoints" / "fresh").exists()
    assert not (root / "train" / ENDED / "checkpoints").exists()

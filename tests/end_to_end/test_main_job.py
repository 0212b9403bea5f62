"""The main job, small: everything real (videos, models, Ray, MLflow, Dagster, DVC), counted against what is on disk.

And `kill -9` at any stage, then the same command: it finishes, and everything is as if nothing had happened. All that
shares the job is in this file, so that one process makes it, once.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import pyarrow.parquet as pq
import pytest
import yaml
from dagster import AssetKey, DagsterInstance, RunRequest, SkipReason, build_schedule_context

from dagster_project.defs.retraining import weekly_retraining
from dagster_project.foundry import Foundry
from pipelines.retraining import hours
from pipelines.synthesis.scenes.framing import FRAMINGS
from tests.end_to_end.conftest import digests, rows

REPOSITORY = Path(__file__).resolve().parents[2]
DVC = REPOSITORY / ".venv-dvc" / "bin" / "dvc"
REGISTRY = "infra/registry/dvc.yaml"  # the stages that register a model, and so all
Command = Callable[..., Any]
STAGES = ["sources", "videos", "people", "clips", "duplicates", "coverage", "identities", "split"]
STAGES += ["motions", "pairs", "shards"]
STAGES += ["train", "model", "evaluation", "report"]


def test_counts_are_what_is_on_disk(job: Path) -> None:
    stages = json.loads((job / "summary.json").read_text())["stages"]
    assert list(stages) == STAGES
    for name, stage in stages.items():
        found = Counter(row["status"] for row in rows(job, name))
        assert stage["in"] == found.total() == stage["kept"] + stage["rejected"] + stage["quarantined"], name
        assert (stage["kept"], stage["rejected"]) == (found["kept"], found["rejected"]), name
    assert stages["clips"]["kept"] >= 2


def test_artefacts_are_there_and_whole(job: Path) -> None:
    for clip in (row for row in rows(job, "clips") if row["status"] == "kept"):
        with av.open(str(job / clip["path"])) as container:
            assert sum(1 for _ in container.decode(video=0)) == clip["frames"]
    for shard in rows(job, "shards"):
        with tarfile.open(job / shard["path"]) as tar:
            assert len({name.partition(".")[0] for name in tar.getnames()}) == shard["samples"]
    in_shards = Counter()
    for shard in rows(job, "shards"):
        in_shards[shard["kind"]] += shard["samples"]
    kept = {name: sum(row["status"] == "kept" for row in rows(job, name)) for name in ("clips", "pairs")}
    assert in_shards == {"clip": kept["clips"], "pair": kept["pairs"]}


def test_training_was_registered_and_judged(job: Path) -> None:
    summary = json.loads((job / "summary.json").read_text())
    assert summary["training"]["steps"] > 0
    assert summary["model"]["uri"] == "models:/x-unimotion/1"
    evaluation = summary["evaluation"]
    assert set(evaluation["metrics"]) == {"model", "copy-reference", "truth"}
    assert ("champion" in summary["model"]["aliases"]) == (evaluation["gate"] == "passed")
    judged = [row for row in rows(job, "evaluation") if row["method"] == "model"]
    assert {row["framing"] for row in judged} <= set(FRAMINGS)
    mean = sum(row["lpips_vgg"] for row in judged) / len(judged)
    assert evaluation["metrics"]["model"]["lpips_vgg"] == pytest.approx(mean)


def test_nothing_is_trained_again_for_nothing(job: Path, params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    foundry = Foundry(workspace_url=str(job), params_file=str(params))
    assert hours(foundry.workspace).new == 0
    weekly = weekly_retraining(build_schedule_context(), foundry=foundry)
    assert isinstance(weekly, SkipReason), weekly
    assert weekly.skip_message == "nothing has changed since the last model was made"
    other = Foundry(workspace_url=str(job))  # with other settings
    assert isinstance(weekly_retraining(build_schedule_context(), foundry=other), RunRequest)


def test_dagster_knows_every_asset_by_its_digest(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(job / "dagster"))
    with DagsterInstance.get() as instance:
        for name, digest in digests(job).items():
            event = instance.get_latest_data_version_record(AssetKey(name))
            assert event is not None, name
            assert digest in str(event.asset_materialization.tags), name
        assert instance.get_dynamic_partitions("batch") == ["people"]


def test_a_second_run_recomputes_nothing(job: Path, command: Command, params: Path) -> None:
    def state() -> dict[str, float]:
        folders = ("manifests", "clips", "people", "pairs", "shards", "train", "report")
        return {str(p): p.stat().st_mtime_ns for f in folders for p in (job / f).rglob("[!.]*") if p.is_file()}

    before = state()
    done = command("run", "--params", params, "--json", workspace=job)
    assert done.code == 0, done.everything
    assert state() == before


def test_animate_without_a_champion_uses_the_newest_version(
    job: Path, command: Command, videos: list[Path], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    with av.open(str(videos[0])) as container:
        next(container.decode(video=0)).to_image().save(photo)
    out = tmp_path / "out.mp4"
    done = command("animate", "--reference", photo, "--driving", videos[-1], "--out", out, "--json", workspace=job)
    assert done.code == 0, done.everything
    with av.open(str(videos[-1])) as container:
        expected = sum(1 for _ in container.decode(video=0))
    with av.open(str(videos[0])) as container:
        size = container.streams.video[0].width
    for path, panels in ((done.json["video"], 1), (done.json["side_by_side"], 3)):
        with av.open(path) as container:
            assert container.streams.video[0].width == panels * size
            # Some at the ends may not show the person.
            assert 0.7 * expected < sum(1 for _ in container.decode(video=0)) <= expected
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert done.json["people"] is None


def test_the_model_of_the_last_checkpoint_is_taken_out(
    job: Path, command: Command, params: Path, tmp_path: Path
) -> None:
    options = ("--groups", "0", "--half", "--out", tmp_path / "model", "--json", "--params", params)
    done = command("checkpoint", *options, workspace=job)
    assert done.code == 0, done.everything
    training = done.json["training"]
    assert training["step"] == training["steps"] == json.loads((job / "summary.json").read_text())["training"]["steps"]
    assert json.loads((tmp_path / "model" / "about.json").read_text()) == done.json
    assert {"config.json", "model.safetensors", "contents.parquet"} < {
        path.name for path in (tmp_path / "model").iterdir()
    }


def test_all_stages_up_to_one_are_brought_up_to_date(job: Path, command: Command, params: Path) -> None:
    done = command("stage", "shards", "--with-earlier", "--json", "--params", params, workspace=job)
    assert done.code == 0, done.everything
    stages = done.json["stages"]
    assert stages[-1]["stage"] == "shards"
    assert {"sources", "people", "pairs"} < {stage["stage"] for stage in stages}
    assert not any(stage["recomputed"] for stage in stages)


@pytest.fixture
def repository(tmp_path: Path, params: Path) -> Path:
    """What DVC needs of ours, in a repository of its own."""
    if not DVC.exists():
        pytest.skip("DVC's environment is not installed (make .venv-dvc/ready)")
    for name in ("pipelines", "training", "infra", ".dvc"):
        shutil.copytree(
            REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache")
        )
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copy(params, tmp_path / "params.yaml")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def repro(repository: Path, *targets: str) -> list[str]:
    """The stages that DVC ran."""
    lines = dvc(repository, "repro", *targets).splitlines()
    return [line.split("'")[1].rpartition(":")[2] for line in lines if line.startswith("Running stage")]


def dvc(repository: Path, *arguments: str) -> str:
    done = subprocess.run([DVC, *arguments], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_dvc_takes_over_what_was_made_and_makes_nothing_again(job: Path, repository: Path) -> None:
    shutil.copytree(job, repository / "workspace")
    # Written by every stage that has something to do; the manifests themselves DVC links anew.
    made = {path: path.stat().st_mtime_ns for path in (repository / "workspace").rglob("seconds.json")}
    assert len(made) == len(STAGES)
    assert repro(repository, REGISTRY) == STAGES
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert digests(repository / "workspace") == digests(job)
    assert repro(repository, REGISTRY) == ["sources", "videos"]  # they look for withdrawals, and found none


def test_dvc_goes_on_in_a_fresh_clone(command: Command, videos: list[Path], repository: Path, tmp_path: Path) -> None:
    """With the stages that take no time: a clone has the manifests, and nothing of what lies beside them."""
    described = yaml.safe_load((repository / "dvc.yaml").read_text())
    described["stages"] = {name: described["stages"][name] for name in ("sources", "videos")}
    (repository / "dvc.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
    shutil.rmtree(repository / "infra" / "registry")
    shutil.rmtree(repository / "infra" / "shards")
    workspace = repository / "workspace"
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    assert repro(repository) == ["sources", "videos"]
    before = {name: rows(workspace, name) for name in ("sources", "videos")}
    dvc(repository, "remote", "add", "--default", "store", str(tmp_path / "store"))
    dvc(repository, "push")
    shutil.rmtree(workspace)
    shutil.rmtree(repository / ".dvc" / "cache")
    dvc(repository, "pull")
    assert sorted(path.name for path in workspace.iterdir()) == ["manifests"]
    assert repro(repository) == ["sources", "videos"]
    assert {name: rows(workspace, name) for name in ("sources", "videos")} == before


@pytest.mark.slow
def test_dvc_gives_the_same_digests(job: Path, command: Command, videos: list[Path], repository: Path) -> None:
    workspace = repository / "workspace"
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    repro(repository, REGISTRY)
    for stage, digest in digests(job).items():
        if stage != "report":  # its digest holds those of all others
            path = workspace / "manifests" / stage
            file = path / "people.parquet" if path.is_dir() else path.with_suffix(".parquet")
            found = json.loads(pq.read_schema(file).metadata[b"unimotion"])["digest"]
            assert found == digest, stage


def kill_while(stage: str, workspace: Path, params: Path, delay: float, verb: str = "run") -> None:
    """Start a command and kill its whole process group `delay` seconds after it begins to work on a stage."""
    command = [str(Path(sys.executable).parent / "unimotion"), verb, "--workspace", str(workspace)]
    process = subprocess.Popen(
        [*command, "--params", str(params)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 400
    while not (workspace / stage).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(delay)
    assert process.poll() is None, f"the run ended before it could be killed in {stage}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_in_each(
    stages: Sequence[tuple[str, float]],
    job: Path,
    command: Command,
    params: Path,
    videos: list[Path],
    workspace: Path,
) -> None:
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    for stage, delay in stages:
        kill_while(stage, workspace, params, delay)
    done = command("run", "--params", params, "--json", workspace=workspace)
    assert done.code == 0, done.everything
    assert digests(workspace) == digests(job)
    undisturbed, killed = (json.loads((w / "summary.json").read_text())["training"] for w in (job, workspace))
    for key in ("steps", "loss_first", "loss_last"):
        assert killed[key] == undisturbed[key]
    assert not list(workspace.rglob(".part-*"))


@pytest.mark.slow
def test_killed_while_looking_for_people(
    job: Path, command: Command, params: Path, videos: list[Path], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    assert command("ingest", *videos, "--batch", "people", workspace=workspace).code == 0
    kill_while("people", workspace, params, 1.0, "curate")
    done = command("curate", "--params", params, workspace=workspace)
    assert done.code == 0, done.everything
    for stage in ("videos", "people", "clips", "duplicates", "coverage", "identities", "split"):
        assert rows(workspace, stage) == rows(job, stage)
    assert not list(workspace.rglob(".part-*"))


@pytest.mark.slow
def test_killed_in_every_stage(job: Path, command: Command, params: Path, videos: list[Path], tmp_path: Path) -> None:
    stages = ["people", "clips", "duplicates", "coverage", "identities", "split", "motions", "pairs", "shards"]
    stages += ["train", "model", "evaluation"]
    places = [(stage, 0.3) for stage in stages]
    places.insert(stages.index("model"), ("train", 12.0))
    kill_in_each(places, job, command, params, videos, tmp_path / "workspace")

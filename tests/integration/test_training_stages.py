"""The stages from shards to a judged model, on drawn people: train, register, judge; twice is once."""

import base64
import io
import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toy_shards
from example_request import example
from tiny_training import TINY, passed, run_training

from pipelines import manifest
from pipelines.curation.clips import ClipsConfig
from pipelines.curation.people import PeopleConfig
from pipelines.errors import DataError, UsageError, WorkError
from pipelines.evaluation import figures, gate
from pipelines.progress import Progress
from pipelines.stage import Result
from pipelines.workspace import Workspace
from training import outcome, presets, promotion, start, tracking
from training.animate import animate
from training.evaluate import EvaluationConfig
from training.evaluation import checkpoint_worth
from training.export import load_animator
from training.lineage import lineage
from training.stages import TRAINING_STAGES
from training.train import TrainConfig


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, judging_models: Path) -> tuple[Workspace, list[Result]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", TINY)
        patch.setenv("DAGSTER_RUN_ID", "dagster-run-1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        workspace = Workspace(str(tmp_path_factory.mktemp("trained")))
        (workspace.local_root / "models").symlink_to(judging_models)
        toy_shards.write_toy_shards(workspace)
        results = run_training(workspace)
        # The gate is closed to it: nobody finds people in these drawings.
        promotion.promote(workspace, "1", "test")
        return workspace, results


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets.PRESETS, "tiny", TINY)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def side(workspace: Workspace, name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(workspace.local(name).read_text())
    return loaded


def test_the_run_is_recorded_with_its_data(trained: tuple[Workspace, list[Result]]) -> None:
    workspace, _ = trained
    client = tracking._client(workspace)
    about = side(workspace, "train/run.json")
    found = client.get_run(about["mlflow_run_id"])
    assert found.info.status == "FINISHED"
    assert found.data.tags["dagster_run_id"] == "dagster-run-1"
    assert found.data.tags["unimotion.fingerprint"] == about["fingerprint"]
    assert found.data.params["model.dit_width"] == "32"
    shards = manifest.read(workspace, "shards").digest
    assert re.fullmatch(rf"tiny, shards {shards[:8]}, \d{{4}}-\d\d-\d\d", found.info.run_name)
    contexts = {tag.value for data in found.inputs.dataset_inputs for tag in data.tags}
    assert contexts == {"training", "validation", "test"}
    assert {data.dataset.digest for data in found.inputs.dataset_inputs} == {shards}
    losses = client.get_metric_history(about["mlflow_run_id"], "loss")
    table = pq.read_table(workspace.local(f"train/{about['fingerprint']}/history.parquet"))
    assert sorted((m.step, m.value) for m in losses) == list(
        zip(table["step"].to_pylist(), table["loss"].to_pylist(), strict=True)
    )
    assert table["flow"].to_pylist()[:3] == [None] * 3
    assert "seconds" not in table.column_names


def test_the_page_of_a_model_has_its_last_losses_and_its_test_scores(trained: tuple[Workspace, list[Result]]) -> None:
    workspace, _ = trained
    client, about = tracking._client(workspace), side(workspace, "train/run.json")
    model_id = tracking._model_id(client.get_model_version("x-unimotion", "1"))
    model = client.get_logged_model(model_id)
    assert model.source_run_id == about["mlflow_run_id"]
    (output,) = client.get_run(about["mlflow_run_id"]).outputs.model_outputs
    assert output.model_id == model_id
    shown = {metric.key: metric.value for metric in model.metrics}
    assert len(shown) == len(model.metrics)
    last = pq.read_table(workspace.local(f"train/{about['fingerprint']}/history.parquet")).to_pylist()[-1]
    assert shown["loss"] == last["loss"]
    assert shown["validation_loss"] == last["validation_loss"]
    assert shown["ms_per_step"] == about["ms_per_step"]
    means = side(workspace, "evaluation/gate.json")["means"]["model"]  # type: ignore[index]
    assert {name: shown[f"test.model.{name}"] for name in means} == means
    assert shown["test.gate"] == 0


def test_another_workspace_gives_the_same_bytes_and_twice_is_once(
    trained: tuple[Workspace, list[Result]], judging: Workspace
) -> None:
    first, results = trained
    workspace = judging
    assert [result.recomputed for result in run_training(first)] == [False] * 3
    toy_shards.write_toy_shards(workspace)
    assert [result.digest for result in run_training(workspace)] == [result.digest for result in results]
    # Registering again, as after a kill before the manifest, finds the version that is there.
    version = side(workspace, "model/registered.json")["version"]
    workspace.remove(manifest.manifest_path("model"))
    run_training(workspace)
    assert side(workspace, "model/registered.json")["version"] == version == "1"
    # Training again finds its run and its last checkpoint.
    run_id = side(workspace, "train/run.json")["mlflow_run_id"]
    workspace.remove(manifest.manifest_path("train"))
    assert run_training(workspace)[0].digest == results[0].digest
    assert side(workspace, "train/run.json")["mlflow_run_id"] == run_id


def test_what_lies_beside_the_manifests_is_made_again(trained: tuple[Workspace, list[Result]], tmp_path: Path) -> None:
    first, results = trained
    workspace, clone = Workspace(str(tmp_path / "copy")), Workspace(str(tmp_path / "clone"))
    shutil.copytree(first.local_root, workspace.local_root, symlinks=True)
    digests = [result.digest for result in results]
    expected = side(workspace, "model/registered.json")
    for number, stage in enumerate(TRAINING_STAGES):
        found = manifest.read(workspace, stage.name)
        beside = [f"{stage.name}/{name.format(fingerprint=found.fingerprint)}" for name in stage.beside]
        assert beside
        for path in beside:
            workspace.remove(path)
            again = run_training(workspace)
            assert [result.digest for result in again] == digests
            assert [result.recomputed for result in again] == [place == number for place in range(3)]
            assert workspace.exists(path)
    assert side(workspace, "model/registered.json") == expected
    # As in a fresh clone with the shards: nothing of the training is there but its manifests.
    for name in ("manifests", "shards", "models"):
        shutil.copytree(first.local_root / name, clone.local_root / name)
    assert [result.digest for result in run_training(clone)] == digests
    assert side(clone, "model/registered.json")["version"] == "1"


def test_an_ended_training_is_not_done_again_for_what_is_lost(
    trained: tuple[Workspace, list[Result]], tmp_path: Path
) -> None:
    first, results = trained
    workspace, digests = Workspace(str(tmp_path)), [result.digest for result in results]
    shutil.copytree(first.local_root, workspace.local_root, symlinks=True, dirs_exist_ok=True)
    (row,) = manifest.read(workspace, "train").rows()
    run = workspace.local_root / row["contents_path"].removesuffix("/contents.parquet")
    shutil.rmtree(run / "checkpoints")
    assert not any(result.recomputed for result in run_training(workspace))
    for lost in (run / "history.parquet", run.parent / "run.json", run / "export" / "config.json"):
        lost.unlink()
        assert [result.digest for result in run_training(workspace)] == digests
        assert lost.exists()
    registered = {version.number for version in tracking.versions(workspace)}
    metrics = outcome.write(workspace, EvaluationConfig(groups=1), Progress("outcome", quiet=True))
    assert metrics["test"]["model"] == side(workspace, "evaluation/gate.json")["means"]["model"]
    assert metrics["training"]["best_step"] == row["best_step"]
    # As `dvc pull` brings it: no folder of the training, but its outcome.
    weights = (run / "export" / "model.safetensors").read_bytes()
    shutil.rmtree(run.parent)
    outcome.take_back(workspace, row["export_path"].removesuffix("/export"), "of another run")
    assert not run.exists()
    assert [result.digest for result in run_training(workspace)] == digests
    assert (run / "export" / "model.safetensors").read_bytes() == weights
    assert not (run / "checkpoints").exists()
    assert {version.number for version in tracking.versions(workspace)} == registered


def test_what_lies_beside_tells_of_the_model_of_the_manifests(
    trained: tuple[Workspace, list[Result]], tmp_path: Path
) -> None:
    """DVC may bring the manifests of an earlier training, and leave what lies beside them."""
    first, results = trained
    workspace = Workspace(str(tmp_path))
    shutil.copytree(first.local_root, workspace.local_root, symlinks=True, dirs_exist_ok=True)
    for number, path in enumerate(("train/run.json", "model/registered.json", "evaluation/gate.json")):
        told = side(workspace, path)
        workspace.local(path).write_text(json.dumps(told | {"fingerprint": "another", "mlflow_run_id": "another"}))
        again = run_training(workspace)
        assert [result.recomputed for result in again] == [place == number for place in range(3)]
        assert [result.digest for result in again] == [result.digest for result in results]
        assert side(workspace, path)["fingerprint"] == told["fingerprint"]
        assert side(workspace, path).get("mlflow_run_id") == told.get("mlflow_run_id")


def test_the_outcome_of_a_long_training_stays_small(workspace: Workspace) -> None:
    history = [{"step": step, "loss": 1 / (1 + step), "seconds": 0.5, "waited": 0.0} for step in range(10_007)]
    outcome.write_losses(workspace, history)
    header, *lines = workspace.local(outcome.LOSSES).read_text().splitlines()
    assert header == "step,loss"
    assert len(lines) <= 500
    steps = [int(line.split(",")[0]) for line in lines]
    assert steps == sorted(steps)
    assert len({later - earlier for earlier, later in itertools.pairwise(steps)}) == 1


def test_every_test_pair_is_judged_beside_copying_and_truth(trained: tuple[Workspace, list[Result]]) -> None:
    workspace, results = trained
    rows = manifest.read(workspace, "evaluation").rows()
    assert results[2].counts.kept == len(rows) == 3 * 3
    assert len({row["sample"] for row in rows}) == 3
    assert {row["method"] for row in rows} == {"model", "copy-reference", "truth"}
    for row in rows:
        assert row["group"] == row["sample"].partition(".")[0] == "p1000000"
        assert row["framing"] == "full"
        assert row["frames"] == 5
        assert (row["lpips_vgg"] == 0) == (row["method"] == "truth")
        assert 0 < row["ssim"] <= 1
        assert (row["body_token_person"] is not None) == (row["method"] == "model")
        assert workspace.local(row["grid_path"]).read_bytes()[:2] == b"\xff\xd8"
    told = side(workspace, "evaluation/gate.json")
    assert told["means"] == figures.means(rows)
    # Five frames of each of three people: four of the fourteen others are the same person.
    assert told["means"]["model"]["body_token_person_chance"] == pytest.approx(4 / 14)
    assert told["means"]["model"]["face_token_pose_chance"] == pytest.approx(2 / 14)
    ours, copied = (told["means"][method]["lpips_vgg"] for method in ("model", "copy-reference"))
    assert told["differences"]["copy-reference"]["lpips_vgg"]["mean"] == pytest.approx(ours - copied)


def test_the_registered_version_serves_bytes(
    trained: tuple[Workspace, list[Result]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import mlflow
    from mlflow.pyfunc.scoring_server import invocations

    workspace, _ = trained
    folder = tracking.model_folder(workspace, "models:/x-unimotion@champion")
    # A version's folder is one that a run can start from.
    start.take(workspace, str(folder), TINY.model, "started")
    with pytest.raises(WorkError, match="is not in the registry"):
        tracking.model_folder(workspace, "models:/x-unimotion/99")
    monkeypatch.setenv("UNIMOTION_WORKSPACE", str(tmp_path / "models of perception"))
    served = mlflow.pyfunc.load_model("models:/x-unimotion/1")
    schema = served.metadata.get_input_schema()
    assert [column.name for column in schema] == ["reference", "driving"]
    request = example(tmp_path)
    # What `mlflow models serve` does with a request.
    coded = {name: base64.b64encode(content).decode() for name, content in request.items()}
    answer = invocations(json.dumps({"dataframe_records": [coded]}), "application/json", served, schema)
    assert answer.status == 200, answer.response
    video = base64.b64decode(json.loads(answer.response)["predictions"][0]["video"])
    with av.open(io.BytesIO(video)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.stack(shown).shape == (6, 256, 256, 3)
    with pytest.raises(DataError, match=r"^reference: is not a readable image"):
        served.predict([request | {"reference": b"nonsense"}])
    with pytest.raises(DataError, match=r"^driving: is not a video"):
        served.predict([request | {"driving": b"nonsense"}])
    grey = cv2.imencode(".png", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
    with pytest.raises(DataError, match=r"^reference: no person was found"):
        served.predict([request | {"reference": grey}])


def test_a_training_is_judged_before_it_is_registered_and_its_model_taken_out(
    trained: tuple[Workspace, list[Result]], tmp_path: Path
) -> None:
    workspace, _ = trained
    before = {name: workspace.local(name).read_bytes() for name in ("evaluation/gate.json", "model/registered.json")}
    config = TrainConfig("tiny", workers=0)
    last = checkpoint_worth.last_checkpoint(workspace, config)
    assert last.step == TINY.steps
    worth = checkpoint_worth.judge(workspace, last, EvaluationConfig(groups=1), Progress("checkpoint", quiet=True))
    told = side(workspace, "evaluation/gate.json")["means"]
    assert {name: told[name] for name in ("model", "truth")} == {name: worth.means[name] for name in ("model", "truth")}
    assert "true points" in worth.means
    assert "LPIPS (VGG) around the person" in checkpoint_worth.describe(last, worth)
    checkpoint_worth.write_out(workspace, last, worth, tmp_path / "out", half=True)
    with pytest.raises(UsageError, match=r"config\.json: exists already; choose another folder, or add --overwrite"):
        checkpoint_worth.check_out(tmp_path / "out")
    checkpoint_worth.check_out(tmp_path / "fresh")
    loaded = load_animator(tmp_path / "out")
    whole = load_animator(workspace.local_root / last.run / "export")
    for name, weight in whole.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], weight, rtol=1e-3, atol=1e-6), name
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["training"]["shards_digest"] == manifest.read(workspace, "shards").digest
    # A run may start from it, and knows what it saw.
    start.take(workspace, str(tmp_path / "out"), TINY.model, "from a checkpoint")
    assert workspace.exists("from a checkpoint/contents.parquet")
    assert before == {name: workspace.local(name).read_bytes() for name in before}


def test_a_training_without_a_checkpoint_says_so(trained: tuple[Workspace, list[Result]]) -> None:
    with pytest.raises(WorkError, match="has no checkpoint of a training with these settings"):
        checkpoint_worth.last_checkpoint(trained[0], TrainConfig("tiny", seed=9, workers=0))


def test_without_a_registry_the_model_of_the_package_is_used(perceiving: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "new"))
    workspace.prepare()
    (workspace.local_root / "models").symlink_to(perceiving.local_root / "models")
    still = tmp_path / "reference.png"
    cv2.imwrite(str(still), cv2.imdecode(np.frombuffer(example(tmp_path)["reference"], np.uint8), cv2.IMREAD_COLOR))
    written = animate(workspace, still, still, tmp_path / "out.png", None, PeopleConfig(), ClipsConfig())
    assert written.model == start.STARTER
    assert not (workspace.local_root / "mlflow").exists()
    made, photo = (cv2.imread(str(path)) for path in (written.video, still))
    # Driven by herself she stays about as she is.
    assert made.shape == photo.shape
    assert np.abs(made.astype(int) - photo).mean() < 12


def test_a_model_is_found_from_its_videos_and_they_from_it(trained: tuple[Workspace, list[Result]]) -> None:
    workspace, _ = trained
    about = side(workspace, "train/run.json")
    tags = tracking._client(workspace).get_model_version("x-unimotion", "1").tags
    assert json.loads(tags["licences"]) == {"CC0-1.0": 2}
    assert json.loads(tags["consents"]) == {"stated": 0, "not stated": 2}
    for name in ("1", "models:/x-unimotion/1", "models:/x-unimotion@champion", str(about["mlflow_run_id"])):
        found = lineage(workspace, name)
        assert (found.kind, found.id) == ("model", "models:/x-unimotion/1")
        (made_from, _) = found.below
        assert [(node.kind, node.id, node.facts["licence"]) for node in made_from.below] == [
            ("video", "v0", "CC0-1.0"),
            ("video", "v1", "CC0-1.0"),
        ]
    (shard,) = {row["path"] for row in manifest.read(workspace, "shards").rows() if row["kind"] == "clip"}
    for name in ("c1", shard):
        (model,) = lineage(workspace, name).below[-1].below
        assert (model.kind, model.id) == ("model", "models:/x-unimotion/1")
        assert model.facts["samples"] == (1 if name == "c1" else 2)


def test_models_are_found_when_their_data_is_gone(judging: Workspace) -> None:
    workspace = judging
    toy_shards.write_toy_shards(workspace)
    run_training(workspace)
    old = manifest.read(workspace, "shards").rows()[0]["contents_path"]
    toy_shards.write_toy_shards(workspace, clips=1)
    workspace.remove(old)
    found = lineage(workspace, "v1")
    assert found.facts == {"now": "no longer in the data"}
    assert [model.id for model in found.below[-1].below] == ["models:/x-unimotion/1"]
    # A model that kept no table might have seen it.
    workspace.remove(f"train/{side(workspace, 'train/run.json')['fingerprint']}/contents.parquet")
    (model,) = lineage(workspace, "c0").below[-1].below
    assert model.facts["saw it"] == "not known, it kept no table of contents"
    with pytest.raises(UsageError, match="v1: is not known here"):
        lineage(workspace, "v1")


def test_shards_without_test_pairs_cannot_be_judged(workspace: Workspace) -> None:
    toy_shards.write_toy_shards(workspace, pairs=2, clips=0, test_pairs=0)
    with pytest.raises(WorkError, match="no test pairs"):
        run_training(workspace)
    assert workspace.exists(manifest.manifest_path("model"))
    assert not workspace.exists(manifest.manifest_path("evaluation"))


@pytest.mark.parametrize("variant", ["skeleton", pytest.param("no-pairs", marks=pytest.mark.slow)])
def test_a_variant_is_judged_and_never_the_champion(
    judging: Workspace, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = judging
    monkeypatch.setattr(gate, "judge", passed)
    toy_shards.write_toy_shards(workspace)
    run_training(workspace, variant=variant)
    client = tracking._client(workspace)
    registered = side(workspace, "model/registered.json")
    found = client.get_run(registered["mlflow_run_id"])
    assert found.data.params["variant"] == variant
    assert found.data.metrics["test.model.lpips_vgg"] > 0
    assert found.data.metrics["test.truth.lpips_vgg"] == 0
    assert found.data.metrics["test.gate"] == 1
    version = client.get_model_version("x-unimotion", registered["version"])
    assert version.tags["variant"] == variant
    assert version.aliases == []
    assert manifest.read(workspace, "train").rows()[0]["variant"] == variant
    verdict = side(workspace, "evaluation/gate.json")
    assert (verdict["passed"], verdict["version"]) == (True, registered["version"])


def test_presets_that_change_train_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = TrainConfig("tiny")
    monkeypatch.setitem(presets.PRESETS, "tiny", replace(TINY, ema=0.5))
    assert TrainConfig("tiny") != before

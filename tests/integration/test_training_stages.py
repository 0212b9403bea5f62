"""The stages from shards to a judged model, on drawn people: train, register, judge; twice is once."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_shards
from tiny_training import TINY

from pipelines import manifest
from pipelines.engine import Engine
from pipelines.errors import DataError, UsageError, WorkError
from pipelines.evaluation.gate import GateConfig
from pipelines.stage import Result, run_stage
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace
from training import presets, start, tracking
from training.evaluate import EvaluationConfig
from training.lineage import lineage
from training.records import decode_video
from training.stages import MODEL, TRAINING_STAGES
from training.train import TrainConfig

PASSES = GateConfig(foreground_psnr=-99, samples=1)


def run(workspace: Workspace, seed: int = 0, gate: GateConfig = PASSES, variant: str = "") -> list[Result]:
    configs = (TrainConfig("tiny", seed, variant, workers=0), MODEL.config(), EvaluationConfig(gate=gate))
    return [
        run_stage(stage, workspace, config, Engine(), quiet=True)
        for stage, config in zip(TRAINING_STAGES, configs, strict=True)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[Result]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", TINY)
        patch.setenv("DAGSTER_RUN_ID", "dagster-run-1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        workspace = Workspace(str(tmp_path_factory.mktemp("trained")))
        toy_shards.write_toy_shards(workspace)
        return workspace, run(workspace)


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
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.digest == manifest.read(workspace, "shards").digest
    losses = client.get_metric_history(about["mlflow_run_id"], "loss")
    table = pq.read_table(workspace.local(f"train/{about['fingerprint']}/history.parquet"))
    assert sorted((m.step, m.value) for m in losses) == list(
        zip(table["step"].to_pylist(), table["loss"].to_pylist(), strict=True)
    )
    assert table["flow"].to_pylist()[:3] == [None] * 3
    assert "seconds" not in table.column_names


def test_another_workspace_gives_the_same_bytes_and_twice_is_once(
    trained: tuple[Workspace, list[Result]], workspace: Workspace
) -> None:
    first, results = trained
    assert [result.recomputed for result in run(first)] == [False] * 3
    toy_shards.write_toy_shards(workspace)
    assert [result.digest for result in run(workspace)] == [result.digest for result in results]
    # Registering again, as after a kill before the manifest, finds the version that is there.
    version = side(workspace, "model/registered.json")["version"]
    workspace.remove(manifest.manifest_path("model"))
    run(workspace)
    assert side(workspace, "model/registered.json")["version"] == version == "1"
    # Training again finds its run and its last checkpoint.
    run_id = side(workspace, "train/run.json")["mlflow_run_id"]
    workspace.remove(manifest.manifest_path("train"))
    assert run(workspace)[0].digest == results[0].digest
    assert side(workspace, "train/run.json")["mlflow_run_id"] == run_id
    # Another seed is another run and another version; the gate decides who is champion.
    run(workspace, seed=1, gate=GateConfig(foreground_psnr=99))
    assert side(workspace, "model/registered.json")["version"] == "2"
    verdict = side(workspace, "evaluation/gate.json")
    assert verdict["passed"] is False
    client = tracking._client(workspace)
    assert str(client.get_model_version_by_alias("x-unimotion", "champion").version) == "1"
    run(workspace, seed=1)
    assert str(client.get_model_version_by_alias("x-unimotion", "champion").version) == "2"


def test_what_lies_beside_the_manifests_is_made_again(trained: tuple[Workspace, list[Result]], tmp_path: Path) -> None:
    first, results = trained
    workspace, clone = Workspace(str(tmp_path / "copy")), Workspace(str(tmp_path / "clone"))
    shutil.copytree(first.local_root, workspace.local_root)
    digests = [result.digest for result in results]
    expected = side(workspace, "model/registered.json")
    for number, stage in enumerate(TRAINING_STAGES):
        found = manifest.read(workspace, stage.name)
        beside = [f"{stage.name}/{name.format(fingerprint=found.fingerprint)}" for name in stage.beside]
        assert beside
        for path in beside:
            workspace.remove(path)
            again = run(workspace)
            assert [result.digest for result in again] == digests
            assert [result.recomputed for result in again] == [place == number for place in range(3)]
            assert workspace.exists(path)
    assert side(workspace, "model/registered.json") == expected
    # As in a fresh clone with the shards: nothing of the training is there but its manifests.
    for name in ("manifests", "shards"):
        shutil.copytree(first.local_root / name, clone.local_root / name)
    assert [result.digest for result in run(clone)] == digests
    assert side(clone, "model/registered.json")["version"] == "1"


def test_every_test_pair_is_judged_with_its_baseline(trained: tuple[Workspace, list[Result]]) -> None:
    workspace, results = trained
    rows = manifest.read(workspace, "evaluation").rows()
    assert results[2].counts.kept == len(rows) == 2 * 3 * 2
    for row in rows:
        assert row["frames"] == 5
        assert 3 < row["foreground_psnr"] < 40
        assert workspace.local(row["grid_path"]).read_bytes()[:2] == b"\xff\xd8"
    assert {row["method"] for row in rows} == {"model", "copy-reference"}


def test_the_registered_version_serves_bytes(trained: tuple[Workspace, list[Result]]) -> None:
    import mlflow

    workspace, _ = trained
    folder = tracking.model_folder(workspace, "models:/x-unimotion@champion")
    # A version's folder is one that a run can start from.
    start.take(workspace, str(folder), TINY.model, "started")
    with pytest.raises(WorkError, match="is not in the registry"):
        tracking.model_folder(workspace, "models:/x-unimotion/99")
    served = mlflow.pyfunc.load_model("models:/x-unimotion/1")
    assert [column.name for column in served.metadata.signature.inputs] == [
        "reference",
        "reference_keypoints",
        "driving",
        "driving_keypoints",
    ]
    request = example()
    (video,) = served.predict([request])["video"]
    assert decode_video(video).shape == (4, 32, 32, 3)
    with pytest.raises(DataError, match="cannot be read"):
        served.predict([request | {"driving": b"nonsense"}])
    pickled = np.array([object()], dtype=object)
    with pytest.raises(DataError, match="cannot be read"):
        served.predict([request | {"driving_keypoints": npy(pickled)}])


def example() -> dict[str, bytes]:
    import cv2

    keypoints = np.stack([toy_shards.keypoints_of(np.full(10, x), np.ones(3)) for x in (-0.5, 0.0, 0.5, 0.8)])
    image = np.zeros((64, 64, 3), np.uint8)
    return {
        "reference": cv2.imencode(".png", image)[1].tobytes(),
        "reference_keypoints": npy(keypoints[:1]),
        "driving": encode_mp4([image] * 4, 12),
        "driving_keypoints": npy(keypoints),
    }


def npy(array: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


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


def test_models_are_found_when_their_data_is_gone(workspace: Workspace) -> None:
    toy_shards.write_toy_shards(workspace)
    run(workspace)
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
        run(workspace)
    assert workspace.exists(manifest.manifest_path("model"))
    assert not workspace.exists(manifest.manifest_path("evaluation"))


@pytest.mark.parametrize("variant", ["skeleton", "no-pairs"])
def test_a_variant_is_judged_and_never_the_champion(workspace: Workspace, variant: str) -> None:
    toy_shards.write_toy_shards(workspace)
    run(workspace, variant=variant)
    client = tracking._client(workspace)
    registered = side(workspace, "model/registered.json")
    found = client.get_run(registered["mlflow_run_id"])
    assert found.data.params["variant"] == variant
    assert found.data.metrics["test.model.foreground_psnr"] > 0
    version = client.get_model_version("x-unimotion", registered["version"])
    assert version.tags["variant"] == variant
    assert version.aliases == []
    assert manifest.read(workspace, "train").rows()[0]["variant"] == variant
    verdict = side(workspace, "evaluation/gate.json")
    assert (verdict["passed"], verdict["version"]) == (True, registered["version"])
    ours = [row for row in manifest.read(workspace, "evaluation").rows() if row["method"] == "model"]
    assert {row["pose_head_error"] is None for row in ours} == {variant == "skeleton"}


def test_presets_that_change_train_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = TrainConfig("tiny")
    monkeypatch.setitem(presets.PRESETS, "tiny", replace(TINY, ema=0.5))
    assert TrainConfig("tiny") != before

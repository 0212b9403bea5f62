"""A stage is named in four places: the tables of stages, params.yaml, dvc.yaml and the Dagster assets. They agree."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetKey, DefaultScheduleStatus, DefaultSensorStatus, Definitions

from dagster_project.definitions import defs
from dagster_project.defs.checks import no_leak_between_splits
from dagster_project.foundry import Foundry
from dagster_project.heartbeats import beating_executor
from pipelines.curation.split import STAGE as SPLIT
from pipelines.health import HealthConfig
from pipelines.manifest import build, write
from pipelines.params import Params
from pipelines.retraining import RetrainingConfig
from pipelines.stage import BATCH_STAGES, Stage, fingerprint_of
from pipelines.stages import DATA_STAGES
from pipelines.workspace import Workspace
from training.stages import REPORT, TRAINING_STAGES

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = (*DATA_STAGES, *TRAINING_STAGES, REPORT)
# The repository's run goes on from the model that comes with the package.
OTHERWISE = {"train": {"start": "starter"}}
# Sections that are no stage's: when things happen.
BESIDE = {"retraining": RetrainingConfig, "health": HealthConfig}
by_name = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return defs()


def test_stages_come_after_what_they_need() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert {*stage.needs, *stage.uses} <= seen, stage.name
        seen.add(stage.name)
    assert {stage.name for stage in STAGES if stage.per_batch} == BATCH_STAGES


def test_params_hold_exactly_the_stages_and_what_dagster_goes_by() -> None:
    told = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    assert list(told) == [*(stage.name for stage in STAGES), *BESIDE]
    for stage in STAGES:
        Params().section(stage.name, stage.config)
    for name, kind in BESIDE.items():
        assert told[name] == _settings(kind())


@by_name
def test_params_hold_all_settings_with_their_defaults(stage: Stage) -> None:
    """So that `dvc exp run --set-param` finds each; and the work of a stage is not another one for being told them."""
    defaults = stage.config()
    told = yaml.safe_load((REPOSITORY / "params.yaml").read_text())[stage.name]
    assert told == _settings(defaults) | OTHERWISE.get(stage.name, {})
    read = Params().section(stage.name, stage.config)
    otherwise = dataclasses.replace(defaults, **OTHERWISE.get(stage.name, {}))
    assert fingerprint_of(stage, read, {}) == fingerprint_of(stage, otherwise, {})


def _settings(value: Any) -> Any:
    """What can be set, as YAML would give it."""
    if dataclasses.is_dataclass(value):
        return {field.name: _settings(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    return list(value) if isinstance(value, tuple) else value


@by_name
def test_dvc_has_the_same_graph(stage: Stage) -> None:
    files = [REPOSITORY / folder / "dvc.yaml" for folder in (".", "infra/registry")]
    found = {name: node for file in files for name, node in yaml.safe_load(file.read_text())["stages"].items()}

    def manifest(name: str) -> str:
        return f"workspace/manifests/{name}" if name in BATCH_STAGES else f"workspace/manifests/{name}.parquet"

    assert set(found) == {stage.name for stage in STAGES} | {"outcome"}
    node = found[stage.name]
    read = {manifest(name) for name in (*stage.needs, *stage.uses)}
    assert {path for path in node["deps"] if path.startswith("workspace/")} == read
    assert all((REPOSITORY / path).exists() for path in node["deps"] if not path.startswith("workspace/"))
    assert node["params"] == [stage.name]
    assert node["outs"] == [{manifest(stage.name): {"persist": True}}]
    commands = [node["cmd"]] if isinstance(node["cmd"], str) else node["cmd"]
    assert commands[-1] == f"sh infra/unimotion.sh stage {stage.name}"


def test_experiments_register_nothing() -> None:
    tried = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert not tried.keys() & {"model", "evaluation", "report"}
    assert {"train", "outcome"} <= tried.keys()


@by_name
def test_dagster_has_the_same_graph(stage: Stage, definitions: Definitions) -> None:
    node = definitions.resolve_asset_graph().get(AssetKey(stage.name))
    assert {key.to_user_string() for key in node.parent_keys} == {*stage.needs, *stage.uses}
    assert node.is_partitioned == stage.per_batch
    assert node.code_version == str(stage.version)
    assert node.description
    assert node.check_keys, "every asset is checked"


def test_dagster_jobs_schedule_and_sensor(definitions: Definitions) -> None:
    def selected(name: str) -> set[str]:
        keys = definitions.resolve_job_def(name).asset_layer.executable_asset_keys
        return {key.to_user_string() for key in keys}

    assert selected("curate_batch") == BATCH_STAGES
    assert selected("build_model") == {stage.name for stage in STAGES} - BATCH_STAGES
    assert definitions.resolve_schedule_def("weekly_retraining").cron_schedule == "0 3 * * 1"
    assert definitions.resolve_sensor_def("new_batches").job_name == "curate_batch"
    assert definitions.resolve_sensor_def("enough_new_data").job_name == "build_model"


def test_what_readme_promises_is_on_by_default(definitions: Definitions) -> None:
    for name in ("new_batches", "lost_runs"):
        assert definitions.resolve_sensor_def(name).default_status == DefaultSensorStatus.RUNNING
    schedule = definitions.resolve_schedule_def("weekly_retraining")
    assert schedule.default_status == DefaultScheduleStatus.RUNNING


def test_every_run_is_one_process_with_a_heartbeat(definitions: Definitions) -> None:
    jobs = [definitions.resolve_job_def(name) for name in ("curate_batch", "build_model")]
    jobs.append(definitions.resolve_implicit_global_asset_job_def())  # what "Materialize" executes
    assert [job.executor_def for job in jobs] == [beating_executor] * 3


@pytest.mark.parametrize(("sides", "passes"), [(("test", "test"), True), (("train", "test"), False)])
def test_a_person_in_two_splits_is_noticed(workspace: Workspace, sides: tuple[str, str], passes: bool) -> None:
    rows = [
        {"id": f"c{n}", "parent_id": f"c{n}", "status": "kept", "video_id": f"v{n}", "identity": "i", "split": side}
        for n, side in enumerate(sides)
    ]
    write(workspace, "split", build(rows, SPLIT.schema), "", retry=0)
    found = no_leak_between_splits(foundry=Foundry(workspace_url=workspace.url))
    assert found.passed == passes
    assert found.metadata["videos"].value == 2

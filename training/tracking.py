"""MLflow: runs, datasets and the registry.

Everything is found again by the stage's fingerprint, so that doing it twice is doing it once.
"""

import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training import shipping
from training.connection import EXPERIMENT, answering, tracking_uri
from training.connection import client as _client
from training.connection import database as _database
from training.relocation import artifacts_uri

MODEL_NAME = "x-unimotion"
# Aliases: the version in use, and the newest one that is not it. See `training.promotion`, too.
CHAMPION, CHALLENGER = "champion", "challenger"
_FINGERPRINT = "unimotion.fingerprint"
_MOST_METRICS, _MOST_PARAMS = 1000, 100  # what MLflow takes in one call


def _experiment(workspace: Workspace, client: Any) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    # A server keeps its artifacts where it was told to.
    location = artifacts_uri(_database(workspace)) if tracking_uri(workspace).startswith("sqlite:") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=location))


def start_run(
    workspace: Workspace,
    fingerprint: str,
    params: Mapping[str, str],
    shards_digest: str | None,
    name: str = "",
    began: int | None = None,
) -> str:
    """The id of the run of a fingerprint, which then has its settings and data: the one that is there, or a new one.

    shards_digest: of its data, None where nobody knows. name: of a new run. began: when, in milliseconds since 1970.
    """
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag, Param

    client = _client(workspace)
    experiment = _experiment(workspace, client)
    found = client.search_runs([experiment], f"tags.`{_FINGERPRINT}` = '{fingerprint}'", max_results=1)
    tags = {_FINGERPRINT: fingerprint, "unimotion.workspace": workspace.url}
    run = found[0] if found else client.create_run(experiment, began, tags, run_name=name or fingerprint[:12])
    run_id = str(run.info.run_id)
    # One that is there may have been cut off here.
    entries = [Param(key, str(value)) for key, value in params.items()]
    for first in range(0, len(entries), _MOST_PARAMS):
        client.log_batch(run_id, params=entries[first : first + _MOST_PARAMS])
    if shards_digest is not None:
        source = CodeDatasetSource({"workspace": workspace.url, "stage": "shards"})
        inputs = []
        for context in ("training", "validation", "test"):
            dataset = MetaDataset(source, name=f"{context} shards", digest=shards_digest)
            inputs.append(DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", context)]))
        client.log_inputs(run_id, inputs)
    return run_id


def has_run(workspace: Workspace, run_id: str) -> bool:
    """Whether MLflow has the run of that id, and nobody deleted it."""
    from mlflow import MlflowException

    try:
        return bool(_client(workspace).get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def log_evaluation(workspace: Workspace, run_id: str, metrics: Mapping[str, float]) -> None:
    """Log what was measured as `test.…`, with the run and its model; of a run's evaluations the latest counts."""
    from mlflow.entities import Metric

    client, now = _client(workspace), int(time.time() * 1000)
    made = client.search_model_versions(f"name = '{MODEL_NAME}' AND run_id = '{run_id}'")
    model_id = _model_id(max(made, key=lambda version: int(version.version))) if made else None
    entries = [Metric(f"test.{key}", value, now, 0, model_id) for key, value in metrics.items()]
    for first in range(0, len(entries), _MOST_METRICS):
        client.log_batch(run_id, metrics=entries[first : first + _MOST_METRICS])


def register(workspace: Workspace, folder: Path, fingerprint: str, run_id: str, tags: Mapping[str, str]) -> str:
    """The version of a model folder in the registry: the one that this fingerprint has already, or a new one.

    One that has lost files gets them again.
    """
    from mlflow.entities import LoggedModelOutput

    client = _client(workspace)
    if known := _known(client, fingerprint):
        if not _is_whole(client, _model_id(known), folder):
            _write_model(workspace, folder, _model_id(known))
        return str(known.version)
    if not any(model.name == MODEL_NAME for model in client.search_registered_models(f"name = '{MODEL_NAME}'")):
        client.create_registered_model(MODEL_NAME)
    run = client.get_run(run_id)
    model = client.create_logged_model(run.info.experiment_id, MODEL_NAME, run_id, params=run.data.params)
    _write_model(workspace, folder, model.model_id)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    _log_last(client, run, model.model_id)
    made = client.create_model_version(
        MODEL_NAME, model.model_uri, run_id=run_id, tags={_FINGERPRINT: fingerprint, **tags}, model_id=model.model_id
    )
    if not tags.get("variant"):  # which is for comparison only
        client.set_registered_model_alias(MODEL_NAME, CHALLENGER, made.version)
    return str(made.version)


def holds(workspace: Workspace, folder: Path, fingerprint: str) -> bool:
    """Whether the registry has a version of this fingerprint, with all files of the model folder."""
    if tracking_uri(workspace).startswith("sqlite:") and not _database(workspace).exists():
        return False
    client = _client(workspace)
    known = _known(client, fingerprint)
    return known is not None and _is_whole(client, _model_id(known), folder)


def _known(client: Any, fingerprint: str) -> Any:
    """The version of a fingerprint; None where there is none, or somebody deleted its model."""
    from mlflow import MlflowException

    for known in client.search_model_versions(f"name = '{MODEL_NAME}' AND tags.`{_FINGERPRINT}` = '{fingerprint}'"):
        try:
            client.get_logged_model(_model_id(known))
        except MlflowException:
            continue
        return known
    return None


def _model_id(version: Any) -> str:
    """Of the model in MLflow that a version is of; a search leaves `version.model_id` empty."""
    return str(version.source).rsplit("/", 1)[-1]


def _is_whole(client: Any, model_id: str, folder: Path) -> bool:
    """Whether a model has all that `_write_model` wrote."""
    from mlflow import MlflowException

    def sizes(path: str | None) -> dict[str, int]:
        found = client.list_logged_model_artifacts(model_id, path)
        return {file.path.rsplit("/", 1)[-1]: file.file_size for file in found}

    try:
        top, weights = sizes(None), sizes(f"artifacts/{folder.name}")
    except (MlflowException, WorkError):
        return False
    wanted = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return {"MLmodel", "code"} <= top.keys() and wanted.items() <= weights.items()


def _log_last(client: Any, run: Any, model_id: str) -> None:
    """Give a model the last numbers of its run, which its page shows; MLflow alone would give it the first."""
    from mlflow.entities import Metric

    last = [
        Metric(point.key, point.value, point.timestamp, point.step, model_id)
        for point in run.data._metric_objs
        if not point.key.startswith(("system/", "rate."))
    ]
    for first in range(0, len(last), _MOST_METRICS):
        client.log_batch(run.info.run_id, metrics=last[first : first + _MOST_METRICS])


def _write_model(workspace: Workspace, folder: Path, model_id: str) -> None:
    """Give a model of MLflow its files: a model folder, the code that serves it, and what to install."""
    # Now, since it sets filters of warnings on its first import.
    import mlflow.pyfunc

    with (
        answering(tracking_uri(workspace)),
        tempfile.TemporaryDirectory() as temporary,
        warnings.catch_warnings(),
    ):
        # It asks for an example beside the signature.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.models.Model.log(
            None,
            mlflow.pyfunc,
            # Without the run: it would be asked for all numbers of all steps, of which those of step 0 would be kept.
            model_id=model_id,
            python_model=str(Path(__file__).parent / "served.py"),
            artifacts={"model": folder.absolute().as_uri()},  # a plain path would be read as a URL, too
            signature=_signature(),
            code_paths=[str(path) for path in shipping.copy_code(Path(temporary))],
            pip_requirements=shipping.requirements(),
        )


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    taken, given = (("reference", "driving"), ("video",))
    return ModelSignature(*(Schema([ColSpec(DataType.binary, name) for name in names]) for names in (taken, given)))


@dataclass(frozen=True)
class Version:
    """A version of the model. training: fingerprint of the stage that trained it, empty where its run is gone."""

    number: str
    run_id: str
    training: str
    aliases: tuple[str, ...]

    @property
    def uri(self) -> str:
        return f"models:/{MODEL_NAME}/{self.number}"

    def answers_to(self, name: str) -> bool:
        """Whether a URI, a bare number, an alias or the id of a run means this version."""
        plain = name.removeprefix("models:/").removeprefix(MODEL_NAME).lstrip("/@")
        return name == self.run_id or plain == self.number or plain in self.aliases


def versions(workspace: Workspace) -> list[Version]:
    """All versions in the registry, oldest first; none where nothing was ever tracked."""
    uri = tracking_uri(workspace)
    if uri.startswith("sqlite:") and not _database(workspace).exists():
        return []
    client = _client(workspace)
    found: list[Version] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{MODEL_NAME}'", page_token=token)
        for known in page:
            # The search leaves aliases out in some backends; a version by itself has them.
            aliases = tuple(sorted(client.get_model_version(MODEL_NAME, known.version).aliases))
            found.append(Version(str(known.version), known.run_id, _training_of(client, known.run_id), aliases))
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.number))


def _training_of(client: Any, run_id: str) -> str:
    from mlflow import MlflowException

    try:
        return str(client.get_run(run_id).data.tags.get(_FINGERPRINT, ""))
    except MlflowException:
        return ""


def aliases(workspace: Workspace, version: str) -> list[str]:
    """The names that a version goes by, `champion` among them where it passed the gate."""
    return sorted(_client(workspace).get_model_version(MODEL_NAME, version).aliases)


def champion(workspace: Workspace) -> str | None:
    """The number of the version in use; None while there is none, or nothing was ever tracked."""
    return holder(workspace, CHAMPION)


def holder(workspace: Workspace, alias: str) -> str | None:
    """The number of the version that an alias is on; None while it is on none, or nothing was ever tracked."""
    if tracking_uri(workspace).startswith("sqlite:") and not _database(workspace).exists():
        return None
    client = _client(workspace)
    if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
        return None
    # Neither search gives aliases in all backends.
    version = client.get_registered_model(MODEL_NAME).aliases.get(alias)
    return None if version is None else str(version)


def champion_since(workspace: Workspace) -> datetime | None:
    """When the version in use was registered; None while there is none."""
    number = champion(workspace)
    if number is None:
        return None
    made = _client(workspace).get_model_version(MODEL_NAME, number).creation_timestamp
    return datetime.fromtimestamp(made / 1000, UTC)


def best_version(workspace: Workspace) -> str | None:
    """URI of the champion, or of the newest version while there is none; None where there is no version at all."""
    number = champion(workspace)
    if number is None:
        known = versions(workspace)
        if not known:
            return None
        number = known[-1].number
    return f"models:/{MODEL_NAME}/{number}"


def model_folder(workspace: Workspace, uri: str) -> Path:
    """A local model folder (see `training.export`) of `models:/x-unimotion@champion` or `models:/x-unimotion/3`.

    Raises: WorkError where there is no such version, or its files are gone.
    """
    import mlflow

    _client(workspace)
    try:
        local = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (OSError, mlflow.MlflowException) as error:
        if any(version.answers_to(uri) for version in versions(workspace)):
            raise WorkError(
                f"{uri}: its files are not where the registry has them; run `unimotion register`, which puts those of "
                "the present training there again"
            ) from error
        raise WorkError(
            f"{uri}: is not in the registry of {tracking_uri(workspace)}; run `unimotion register` and "
            "`unimotion evaluate`, or name a version or a folder"
        ) from error
    folders = [path.parent for path in sorted(local.rglob("config.json"))]
    if not folders:
        raise WorkError(f"{uri}: has no config.json among its files; register the model again")
    return folders[0]


def serve() -> None:
    """Make the served model known to MLflow; called by `served.py`, which MLflow runs to load a version."""
    import mlflow

    class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """One row per video: the bytes of `reference` (PNG or JPEG) and `driving` (a video, or a photo); gives `video`,
        an mp4. In JSON all bytes are base64."""

        def load_context(self, context: Any) -> None:
            from training.serving import Server

            self._server = Server(Path(context.artifacts["model"]))

        # No type hints: MLflow would take them for the schema.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
            import pandas

            return pandas.DataFrame({"video": [self._server.animate(**row) for row in model_input.to_dict("records")]})

    mlflow.models.set_model(Served())

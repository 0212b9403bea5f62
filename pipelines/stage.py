"""A stage: a pure function from manifests and a config to a manifest, run only where its result is not there yet.

Its fingerprint is the digest of (name, version of the code, config, input digests, files outside). Equal fingerprint:
nothing to do.
"""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines import manifest as manifests
from pipelines.agreement import agree
from pipelines.engine import Engine, Item, Journal, MakeWorker, Row
from pipelines.errors import WorkError
from pipelines.manifest import About, Counts, Manifest, Status, digest_of
from pipelines.progress import Progress
from pipelines.purge import files_of, purge
from pipelines.withdrawals import withdrawn
from pipelines.workspace import Workspace


@dataclass
class Context:
    """What a stage's function is given.

    folder: the stage's own folder, relative to the workspace. batch: the ingest batch of a per-batch stage.
    """

    stage: "Stage"
    workspace: Workspace
    config: Any
    inputs: Mapping[str, Manifest]
    engine: Engine
    folder: str
    fingerprint: str
    progress: Progress
    batch: str | None = None
    transient_failures: int = 0

    def map(
        self,
        make_worker: MakeWorker,
        payloads: Iterable[tuple[str | None, str, Row]],
        deadline_s: Callable[[Row], float] = lambda _: math.inf,
        uses_config: bool = True,
    ) -> list[Row]:
        """Run a worker over (parent id, label, payload) items; failed items come back as quarantined rows.

        deadline_s: of a payload, the seconds after which its worker is taken to hang. uses_config: whether what the
        worker makes depends on the stage's config; if not, another config does not make it do its work again.
        """
        base = (self.stage.name, self.stage.version, dataclasses.asdict(self.config) if uses_config else {})
        items = [
            Item(digest_of(base, payload), payload, label, parent, deadline_s(payload))
            for parent, label, payload in payloads
        ]
        journal = Journal(
            self.workspace.local_root / self.folder / "journal.jsonl",
            trust=lambda outcome: artefacts_exist(self.workspace, outcome.rows),
        )
        if self.stage.needs and (gone := withdrawn(self.workspace)):
            purge(self.workspace, self.folder, journal, {item.key for item in items}, gone)
        outcomes = self.engine.map(make_worker, items, journal, self.progress)
        rows: list[Row] = []
        for item, outcome in zip(items, outcomes, strict=True):
            rows += outcome.rows
            if outcome.error is not None:
                self.transient_failures += outcome.transient
                rows.append(
                    {
                        "id": digest_of(self.stage.name, item.parent_id, item.payload),
                        "parent_id": item.parent_id,
                        "status": Status.QUARANTINED,
                        "reason": outcome.error,
                    }
                )
        return rows

    def agree(self, lead: str, *others: tuple[str, str]) -> tuple[pa.Table, list[Row]]:
        """The kept rows of an input that all others keep too, and rows of ours that carry on what became of the rest.

        See `pipelines.agreement.agree`. Every stage that looks up rows of one input in another begins with it.
        """
        agreed, carried = agree(self.inputs, lead, others)
        names = set(self.stage.schema.names)
        return agreed, [{name: value for name, value in row.items() if name in names} for row in carried]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    needs: stages whose manifests it reads. uses: those without batches that it reads where they have been made.
    config: the frozen dataclass of its section in `params.yaml`.
    version: raised by hand whenever the code would give other results.
    per_batch: runs once for each ingest batch (inputs too), else once over all of them.
    covers: the input of which every kept row must be a parent of some row of ours.
    outside: what the result depends on beside config and inputs, JSON-able: the hashes of files that the config names.
    outdated: whether a manifest has become untrue although all of that is the same: a video was withdrawn.
    beside: files that others read and no row names, in the stage's folder; `{fingerprint}` in a name is the stage's. It
    leaves them wherever it has a row.
    settle: called where there is nothing to do, for what is owed to others than the workspace.
    """

    name: str
    config: type[Any]
    schema: pa.Schema
    run: Callable[[Context], Iterable[Row]]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    version: int = 1
    per_batch: bool = False
    covers: str | None = None
    outside: Callable[[Any], Any] | None = None
    outdated: Callable[[Workspace, Manifest], bool] | None = None
    beside: tuple[str, ...] = ()
    settle: Callable[[Workspace, Manifest, Progress], None] | None = None


@dataclass(frozen=True)
class Result:
    """What a stage came to; `seconds` is the time that the work took when it was last done, None where nobody knows."""

    stage: str
    batch: str | None
    digest: str
    counts: Counts
    seconds: float | None
    recomputed: bool


_SECONDS = "seconds.json"  # in a stage's folder
BATCH_STAGES = frozenset({"sources", "videos", "people", "clips"})


def folder_of(stage: str, batch: str | None) -> str:
    return f"{stage}/{batch}" if batch else stage


def read_input(workspace: Workspace, name: str, batch: str | None) -> Manifest:
    """The manifest of a stage: of one batch, or of all batches joined where `batch` is None.

    Raises: WorkError where it has not been made.
    """
    if name not in BATCH_STAGES:
        return manifests.read(workspace, name)
    batches = [batch] if batch else manifests.batches_of(workspace, name)
    if not batches:
        raise WorkError(f"workspace {workspace.url}: has no {name}; run `unimotion ingest PATH...` first")
    return manifests.join([manifests.read(workspace, folder_of(name, b)) for b in batches])


def read_inputs(stage: Stage, workspace: Workspace, batch: str | None = None) -> dict[str, Manifest]:
    """The manifests that a stage is made of, by name. Raises: WorkError where one that it needs has not been made."""
    present = [name for name in stage.uses if workspace.exists(manifests.manifest_path(name))]
    return {name: read_input(workspace, name, batch) for name in (*stage.needs, *present)}


def fingerprint_of(stage: Stage, config: Any, inputs: Mapping[str, Manifest | About]) -> str:
    """What names the work of a stage: the same work has the same name."""
    digests = {name: manifest.digest for name, manifest in inputs.items()}
    outside = [] if stage.outside is None else [stage.outside(config)]
    return digest_of(stage.name, stage.version, dataclasses.asdict(config), digests, *outside)


def artefacts_exist(workspace: Workspace, rows: Iterable[Row]) -> bool:
    """Whether the files that rows name are there.

    On an object store, where each look costs a request, they are taken to be.
    """
    if not workspace.is_local:
        return True
    return all((workspace.local_root / path).exists() for row in rows for path in files_of(row))


def run_stage(
    stage: Stage,
    workspace: Workspace,
    config: Any,
    engine: Engine,
    batch: str | None = None,
    quiet: bool = False,
) -> Result:
    """Bring one stage up to date.

    Raises: WorkError where an input is missing, the work cannot go on, or the rows do not add up.
    """
    assert stage.per_batch == (batch is not None), stage.name
    folder = folder_of(stage.name, batch)
    inputs = read_inputs(stage, workspace, batch)
    fingerprint = fingerprint_of(stage, config, inputs)
    progress = Progress(stage.name, quiet)
    with workspace.exclusive(
        folder, lambda: progress.say("another run is working on this stage; waiting for it to end")
    ):
        found = up_to_date(stage, workspace, folder, fingerprint)
        if found is not None:
            if stage.settle is not None:
                stage.settle(workspace, found, progress)
            seconds = seconds_of(workspace, [folder])
            return Result(stage.name, batch, found.digest, found.counts, seconds, recomputed=False)
        context = Context(stage, workspace, config, inputs, engine, folder, fingerprint, progress, batch)
        started = time.monotonic()
        made = manifests.build(stage.run(context), stage.schema)
        _check_coverage(stage, inputs, made)
        seconds = round(time.monotonic() - started, 2)
        with workspace.publish(f"{folder}/{_SECONDS}") as path:
            path.write_text(json.dumps(seconds))
        digests = {name: manifest.digest for name, manifest in inputs.items()}
        manifests.write(workspace, folder, made, fingerprint, context.transient_failures, digests)
    return Result(stage.name, batch, made.digest, made.counts, seconds, recomputed=True)


def up_to_date(stage: Stage, workspace: Workspace, folder: str, fingerprint: str) -> Manifest | None:
    """The manifest of a stage that has nothing to do: it was made of this work, is whole, and still true; else None."""
    if not workspace.exists(manifests.manifest_path(folder)):
        return None
    found = manifests.read(workspace, folder)
    if found.fingerprint != fingerprint or found.retry:
        return None
    if not artefacts_exist(workspace, found.rows(status=None)) or not _beside_exist(stage, workspace, folder, found):
        return None
    if stage.outdated is not None and stage.outdated(workspace, found):
        return None
    return found


def seconds_of(workspace: Workspace, folders: Iterable[str]) -> float | None:
    """The time that stages took when they were last done; None where one of them was not done in this workspace.

    It is no part of the manifests, which are the same wherever they are made.
    """
    paths = [f"{folder}/{_SECONDS}" for folder in folders]
    if not all(workspace.exists(path) for path in paths):
        return None
    return sum(float(json.loads(workspace.local(path).read_text())) for path in paths)


def _beside_exist(stage: Stage, workspace: Workspace, folder: str, found: Manifest) -> bool:
    names = [name.format(fingerprint=found.fingerprint) for name in stage.beside]
    return not found.counts.total or all(workspace.exists(f"{folder}/{name}") for name in names)


def _check_coverage(stage: Stage, inputs: Mapping[str, Manifest], made: Manifest) -> None:
    """Nothing disappears: every kept input has at least one row, and no row comes from nowhere."""
    if stage.covers is None:
        return
    expected = {row["id"] for row in inputs[stage.covers].rows()}
    found = set(made.table.column("parent_id").to_pylist())
    if lost := expected - found:
        raise WorkError(f"stage {stage.name}: lost {len(lost)} of its inputs, {min(lost)} among them; this is a bug")
    if strangers := found - expected:
        raise WorkError(
            f"stage {stage.name}: has rows of unknown parents, {min(map(str, strangers))} among them; this is a bug"
        )

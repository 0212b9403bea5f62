"""A stage runs only where its result is not there yet, and accounts for everything that it was given."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines import manifest as manifests
from pipelines.engine import Engine, Row, Worker
from pipelines.errors import DataError, WorkError
from pipelines.manifest import Status, schema_of
from pipelines.stage import Context, Result, Stage, run_stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(value=pa.int64())


@dataclass(frozen=True)
class Config:
    factor: int = 2


def make_worker(log: Path, factor: int) -> Worker:
    def work(row: Row) -> list[Row]:
        with log.open("a") as file:
            file.write(row["id"])
        if row["value"] == 13:
            raise DataError("b.mp4: is bad; replace it")
        return [{"id": row["id"], "parent_id": row["id"], "status": Status.KEPT, "value": row["value"] * factor}]

    return work


def run(context: Context, log: Path) -> list[Row]:
    rows = context.inputs["split"].rows()
    items = [(row["id"], row["id"], row) for row in rows]
    return context.map(functools.partial(make_worker, log, context.config.factor), items)


def run_and_multiply(context: Context, log: Path) -> list[Row]:
    """The same, but the config is used when all items are done."""
    items = [(row["id"], row["id"], row) for row in context.inputs["split"].rows()]
    found = context.map(functools.partial(make_worker, log, 1), items, uses_config=False)
    return [{**row, "value": row["value"] * context.config.factor} for row in found]


@pytest.fixture
def bring(workspace: Workspace, tmp_path: Path) -> Callable[..., Result]:
    def put(values: dict[str, int], factor: int = 2, version: int = 1) -> Result:
        rows = [{"id": key, "status": Status.KEPT, "value": value} for key, value in values.items()]
        manifests.write(workspace, "split", manifests.build(rows, SCHEMA), "", retry=0)
        stage = Stage(
            "double",
            Config,
            SCHEMA,
            functools.partial(run, log=tmp_path / "log"),
            needs=("split",),
            covers="split",
            version=version,
        )
        return run_stage(stage, workspace, Config(factor), Engine(1), quiet=True)

    return put


def test_equal_fingerprint_means_nothing_to_do(bring: Callable[..., Result], tmp_path: Path) -> None:
    first, second = bring({"a": 1, "b": 2}), bring({"a": 1, "b": 2})
    assert (first.recomputed, second.recomputed) == (True, False)
    assert first.digest == second.digest
    assert (tmp_path / "log").read_text() == "ab"


def test_only_new_items_are_worked_on(bring: Callable[..., Result], tmp_path: Path) -> None:
    bring({"a": 1, "b": 2})
    assert bring({"a": 1, "b": 2, "c": 3}).counts.kept == 3
    assert (tmp_path / "log").read_text() == "abc"


@pytest.mark.parametrize("change", [{"factor": 3}, {"version": 2}])
def test_config_and_code_version_make_everything_new(
    bring: Callable[..., Result], tmp_path: Path, change: dict[str, int]
) -> None:
    bring({"a": 1})
    assert bring({"a": 1}, **change).recomputed
    assert (tmp_path / "log").read_text() == "aa"


def test_bad_items_are_kept_as_quarantined_rows(bring: Callable[..., Result], workspace: Workspace) -> None:
    counts = bring({"a": 1, "b": 13}).counts
    assert (counts.total, counts.kept, counts.quarantined) == (2, 1, 1)
    (row,) = manifests.read(workspace, "double").rows(Status.QUARANTINED)
    assert (row["parent_id"], row["reason"]) == ("b", "b.mp4: is bad; replace it")


def test_deleted_files_are_made_again(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{"id": key, "status": Status.KEPT} for key in "ab"]
    manifests.write(workspace, "split", manifests.build(rows, SCHEMA), "", retry=0)
    schema = schema_of(picture_path=pa.string())
    stage = Stage(
        "draw", Config, schema, functools.partial(draw, log=tmp_path / "log"), needs=("split",), covers="split"
    )

    def bring() -> Result:
        return run_stage(stage, workspace, Config(), Engine(1), quiet=True)

    first = bring()
    workspace.remove("draw/b.txt")
    second = bring()
    assert (second.recomputed, second.digest) == (True, first.digest)
    assert workspace.exists("draw/b.txt")
    assert (tmp_path / "log").read_text() == "abb"
    assert not bring().recomputed


def make_drawer(workspace: Workspace, log: Path) -> Worker:
    def work(row: Row) -> list[Row]:
        with log.open("a") as file:
            file.write(row["id"])
        with workspace.publish(f"draw/{row['id']}.txt") as path:
            path.write_text("a picture")
        return [
            {"id": row["id"], "parent_id": row["id"], "status": Status.KEPT, "picture_path": f"draw/{row['id']}.txt"}
        ]

    return work


def draw(context: Context, log: Path) -> list[Row]:
    items = [(row["id"], row["id"], {"id": row["id"]}) for row in context.inputs["split"].rows()]
    return context.map(functools.partial(make_drawer, context.workspace, log), items)


def lose_one(_context: Context) -> list[Row]:
    return [{"id": "a", "parent_id": "a", "status": Status.KEPT}]


def invent_one(context: Context) -> list[Row]:
    return [
        {"id": row["id"], "parent_id": row["id"], "status": Status.KEPT} for row in context.inputs["split"].rows()
    ] + [{"id": "z", "parent_id": "nowhere", "status": Status.KEPT}]


@pytest.mark.parametrize(
    ("function", "what"), [(lose_one, "lost 1 of its inputs, b"), (invent_one, "unknown parents, nowhere")]
)
def test_rows_must_add_up(workspace: Workspace, function: Callable[[Context], list[Row]], what: str) -> None:
    rows = [{"id": key, "status": Status.KEPT} for key in "ab"]
    manifests.write(workspace, "split", manifests.build(rows, SCHEMA), "", retry=0)
    stage = Stage("broken", Config, SCHEMA, function, needs=("split",), covers="split")
    with pytest.raises(WorkError, match=what):
        run_stage(stage, workspace, Config(), Engine(1), quiet=True)
    assert not workspace.exists(manifests.manifest_path("broken"))


def test_missing_input_says_what_to_run(workspace: Workspace) -> None:
    stage = Stage("double", Config, SCHEMA, lose_one, needs=("clips",))
    with pytest.raises(WorkError, match=r"has no clips; run `unimotion ingest"):
        run_stage(stage, workspace, Config(), Engine(1), quiet=True)


def test_work_that_does_not_use_the_config_is_not_done_again_for_another(workspace: Workspace, tmp_path: Path) -> None:
    log = tmp_path / "log"
    rows = [{"id": key, "status": Status.KEPT, "value": value} for key, value in (("a", 1), ("b", 2))]
    manifests.write(workspace, "split", manifests.build(rows, SCHEMA), "", retry=0)
    for whole, works in ((run_and_multiply, "ab"), (run, "abab")):
        log.write_text("")
        stage = Stage(whole.__name__, Config, SCHEMA, functools.partial(whole, log=log), needs=("split",))
        for factor in (2, 3):
            run_stage(stage, workspace, Config(factor), Engine(1), quiet=True)
            values = {row["id"]: row["value"] for row in manifests.read(workspace, stage.name).rows()}
            assert values == {"a": factor, "b": 2 * factor}
        assert log.read_text() == works

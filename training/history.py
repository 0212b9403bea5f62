"""What a run did, step by step, in one file per checkpoint: the losses, and which samples they are of."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.workspace import Workspace

TIMES = ("seconds", "waited")  # columns that no two runs have in common


def write_history(
    workspace: Workspace, run: str, rows: list[dict[str, Any]], samples: list[dict[str, str | int]]
) -> None:
    """rows: of consecutive steps; samples: of the same steps, as `read_taken` gives them.

    Twice is once: files are named after their first step.
    """
    name = f"{rows[0]['step']:08d}.parquet"
    _write(workspace, f"{run}/taken/{name}", pa.Table.from_pylist(samples))
    _write(workspace, f"{run}/history/{name}", pa.Table.from_pylist(rows, schema=_schema(rows)))


def read_history(workspace: Workspace, run: str) -> list[Mapping[str, Any]]:
    """All steps of a run in order: losses, gradient norm, rate, seconds and seconds waited for data."""
    rows = {row["step"]: row for row in _read(workspace, f"{run}/history")}
    return [rows[step] for step in sorted(rows)]


def read_part(workspace: Workspace, run: str, name: str) -> list[Mapping[str, Any]]:
    """The steps of one file of the history."""
    found: list[Mapping[str, Any]] = pq.read_table(workspace.local(f"{run}/history/{name}")).to_pylist()
    return found


def read_taken(workspace: Workspace, run: str) -> list[Mapping[str, Any]]:
    """The samples that the workers had in their batches, in order of step and position.

    position: the sample's number in the run; id, shard: of its group or clip; driver, target: which of its identities.
    """
    return sorted(_read(workspace, f"{run}/taken"), key=lambda row: (row["step"], row["position"]))


def _write(workspace: Workspace, name: str, table: pa.Table) -> None:
    with workspace.publish(name) as path:
        pq.write_table(table, path)


def _read(workspace: Workspace, folder: str) -> Iterable[Mapping[str, Any]]:
    tables = [pq.read_table(workspace.local(f"{folder}/{part}")) for part in workspace.children(folder)]
    found: list[Mapping[str, Any]] = pa.concat_tables(tables, promote_options="default").to_pylist()
    return found


def _schema(rows: list[dict[str, Any]]) -> pa.Schema:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([(name, pa.int64() if name == "step" else pa.float64()) for name in names])

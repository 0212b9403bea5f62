"""Manifests: the only contract between stages.

A manifest is a Parquet file of rows with ids, relative paths, numbers and reasons; never video bytes. Every row
says what became of one candidate: kept, rejected (a filter decided so, for good) or quarantined (it failed). The digest
of the content is what Dagster shows as data version, MLflow as dataset digest and what DVC tracks.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import WorkError
from pipelines.workspace import Workspace

Row = dict[str, Any]
_DIGEST_LENGTH = 32  # MLflow refuses dataset digests of more than 36 characters.
_METADATA_KEY = b"unimotion"


class Status(StrEnum):
    KEPT = "kept"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


def digest_of(*parts: object) -> str:
    """Digest of JSON-able parts, file names that are not UTF-8 among them; key order does not matter."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]


def schema_of(**columns: pa.DataType) -> pa.Schema:
    """A stage's schema: the four columns that every manifest has, then its own.

    id: content hash of the row. parent_id: the input row that it came from (null for sources).
    """
    common = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
    ]
    return pa.schema([*common, *(pa.field(name, kind) for name, kind in columns.items())])


@dataclass(frozen=True)
class Counts:
    """How the candidates of a stage fared; `total` = kept + rejected + quarantined."""

    total: int
    kept: int
    rejected: int
    quarantined: int


@dataclass(frozen=True)
class Manifest:
    """The rows of one stage (for one batch, or several joined) with the digest of their content."""

    table: pa.Table
    digest: str
    fingerprint: str = ""
    retry: int = 0

    def rows(self, status: Status | None = Status.KEPT) -> list[Row]:
        """Rows of a status in id order, all rows for None."""
        rows: list[Row] = self.table.to_pylist()
        return [row for row in rows if status is None or row["status"] == status]

    @cached_property
    def counts(self) -> Counts:
        return _counts(self.table)


@dataclass(frozen=True)
class About:
    """What a manifest says of itself; digest, fingerprint and retry as of `Manifest`. inputs: the digests of the
    manifests that it was made of, by their stages' names; nothing where no stage made it."""

    digest: str
    fingerprint: str
    retry: int
    inputs: dict[str, str] = field(default_factory=dict)


def build(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> Manifest:
    """Sort rows by id and compute their digest.

    Raises: ValueError for a row with an unknown column or status, or an id that occurs twice.
    """
    ordered = sorted(rows, key=lambda row: row["id"])
    names = set(schema.names)
    for previous, row in zip([None, *ordered], ordered, strict=False):
        if unknown := set(row) - names:
            raise ValueError(f"row {row['id']}: columns {sorted(unknown)} are not in the schema")
        if previous is not None and previous["id"] == row["id"]:
            raise ValueError(f"row {row['id']}: occurs twice")
        Status(row["status"])
    table = pa.Table.from_pylist([dict(row) for row in ordered], schema=schema)
    return Manifest(table, content_digest(table))


def content_digest(table: pa.Table) -> str:
    """Digest of the values alone: independent of Parquet's encoding, compression and metadata."""
    sink = pa.BufferOutputStream()
    plain = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:_DIGEST_LENGTH]


def join(manifests: Sequence[Manifest]) -> Manifest:
    """The rows of several batches as one manifest; a row that several batches hold is taken once."""
    if len(manifests) == 1:
        return manifests[0]
    rows: dict[str, Row] = {}
    for manifest in manifests:
        for row in manifest.rows(status=None):
            if row["id"] not in rows or rows[row["id"]]["status"] != Status.KEPT:
                rows[row["id"]] = row
    return build(rows.values(), manifests[0].table.schema)


def manifest_path(folder: str) -> str:
    """Manifests lie in a tree of their own, apart from the bulk of the data: it is what DVC versions."""
    return f"manifests/{folder}.parquet"


def batches_of(workspace: Workspace, stage: str) -> list[str]:
    """Names of the batches for which a per-batch stage has been made."""
    return [name.removesuffix(".parquet") for name in workspace.children(f"manifests/{stage}")]


def write(
    workspace: Workspace,
    folder: str,
    manifest: Manifest,
    fingerprint: str,
    retry: int,
    inputs: Mapping[str, str] | None = None,
) -> Manifest:
    """Publish a manifest; it is a stage's last write, so its presence means that the stage is whole.

    retry: how many rows are quarantined for a reason that may pass (a crash, not bad data). inputs: see `About`.
    """
    about = json.dumps(asdict(About(manifest.digest, fingerprint, retry, dict(inputs or {}))), sort_keys=True)
    table = manifest.table.replace_schema_metadata({_METADATA_KEY: about.encode()})
    with workspace.publish(manifest_path(folder)) as path:
        pq.write_table(table, path, compression="zstd")
    return Manifest(manifest.table, manifest.digest, fingerprint, retry)


def read(workspace: Workspace, folder: str) -> Manifest:
    """Read a published manifest.

    Raises: WorkError where it is missing or is not one of ours.
    """
    path = workspace.local(manifest_path(folder))
    try:
        table = pq.read_table(path)
        about = _about(table.schema)
    except (pa.ArrowInvalid, KeyError, TypeError) as error:
        raise WorkError(f"{path}: is not a manifest; delete it and run its stage again") from error
    return Manifest(table.replace_schema_metadata(None), about.digest, about.fingerprint, about.retry)


def read_about(workspace: Workspace, folder: str) -> About | None:
    """What a manifest says of itself, without reading its rows; None where there is no whole one."""
    try:
        return _about(pq.read_schema(workspace.local(manifest_path(folder))))
    except (pa.ArrowInvalid, KeyError, TypeError, OSError, WorkError):
        return None


def read_counts(workspace: Workspace, folder: str) -> Counts | None:
    """How the candidates of a stage fared, without reading what else is said of them; None where there is no whole
    manifest."""
    try:
        return _counts(pq.read_table(workspace.local(manifest_path(folder)), columns=["status"]))
    except (pa.ArrowInvalid, KeyError, OSError, WorkError):
        return None


def _counts(table: pa.Table) -> Counts:
    statuses: list[str] = table.column("status").to_pylist()
    by_status = [statuses.count(status) for status in Status]
    return Counts(len(statuses), *by_status)


def _about(schema: pa.Schema) -> About:
    return About(**json.loads(schema.metadata[_METADATA_KEY]))

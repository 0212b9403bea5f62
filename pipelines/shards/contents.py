"""What the shards hold: one table of all samples, their shards, and the videos and motion files that they came from.

It is what `unimotion lineage` reads, and each training keeps a copy of that of its shards, which outlives them. Named
by its content; sorted by origin, so that looking for a video reads little of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.manifest import Row, content_digest
from pipelines.workspace import Workspace

FOLDER = "shards/contents"
NAME = "contents.parquet"
SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("sample", "kind", "split", "path", "sha256", "origin_kind", "origin", "licence", "consent")
    ]
)
_ROWS_PER_GROUP = 1 << 16


@dataclass(frozen=True)
class Held:
    """A sample (clip or pair group) in a shard, a row of `shards`, with its origins (see `pipelines.origins`)."""

    sample: str
    shard: Row
    origins: tuple[Row, ...]


def write(workspace: Workspace, samples: Iterable[Held]) -> str:
    """Publish the table and return its path: a row per sample and origin, one without for a sample that has none."""
    columns: dict[str, list[str | None]] = {name: [] for name in SCHEMA.names}
    for held in samples:
        for origin in held.origins or ({},):
            columns["sample"].append(held.sample)
            for name in ("kind", "split", "path", "sha256"):
                columns[name].append(held.shard[name])
            columns["origin_kind"].append(origin.get("kind"))
            columns["origin"].append(origin.get("id"))
            columns["licence"].append(origin.get("licence"))
            columns["consent"].append(origin.get("consent"))
    table = _sorted(pa.table(columns, schema=SCHEMA))
    relative = f"{FOLDER}/{content_digest(table)}.parquet"
    _publish(workspace, relative, table)
    return relative


def keep(workspace: Workspace, tables: Sequence[Path], relative: str) -> None:
    """Publish the union of some tables."""
    table = pa.concat_tables([pq.read_table(path, schema=SCHEMA) for path in tables])
    _publish(workspace, relative, _sorted(table.group_by(SCHEMA.names).aggregate([]).select(SCHEMA.names)))


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([("origin", "ascending"), ("sample", "ascending")])


def _publish(workspace: Workspace, relative: str, table: pa.Table) -> None:
    with workspace.publish(relative) as path:
        pq.write_table(table, path, compression="zstd", row_group_size=_ROWS_PER_GROUP)


def distinct_origins(held: pa.Table) -> pa.Table:
    """Origin_kind, origin, licence, consent of a contents table, each origin once, with its number of samples."""
    about = ["origin_kind", "origin", "licence", "consent"]
    counted = held.filter(held["origin"].is_valid()).group_by(about).aggregate([("sample", "count")])
    return counted.rename_columns([*about, "samples"]).sort_by([("origin", "ascending")])


def licences(origins: pa.Table, most: int | None = None) -> dict[str, int]:
    """How many distinct origins there are under each licence, most first; beyond `most` they are counted together."""
    counted = Counter(licence or "not stated" for licence in origins["licence"].to_pylist()).most_common()
    rest = sum(count for _, count in counted[most:]) if most is not None else 0
    return dict(counted[:most]) | ({"others": rest} if rest else {})

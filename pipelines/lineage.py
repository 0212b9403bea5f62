"""What came from a video, and from which videos something came: read from columns of the manifests, never row by row.

Models are the concern of `training.lineage`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipelines import manifest as manifests
from pipelines.curation import clips, ingest
from pipelines.errors import UsageError
from pipelines.manifest import Row, Status
from pipelines.names import path_of
from pipelines.shards import contents
from pipelines.stage import Stage, folder_of
from pipelines.synthesis import motions, pairs
from pipelines.tree import Node
from pipelines.withdrawals import VIDEO_ID, withdrawn
from pipelines.workspace import Workspace, file_sha256

_SHORT = 12


def search(workspace: Workspace, stage: Stage, where: ds.Expression, columns: Sequence[str]) -> pa.Table:
    """The wanted columns of the rows of a stage's manifests that fit, and the `batch` of each."""
    batches = manifests.batches_of(workspace, stage.name) if stage.per_batch else [None]
    folders = [folder_of(stage.name, batch) for batch in batches]
    paths = [manifests.manifest_path(folder) for folder in folders]
    files = [str(workspace.local(path)) for path in paths if workspace.exists(path)]
    if not files:
        return pa.table({name: pa.array([], pa.string()) for name in (*columns, "batch")})
    scanned = ds.dataset(files, schema=stage.schema, format="parquet").to_table([*columns, "__filename"], filter=where)
    stems = [Path(name).stem for name in scanned["__filename"].to_pylist()]
    return scanned.drop_columns("__filename").append_column("batch", pa.array(stems, pa.string()))


def resolve(workspace: Workspace, name: str) -> list[str]:
    """Ids of the videos that are meant by an id, by a URL or path as it was listed, or by a file that is there.

    An id needs not be known: its video will be kept out when it comes.
    Raises: UsageError where nothing is meant.
    """
    if VIDEO_ID.fullmatch(name):
        return [name]
    ids, path = listed_as(workspace, name), path_of(name)
    if not ids and path.is_file():
        ids = [file_sha256(path)[:32]]
    if not ids:
        raise UsageError(f"{name}: is no video of this workspace; give an id, a URL or path as listed, or the file")
    return ids


def listed_as(workspace: Workspace, name: str) -> list[str]:
    """Ids of the videos that were found under a URL or path."""
    meant = ds.field("url").isin([name, str(path_of(name).resolve())])
    found = search(workspace, ingest.STAGE, meant & ds.field("sha256").is_valid(), ["sha256"])
    return sorted({sha256[:32] for sha256 in found["sha256"].to_pylist()})


def held_in(path: Path, column: str, name: str) -> pa.Table:
    """The rows of a table of contents that have a value in a column."""
    return ds.dataset(str(path), schema=contents.SCHEMA, format="parquet").to_table(filter=ds.field(column) == name)


def contents_of(workspace: Workspace) -> Path | None:
    """The table of contents of the shards that there are."""
    if not workspace.exists(manifests.manifest_path("shards")):
        return None
    rows = manifests.read(workspace, "shards").rows()
    return workspace.local(rows[0]["contents_path"]) if rows else None


def trace(workspace: Workspace, name: str) -> tuple[Node, str] | None:
    """What the data has to do with an id (of a video, clip or pair group) or the path of a shard; None where nothing.

    With it comes the column of a table of contents in which models are found that saw it.
    """
    if held := contents_of(workspace):
        if len(rows := held_in(held, "sample", name)):
            return _sample(workspace, rows), "sample"
        if len(rows := held_in(held, "path", name)):
            return _shard(rows), "path"
    if found := search(workspace, clips.STAGE, ds.field("id") == name, _CLIP).to_pylist():
        return Node("clip", name, _about(found[0]), (_listed(workspace, found[0]["video_id"]),)), "sample"
    if name in withdrawn(workspace) or _listings(workspace, name):
        return video(workspace, name), "origin"
    return None


def video(workspace: Workspace, name: str) -> Node:
    """A video with all that was made of it and is there now."""
    found = search(workspace, clips.STAGE, ds.field("video_id") == name, _CLIP)
    fitted = search(workspace, motions.STAGE, ds.field("video_id") == name, ["id", "status", "parent_id", "path"])
    held = contents_of(workspace)
    rows = held_in(held, "origin", name) if held else contents.SCHEMA.empty_table()
    groups = rows.filter(pc.equal(rows["kind"], "pair"))
    return Node(
        "video",
        name,
        {"withdrawn": "yes" if name in withdrawn(workspace) else None},
        (
            *_listings(workspace, name),
            Node("clips", "", _counts(found), tuple(Node("clip", row["id"], _about(row)) for row in _kept(found))),
            Node("motions", "", _counts(fitted), tuple(Node("motion", row["id"]) for row in _kept(fitted))),
            Node("pairs", "", {"kept": len(groups)}, tuple(Node("pair", id_) for id_ in groups["sample"].to_pylist())),
            shards_of(rows),
        ),
    )


def shards_of(rows: pa.Table) -> Node:
    """The shards that rows of a table of contents lie in."""
    found = rows.group_by(["path", "sha256"]).aggregate([("sample", "count_distinct")]).sort_by("path").to_pylist()
    below = (
        Node("shard", row["path"], {"sha256": row["sha256"], "samples": row["sample_count_distinct"]}) for row in found
    )
    return Node("shards", "", {"kept": len(found)}, tuple(below))


def origins(rows: pa.Table) -> Node:
    """The videos and motion files behind rows of a table of contents, and how many there are under each licence."""
    found = contents.distinct_origins(rows)
    below = tuple(
        Node(row["origin_kind"], row["origin"], {key: row[key] for key in ("licence", "consent", "samples")})
        for row in found.to_pylist()
    )
    counts = {"distinct": len(found), **contents.licences(found)}
    return Node("made from", "", counts, below)


def still_used(workspace: Workspace) -> dict[str, int]:
    """How many kept rows of `clips`, `motions` and `pairs`, and samples in shards, come from withdrawn videos."""
    # Typed, for there may be none.
    gone = pa.array(sorted(withdrawn(workspace)), pa.string())
    kept = ds.field("status") == Status.KEPT
    by_video = kept & ds.field("video_id").isin(gone)
    counts = {stage.name: len(search(workspace, stage, by_video, ["id"])) for stage in (clips.STAGE, motions.STAGE)}
    behind = search(workspace, pairs.STAGE, kept, ["origins"])["origins"].combine_chunks()
    names = pc.struct_field(behind.flatten(), "id")
    counts["pairs"] = pc.sum(pc.is_in(names, gone)).as_py() or 0
    held = contents_of(workspace)
    if held:
        table = ds.dataset(str(held), schema=contents.SCHEMA, format="parquet")
        counts["shards"] = table.count_rows(filter=ds.field("origin").isin(gone))
    return counts


_CLIP = ("id", "status", "reason", "video_id", "start_s", "end_s", "licence", "consent")


def _about(clip: Row) -> dict[str, Any]:
    span = f"{clip['start_s']:.1f}-{clip['end_s']:.1f} s" if clip["start_s"] is not None else None
    return {"span": span, **{key: clip[key] for key in ("reason", "licence", "consent")}}


def _kept(found: pa.Table) -> list[Row]:
    rows: list[Row] = found.filter(pc.equal(found["status"], Status.KEPT)).to_pylist()
    return rows


def _counts(found: pa.Table) -> dict[str, int]:
    counted = {entry["values"]: entry["counts"] for entry in pc.value_counts(found["status"]).to_pylist()}
    return {"kept": counted.pop("kept", 0), **counted}


def _listings(workspace: Workspace, name: str) -> tuple[Node, ...]:
    """Where a video was listed."""
    about = ["url", "licence", "consent", "source", "status", "reason"]
    if not VIDEO_ID.fullmatch(name):
        return ()
    found = search(workspace, ingest.STAGE, pc.starts_with(ds.field("sha256"), name), about)
    rows = found.sort_by([("batch", "ascending"), ("url", "ascending")]).to_pylist()
    return tuple(Node("listed", row.pop("url"), {"batch": row.pop("batch"), **row}) for row in rows)


def _listed(workspace: Workspace, name: str) -> Node:
    return Node("video", name, {}, _listings(workspace, name))


def _sample(workspace: Workspace, rows: pa.Table) -> Node:
    first = rows.slice(0, 1).to_pylist()[0]
    videos = rows.filter(pc.equal(rows["origin_kind"], "video"))["origin"].to_pylist()
    listed = tuple(_listed(workspace, name) for name in videos)
    return Node(first["kind"], first["sample"], {"split": first["split"]}, (*listed, origins(rows), shards_of(rows)))


def _shard(rows: pa.Table) -> Node:
    first = rows.slice(0, 1).to_pylist()[0]
    samples = pc.count_distinct(rows["sample"]).as_py()
    facts = {"sha256": first["sha256"], "kind": first["kind"], "split": first["split"], "samples": samples}
    return Node("shard", first["path"], facts, (origins(rows),))

"""Stage `motions`: the motion that pairs may follow beside drawn poses: the user's own files, and the curated clips.

Files (BVH, AMASS, SMPL-X parameters) get their split from a hash of their content, clips have that of their video, so
that a motion that was held out never reaches training. All end as files of one format (see recorded.py).
"""

import functools
import glob
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipelines.curation.split import SplitConfig, split_of
from pipelines.engine import Row, Worker
from pipelines.errors import DataError
from pipelines.fetch import fetch
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace, file_sha256

_SUFFIXES = (".bvh", ".npz")

SCHEMA = schema_of(
    kind=pa.string(),
    url=pa.string(),
    licence=pa.string(),
    video_id=pa.string(),
    source_sha256=pa.string(),
    split=pa.string(),
    path=pa.string(),
    sha256=pa.string(),
    frames=pa.int32(),
    fps=pa.float64(),
    seconds=pa.float64(),
    error=pa.float64(),
)


@dataclass(frozen=True)
class MotionsConfig:
    """files: paths, folders, globs and URLs of BVH, AMASS and SMPL-X parameter files; licence: theirs.
    fps: files with a higher rate are thinned to about that. split: shares of the files."""

    files: tuple[str, ...] = ()
    licence: str | None = None
    fps: float = 30.0
    split: SplitConfig = field(default_factory=SplitConfig)


def run(context: Context) -> list[Row]:
    config, workspace = context.config, context.workspace
    make_worker = functools.partial(_make_worker, workspace, config, f"{context.folder}/files")
    work = _file_work(config)
    rows = _collapse_duplicates(context.map(make_worker, work))
    wanted = {row["path"] for row in rows if row["status"] == Status.KEPT}
    if lost := {row["url"] for row in rows if row["status"] == Status.KEPT and not workspace.exists(row["path"])}:
        # Another config's run removed what the journal remembers as done.
        again = make_worker()
        for _, _, payload in work:
            if payload["url"] in lost:
                again(payload)
    for name in workspace.children(f"{context.folder}/files"):
        # A motion that is not in the manifest must go: its video may be withdrawn.
        if f"{context.folder}/files/{name}" not in wanted:
            workspace.remove(f"{context.folder}/files/{name}")
    return rows


def list_files(arguments: tuple[str, ...]) -> list[str]:
    """Files, folders, globs and URLs as absolute paths and URLs, each once. A path that does not exist is listed too:
    it is quarantined with the reason when it is read."""
    found: list[str] = []
    for argument in arguments:
        path = Path(argument).expanduser()
        if "://" in argument:
            found.append(argument)
        elif path.is_dir():
            found += sorted(str(p.resolve()) for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        else:
            matches = [str(path)] if path.exists() else sorted(glob.glob(str(path), recursive=True))
            found += [str(Path(match).resolve()) for match in matches or [str(path)]]
    return list(dict.fromkeys(found))


def contents(config: MotionsConfig) -> dict[str, str | None]:
    """SHA-256 of the files that the config names; None for URLs, fetched once, and for what is not there."""
    return {name: file_sha256(Path(name)) if Path(name).is_file() else None for name in list_files(config.files)}


def _file_work(config: MotionsConfig) -> list[tuple[str | None, str, Row]]:
    return [(None, name, {"kind": "file", "url": name, "content": sha256}) for name, sha256 in contents(config).items()]


def _collapse_duplicates(rows: list[Row]) -> list[Row]:
    """Of the files with the same bytes the first is kept; the others are rejected, naming it."""
    first: dict[str, Row] = {}
    for number, row in enumerate(rows):
        if row["status"] == Status.KEPT and (original := first.setdefault(row["id"], row)) is not row:
            reason = f"duplicate: same bytes as {original['url']}"
            about = {key: row[key] for key in ("kind", "url", "licence", "source_sha256")}
            row_id = digest_of("duplicate", row["id"], row["url"])
            rows[number] = {"id": row_id, "parent_id": None, "status": Status.REJECTED, "reason": reason, **about}
    return rows


def _make_worker(workspace: Workspace, config: MotionsConfig, folder: str) -> Worker:
    from pipelines.synthesis.body import AnnyBody
    from pipelines.synthesis.importers import read_motion
    from pipelines.synthesis.skeleton import Skeleton

    skeleton = Skeleton.of(AnnyBody())

    def work(item: Row) -> list[Row]:
        relative = fetch(workspace, item["url"], f"{folder.rsplit('/', 1)[0]}/fetched")
        path = workspace.local(relative) if relative else Path(item["url"])
        if not path.is_file():
            raise DataError(f"{path}: no such file; correct the path in motions.files")
        sha256 = file_sha256(path)
        recorded = read_motion(path, skeleton, config.fps)
        row_id = digest_of("motion", sha256, config.fps)
        target = f"{folder}/{row_id}.npz"
        with workspace.publish(target) as temporary:
            recorded.save(temporary)
        return [
            {
                "id": row_id,
                "parent_id": None,
                "status": Status.KEPT,
                "reason": None,
                "kind": "file",
                "url": item["url"],
                "licence": config.licence,
                "source_sha256": sha256,
                "split": split_of(sha256, config.split),
                "path": target,
                "sha256": file_sha256(workspace.local(target)),
                "frames": recorded.pose.frames,
                "fps": recorded.fps,
                "seconds": round(recorded.seconds, 4),
            }
        ]

    return work


STAGE = Stage(
    name="motions",
    config=MotionsConfig,
    schema=SCHEMA,
    run=run,
    needs=("clips", "split"),
    outside=contents,
)

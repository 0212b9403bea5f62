"""Stage `motions`: the motion that pairs may follow beside drawn poses: the user's own files, and the curated clips.

Files (BVH, AMASS, SMPL-X parameters) get their split from a hash of their content, clips have that of their group, so
that a motion that was held out never reaches training. All end as files of one format (see recorded.py).
"""

import functools
import glob
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.curation.split import SplitConfig, split_of
from pipelines.engine import Row, Worker
from pipelines.errors import DataError, UsageError
from pipelines.fetch import fetch
from pipelines.folders import counted, files_below, nothing_there
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.names import check_writable, is_url, path_of, printable
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace, file_sha256

if TYPE_CHECKING:
    from pipelines.synthesis.movement.recorded import Recorded
    from pipelines.synthesis.movement.skeleton import Skeleton

_SUFFIXES = (".bvh", ".npz")

SCHEMA = schema_of(
    kind=pa.string(),
    url=pa.string(),
    licence=pa.string(),
    consent=pa.string(),
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
    fps: files with a higher rate are thinned to about that. split: shares of the files. clips: whether to fit curated
    clips too. max_error: the most that a fit may be off, in shares of the person's height."""

    files: tuple[str, ...] = ()
    licence: str | None = None
    fps: float = 30.0
    split: SplitConfig = field(default_factory=SplitConfig)
    clips: bool = True
    max_error: float = 0.05


def run(context: Context) -> list[Row]:
    config, workspace = context.config, context.workspace
    make_worker = functools.partial(_make_worker, workspace, config, f"{context.folder}/files")
    agreed, carried = context.agree("split", ("clips", "id"))
    files, refused = _file_work(config, context.progress.say)
    work = [*files, *(_clip_work(context, agreed.to_pylist()) if config.clips else [])]
    rows = _collapse_duplicates(context.map(make_worker, work)) + refused + (carried if config.clips else [])
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


def list_files(arguments: tuple[str, ...], say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Files, folders, globs and URLs as absolute paths and URLs, each once. A path that does not exist is listed too:
    it is quarantined with the reason when it is read.

    say: is told what of each folder was left out. Raises: UsageError for a folder without motion files.
    """
    found: list[str] = []
    for argument in arguments:
        path, skipped = path_of(argument), Counter[str]()
        if is_url(argument):
            found.append(argument)
        elif path.is_dir():
            inside = files_below(path, _SUFFIXES, skipped)
            if not inside:
                raise UsageError(f"motions: files: {nothing_there(argument, 'motion', _SUFFIXES, skipped)}")
            found += map(os.path.realpath, inside)
        else:
            matches = [str(path)] if path.exists() else sorted(glob.glob(str(path), recursive=True))
            found += map(os.path.realpath, matches or [str(path)])
        if skipped.total():
            say(f"{argument}: skipped {counted(skipped)}; only {' and '.join(_SUFFIXES)} are read")
    return list(dict.fromkeys(found))


def contents(config: MotionsConfig, say: Callable[[str], None] = lambda _: None) -> dict[str, str | None]:
    """SHA-256 of the files that the config names; None for URLs, fetched once, and for what is not there."""
    return {name: file_sha256(Path(name)) if Path(name).is_file() else None for name in list_files(config.files, say)}


def _file_work(
    config: MotionsConfig, say: Callable[[str], None]
) -> tuple[list[tuple[str | None, str, Row]], list[Row]]:
    """What is to be read, and rows for the names that no manifest can hold."""
    work: list[tuple[str | None, str, Row]] = []
    refused: list[Row] = []
    for name, sha256 in contents(config, say).items():
        try:
            check_writable(name)
        except DataError as error:
            about = {"kind": "file", "url": printable(name), "status": Status.QUARANTINED, "reason": str(error)}
            refused.append({"id": digest_of("motion file", name), "parent_id": None, **about})
        else:
            work.append((None, name, {"kind": "file", "url": name, "content": sha256}))
    return work, refused


def _clip_work(context: Context, used: list[Row]) -> list[tuple[str | None, str, Row]]:
    clips = {clip["id"]: clip for clip in context.inputs["clips"].rows()}
    work: list[tuple[str | None, str, Row]] = []
    for row in used:
        clip = clips[row["id"]]
        about = {key: clip[key] for key in ("fps", "licence", "consent", "video_id")}
        item = {"kind": "clip", "url": clip["path"], "keypoints": clip["keypoints_path"], "split": row["split"]}
        work.append((clip["id"], clip["path"], {**item, **about, "parent_id": clip["id"]}))
    return work


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
    from pipelines.synthesis.body.model import AnnyBody
    from pipelines.synthesis.movement.skeleton import Skeleton

    skeleton = Skeleton.of(AnnyBody())
    read = {"file": _read_file, "clip": _fit_clip}

    def work(item: Row) -> list[Row]:
        recorded, about = read[item["kind"]](workspace, config, skeleton, item)
        row = {"parent_id": None, "kind": item["kind"], "url": item["url"], **about}
        error = about.get("error", 0.0)
        if error > config.max_error:
            reason = f"loose_fit: {error:.3f} of the person's height off"
            return [{**row, "status": Status.REJECTED, "reason": reason}]
        target = f"{folder}/{row['id']}.npz"
        with workspace.publish(target) as temporary:
            recorded.save(temporary)
        made = {
            "path": target,
            "sha256": file_sha256(workspace.local(target)),
            "frames": recorded.pose.frames,
            "fps": recorded.fps,
            "seconds": round(recorded.seconds, 4),
        }
        return [{**row, "status": Status.KEPT, "reason": None, **made}]

    return work


def _read_file(
    workspace: Workspace, config: MotionsConfig, skeleton: "Skeleton", item: Row
) -> tuple["Recorded", dict[str, Any]]:
    from pipelines.synthesis.movement.importers import read_motion

    relative = fetch(workspace, item["url"], "motions/fetched")
    path = workspace.local(relative) if relative else Path(item["url"])
    recorded = read_motion(path, skeleton, config.fps)
    sha256 = file_sha256(path)
    split = split_of(sha256, config.split)
    about = {"id": digest_of("motion", sha256, config.fps), "licence": config.licence, "source_sha256": sha256}
    return recorded, {**about, "split": split}


def _fit_clip(
    workspace: Workspace, _: MotionsConfig, skeleton: "Skeleton", item: Row
) -> tuple["Recorded", dict[str, Any]]:
    import numpy as np

    from pipelines.synthesis.movement.fit import fit

    keypoints = np.load(workspace.local(item["keypoints"]), allow_pickle=False)
    try:
        found = fit(keypoints, 1.0, item["fps"], skeleton)  # clips are square
    except DataError as error:
        raise DataError(f"{item['url']}: {error}") from error
    about = {key: item[key] for key in ("parent_id", "licence", "consent", "video_id", "split")}
    return found.recorded, {**about, "id": digest_of("motion", item["parent_id"]), "error": round(found.error, 5)}


STAGE = Stage(
    name="motions",
    config=MotionsConfig,
    schema=SCHEMA,
    run=run,
    needs=("clips", "split"),
    outside=contents,
    version=2,
)

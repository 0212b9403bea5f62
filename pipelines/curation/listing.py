"""The listing of a batch, before any byte is looked at: one row per URL, with its licence and consent."""

import csv
import glob
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import manifest as manifests
from pipelines.curation.layouts import read_layout
from pipelines.engine import Row
from pipelines.errors import DataError, UsageError
from pipelines.folders import counted, files_below, nothing_there, with_suffix
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.names import check_writable, is_url, path_of, printable
from pipelines.remote import BUCKETS, list_files
from pipelines.stage import folder_of
from pipelines.urls import scheme_of, without_credentials
from pipelines.workspace import Workspace

STARTER = "starter"
# What FFmpeg reads, as cameras, phones and the web have it.
VIDEO_SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mod", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".tod", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
_MANIFEST_SUFFIXES = frozenset({".csv", ".parquet"})
_COLUMNS = ("url", "licence", "source", "consent")

SCHEMA = schema_of(url=pa.string(), path=pa.string(), licence=pa.string(), source=pa.string(), consent=pa.string())


def source_row(url: str, path: str | None = None, **about: str | None) -> Row:
    """A listed source. url: absolute path or URL. path: relative to the workspace where the project made the file.

    A URL with credentials is named without them; with them it is the row's `access`, which no manifest has. A path that
    no manifest can hold is quarantined.
    """
    try:
        check_writable(url)
    except DataError as error:
        about |= {"reason": str(error), "url": printable(url), "path": None}
        return {"id": digest_of("source", about["url"]), "parent_id": None, "status": Status.QUARANTINED, **about}
    shown = without_credentials(url) if is_url(url) else url
    access = {} if shown == url else {"access": url}
    # What was refused without credentials is another source with them, while renewed ones change nothing.
    row_id = digest_of("source", shown, *access)
    return {"id": row_id, "parent_id": None, "status": Status.KEPT, "url": shown, "path": path, **about, **access}


def list_sources(
    arguments: Sequence[str],
    licence: str | None,
    source: str | None,
    layout: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Expand files, folders, globs, buckets, URLs and manifests (CSV or Parquet with a `url` column) into source rows.

    layout: the arguments are folders of this public set (see layouts.py). say: is told what of each argument was left
    out, and why, in one sentence.
    Raises: UsageError for a manifest or a folder that cannot be used. A path that does not exist is listed too: it is
    quarantined when it is read, so that the files beside it still go through.
    """
    rows: dict[str, Row] = {}
    for argument in arguments:
        skipped: Counter[str] = Counter()
        for entry in read_layout(layout, path_of(argument)) if layout else _expand(argument, skipped):
            about = {"licence": licence, "source": source, "consent": None} | {k: v for k, v in entry.items() if v}
            row = source_row(str(about.pop("url")), **about)
            rows.setdefault(row["id"], row)
        if skipped.total():
            shown = without_credentials(argument) if is_url(argument) else argument
            say(f"{shown}: skipped {counted(skipped)}; name what you want beside the videos, links to folders, too")
    return list(rows.values())


def write_batch(workspace: Workspace, rows: Iterable[Row], name: str | None = None) -> str:
    """Publish a batch of sources; without a name it is called after its content. Returns the batch's name.

    Raises: UsageError for a name that another batch has, or that cannot be a folder.
    """
    rows = list(rows)
    access = {row["id"]: row["access"] for row in rows if "access" in row}
    made = manifests.build([{k: v for k, v in row.items() if k != "access"} for row in rows], SCHEMA)
    batch = name or f"batch-{made.digest[:8]}"
    if not batch.replace("-", "").replace("_", "").isalnum() or batch == STARTER:
        raise UsageError(f"--batch {batch}: use letters, digits, - and _, and not the reserved name {STARTER}")
    folder = folder_of("sources", batch)
    with workspace.exclusive(folder):
        manifests.write(workspace, folder, made, fingerprint=made.digest, retry=0)
        if access:
            _write_access(workspace, batch, access)
    return batch


def read_access(workspace: Workspace, batch: str) -> dict[str, str]:
    """URLs with their credentials by source id, for the sources of a batch that have any."""
    path = _access_path(workspace, batch)
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _write_access(workspace: Workspace, batch: str, access: Mapping[str, str]) -> None:
    """On this machine only, for its user only: not published, so that it reaches no bucket and no version control."""
    path = _access_path(workspace, batch)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(access, file)
    temporary.replace(path)


def _access_path(workspace: Workspace, batch: str) -> Path:
    return workspace.local_root / folder_of("sources", batch) / ".access.json"


def _expand(argument: str, skipped: Counter[str]) -> list[Mapping[str, str | None]]:
    """skipped: is told how many of what kind were left out."""
    if is_url(argument):
        return _expand_url(argument, skipped)
    path = path_of(argument)
    if path.suffix.lower() in _MANIFEST_SUFFIXES and path.is_file():
        return _read_manifest(path)
    if path.is_dir():
        inside = files_below(path, VIDEO_SUFFIXES, skipped)
        if not inside:
            raise UsageError(nothing_there(argument, "video", VIDEO_SUFFIXES, skipped))
        return [{"url": os.path.realpath(file)} for file in inside]
    if not path.exists() and (matches := sorted(glob.glob(str(path), recursive=True))):
        files = [match for match in matches if not Path(match).is_dir()]
        skipped["folder"] += len(matches) - len(files)
        return [{"url": os.path.realpath(file)} for file in files or [str(path)]]
    return [{"url": os.path.realpath(path)}]


def _expand_url(url: str, skipped: Counter[str]) -> list[Mapping[str, str | None]]:
    """A folder or a pattern of a bucket becomes the videos in it; anything else is itself."""
    suffix = Path(url).suffix.lower()
    if suffix in _MANIFEST_SUFFIXES:
        raise UsageError(f"{without_credentials(url)}: is a manifest elsewhere; copy it here and name the copy")
    if scheme_of(url) not in BUCKETS or (suffix in VIDEO_SUFFIXES and not glob.has_magic(url)):
        return [{"url": url}]
    inside = list(with_suffix(list_files(url), VIDEO_SUFFIXES, skipped))
    if not inside:
        raise UsageError(nothing_there(without_credentials(url), "video", VIDEO_SUFFIXES, skipped))
    return [{"url": file} for file in inside]


def _read_manifest(path: Path) -> list[Mapping[str, str | None]]:
    """Rows of a user's manifest; relative paths are relative to it."""
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                table = list(csv.DictReader(file))
        else:
            table = pq.read_table(path).to_pylist()
    except (OSError, ValueError, pa.ArrowException, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a manifest ({error}); correct it") from error
    entries: list[Mapping[str, str | None]] = []
    for number, row in enumerate(table, start=1):
        url = str(row.get("url") or "")
        if not url:
            raise UsageError(
                f"{path}: row {number} has no url; a manifest needs the column url ({', '.join(_COLUMNS)})"
            )
        if not is_url(url):
            url = os.path.realpath(path.parent / path_of(url))
        entries.append({"url": url, **{k: str(row[k]) for k in _COLUMNS[1:] if row.get(k)}})
    return entries

"""The index of a shard: where each member of each sample lies, so that readers seek instead of scanning.

An archive is taken as hostile: only plain files with flat, known names are accepted, and every size is bounded
by the file itself. One row per sample; the member table has offset, size and CRC-32, so that a reader notices damage.
"""

import json
import tarfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from isal.isal_zlib import crc32

from pipelines.errors import DataError, WorkError
from pipelines.shards.write import KEY, NAME, ShardRecord
from pipelines.workspace import Workspace, file_sha256

INDEX_FOLDER = "shards/index"
_BLOCK = tarfile.BLOCKSIZE
_MOST_META_BYTES = 1 << 20
_MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("crc32", pa.int64())])
SCHEMA = pa.schema([("id", pa.string()), ("members", pa.list_(_MEMBER)), ("meta", pa.string())])


class Member(NamedTuple):
    """Where a member's content lies in the tar (bytes) and its CRC-32."""

    offset: int
    size: int
    crc32: int


def index_path(sha256: str) -> str:
    """Named by the content of the tar, so that an index never tells of another tar that had the same name."""
    return f"{INDEX_FOLDER}/{sha256[:32]}.parquet"


def scan(path: Path) -> dict[str, dict[str, Member]]:
    """Samples of a tar in its order: key -> {member name: place}.

    Raises: WorkError for anything but a whole tar of plain files with names `<key>.<name>`, samples together.
    """
    samples: dict[str, dict[str, Member]] = {}
    length = path.stat().st_size
    with path.open("rb") as file:
        while (header := file.read(_BLOCK)) != bytes(_BLOCK):
            info = _header(path, header)
            key, _, name = info.name.partition(".")
            place = file.tell()
            if not info.isreg() or not KEY.fullmatch(key) or not NAME.fullmatch(name):
                raise damaged(path, f"has the entry {info.name!r}, which is not a plain member of a sample")
            if not 0 <= info.size <= length - place:
                raise damaged(path, f"ends inside {info.name!r}")
            if key in samples and key != next(reversed(samples)):
                raise damaged(path, f"has members of {key!r} in two places")
            members = samples.setdefault(key, {})
            if name in members:
                raise damaged(path, f"has {info.name!r} twice")
            members[name] = Member(place, info.size, _crc32(file, info.size))
            file.seek(-info.size % _BLOCK, 1)
        if length - file.tell() < _BLOCK or any(file.read()):
            raise damaged(path, "has no proper end")
    return samples


def _header(path: Path, block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise damaged(path, f"has a damaged entry ({error})") from error


def _crc32(file: BinaryIO, size: int) -> int:
    crc = 0
    while size > 0 and (chunk := file.read(min(size, 1 << 20))):
        crc = crc32(chunk, crc)
        size -= len(chunk)
    return crc


def damaged(path: Path, what: str) -> WorkError:
    """The error about a tar or index at `<stage>/<folder>/<name>` of a workspace; it tells how to make it again."""
    stage = path.parts[-3]
    return WorkError(f"{path}: {what}; delete the folder {stage} and manifests/{stage}.parquet, then run again")


def check_sha256(workspace: Workspace, shard: str, sha256: str) -> Path:
    """The local path of a tar whose bytes are the recorded ones.

    Raises: WorkError naming the shard where they are not.
    """
    path = workspace.local(shard)
    if file_sha256(path) != sha256:
        raise damaged(path, "does not have the bytes that were written (SHA-256 differs)")
    return path


def write_index(workspace: Workspace, record: ShardRecord) -> str:
    """Publish the index of a tar and return its path; a sample's `json` member goes along as its meta.

    Raises: WorkError where the tar is damaged, hostile, or has not the recorded digest; DataError where it has not the
    recorded number of samples, since readers would see those that are not kept.
    """
    path = check_sha256(workspace, record.path, record.sha256)
    samples = scan(path)
    if len(samples) != record.samples:
        raise DataError(
            f"{path}: has {len(samples)} samples where {record.samples} are kept; delete it and run its stage again"
        )
    with path.open("rb") as file:
        rows = [
            {
                "id": key,
                "members": [{"name": name, **member._asdict()} for name, member in sorted(members.items())],
                "meta": json.dumps(_meta(path, file, key, members), sort_keys=True),
            }
            for key, members in samples.items()
        ]
    relative = index_path(record.sha256)
    with workspace.publish(relative) as target:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), target, compression="zstd")
    return relative


def _meta(path: Path, file: BinaryIO, key: str, members: dict[str, Member]) -> dict[str, Any]:
    member = members.get("json")
    if member is None or member.size > _MOST_META_BYTES:
        raise damaged(path, f"has no usable {key}.json")
    file.seek(member.offset)
    try:
        meta = json.loads(file.read(member.size))
    except ValueError as error:
        raise damaged(path, f"has a {key}.json that is not JSON") from error
    if not isinstance(meta, dict) or meta.get("id") != key:
        raise damaged(path, f"has a {key}.json of another sample")
    return meta

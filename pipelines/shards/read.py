"""Read samples by seeking: any sample at any time, in an order that a seed and an epoch decide."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from pipelines import manifest
from pipelines.shards.index import Member, check_sha256, damaged
from pipelines.workspace import Workspace

_MOST_OPEN_FILES = 64
_GAP = 8192  # bytes between two members that are read along
MANIFEST = "shards"


@dataclass(frozen=True)
class SampleRef:
    """Where a sample is.

    kind: "clip" or "pair". shard: path of its tar in the workspace. members: name (without the key) -> place.
    meta: its `json` member. shard_bytes: the size that the tar must have.
    """

    id: str
    kind: str
    shard: str
    members: dict[str, Member]
    meta: dict[str, Any]
    shard_bytes: int


@dataclass(frozen=True)
class ShardIndex:
    """The samples of one split in an order that does not depend on how they are packed: by kind, then id."""

    samples: tuple[SampleRef, ...]

    @staticmethod
    def load(workspace: Workspace, split: str) -> "ShardIndex":
        """Raises: WorkError where the shards have not been made or an index is damaged."""
        rows = [row for row in manifest.read(workspace, MANIFEST).rows() if row["split"] == split]
        found = [ref for row in rows for ref in _references(workspace, row)]
        return ShardIndex(tuple(sorted(found, key=lambda ref: (ref.kind, ref.id))))


def _references(workspace: Workspace, row: manifest.Row) -> list[SampleRef]:
    path = workspace.local(row["index_path"])
    try:
        samples = pq.read_table(path).to_pylist()
        return [
            SampleRef(
                sample["id"],
                row["kind"],
                row["path"],
                {m["name"]: Member(m["offset"], m["size"], m["crc32"]) for m in sample["members"]},
                json.loads(sample["meta"]),
                row["bytes"],
            )
            for sample in samples
        ]
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, "is not the index of a shard") from error


@dataclass
class Reader:
    """Reads members of samples. Tars stay open; may be copied to other processes and used from several threads."""

    workspace: Workspace
    _files: dict[str, BinaryIO] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"workspace": self.workspace, "_files": {}}

    def read(self, ref: SampleRef, names: Iterable[str]) -> dict[str, bytes]:
        """The content of the named members of a sample.

        Raises: ValueError for a name that the sample lacks; WorkError naming the shard where it is damaged.
        """
        names = tuple(names)
        if lacking := [name for name in names if name not in ref.members]:
            raise ValueError(f"has no {lacking[0]}")
        file = self._open(ref)
        wanted = {name: ref.members[name] for name in names}
        found: dict[str, bytes] = {}
        for run in _runs(wanted):
            first, last = wanted[run[0]], wanted[run[-1]]
            # pread leaves the file position alone, which forked processes share.
            content = os.pread(file.fileno(), last.offset + last.size - first.offset, first.offset)
            for name in run:
                member, start = wanted[name], wanted[name].offset - first.offset
                found[name] = content[start : start + member.size]
                if len(found[name]) != member.size or crc32(found[name]) != member.crc32:
                    raise damaged(Path(file.name), f"{ref.id}.{name} is damaged")
        return found

    def _open(self, ref: SampleRef) -> BinaryIO:
        file = self._files.get(ref.shard)
        if file is None:
            path = _whole(self.workspace, ref)
            if len(self._files) >= _MOST_OPEN_FILES:
                # Not closed here: another thread may be reading it, and it closes itself when nobody is.
                self._files.pop(next(iter(self._files)), None)
            file = self._files[ref.shard] = path.open("rb", buffering=0)
        return file


def check_lengths(index: ShardIndex, workspace: Workspace) -> None:
    """Raises: WorkError naming the first shard that is missing or cut off."""
    for ref in {ref.shard: ref for ref in index.samples}.values():
        _whole(workspace, ref)


def _whole(workspace: Workspace, ref: SampleRef) -> Path:
    path = workspace.local(ref.shard)
    if path.stat().st_size != ref.shard_bytes:
        raise damaged(path, f"is not {ref.shard_bytes} bytes long")
    return path


def _runs(members: dict[str, Member]) -> list[list[str]]:
    """Names in the order of the tar, together where little lies between: one read is cheaper than two."""
    runs: list[list[str]] = []
    end = -_GAP - 1
    for name in sorted(members, key=lambda name: members[name].offset):
        if members[name].offset - end > _GAP:
            runs.append([])
        runs[-1].append(name)
        end = members[name].offset + members[name].size
    return runs


def order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of `count` samples in an epoch: a permutation that depends on the arguments alone."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def verify(workspace: Workspace) -> int:
    """Check every byte of every shard and return the number of shards.

    Raises: WorkError naming the first shard that is missing or damaged.
    """
    rows = manifest.read(workspace, MANIFEST).rows()
    for row in rows:
        check_sha256(workspace, row["path"], row["sha256"])
        workspace.local(row["index_path"])
    return len(rows)

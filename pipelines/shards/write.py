"""Write webdataset tars whose bytes depend on nothing but their samples."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.workspace import Workspace, file_sha256

Sample = tuple[str, Mapping[str, bytes]]
KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")
NAME = re.compile(r"[0-9A-Za-z_-]{1,24}(\.[0-9A-Za-z_-]{1,24}){0,2}")


@dataclass(frozen=True)
class ShardRecord:
    """A published tar: its path in the workspace, hex SHA-256, size in bytes and number of samples."""

    path: str
    sha256: str
    bytes: int
    samples: int


def write_shard(workspace: Workspace, relative: str, samples: Iterable[Sample]) -> ShardRecord:
    """Publish a webdataset tar with the samples in the order given; the same samples give the same bytes.

    samples: (key, {member name: content}); a member is called `<key>.<name>` in the tar, so a key has no dot.
    Raises: ValueError for a key or name that no reader would take, a key that occurs twice or a sample without members.
    """
    from webdataset import TarWriter

    seen: set[str] = set()
    with workspace.publish(relative) as path:
        with path.open("wb") as file, TarWriter(file, encoder=False, mtime=0, user="", group="") as writer:
            for key, members in samples:
                if key in seen or not KEY.fullmatch(key) or not members or not all(map(NAME.fullmatch, members)):
                    raise ValueError(
                        f"{relative}: sample {key!r} occurs twice, is empty or has a name with odd characters"
                    )
                seen.add(key)
                writer.write({"__key__": key, **members})
        return ShardRecord(relative, file_sha256(path), path.stat().st_size, len(seen))

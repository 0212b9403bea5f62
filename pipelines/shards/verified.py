"""Which shards were found whole: what has not changed since is not hashed at every run, but once a month."""

import json
import time
from dataclasses import dataclass
from typing import Any

from pipelines import manifest
from pipelines.shards.index import check_sha256
from pipelines.shards.read import MANIFEST
from pipelines.workspace import Workspace

_RECORD = "checks/shards.json"
_MONTH_S = 30 * 24 * 3600.0  # disks forget, too


@dataclass(frozen=True)
class Verified:
    """How many shards there are, and how many of them were hashed now."""

    shards: int
    hashed: int


def verify_changed(workspace: Workspace) -> Verified:
    """Check every byte of the shards that have changed since they were found whole, or were found so a month ago.

    Raises: WorkError naming the first shard that is missing or damaged.
    """
    rows = manifest.read(workspace, MANIFEST).rows()
    before = _read(workspace)
    after: dict[str, list[Any]] = {}
    hashed = 0
    for row in rows:
        workspace.local(row["index_path"])
        about = workspace.local(row["path"]).stat()
        state = [row["sha256"], about.st_size, about.st_mtime_ns]
        found = before.get(row["path"])
        if found is None or found[:3] != state or not 0 <= _now() - found[3] < _MONTH_S:
            check_sha256(workspace, row["path"], row["sha256"])
            hashed += 1
            found = [*state, _now()]
        after[row["path"]] = found
    with workspace.publish(_RECORD) as path:
        path.write_text(json.dumps(after))
    return Verified(len(rows), hashed)


def _read(workspace: Workspace) -> dict[str, list[Any]]:
    """Of each shard: SHA-256, size (bytes), time of its last change (ns), when it was found whole (s since 1970)."""
    try:
        return dict(json.loads(workspace.local(_RECORD).read_text("utf-8"))) if workspace.exists(_RECORD) else {}
    except ValueError:
        return {}


def _now() -> float:
    return time.time()

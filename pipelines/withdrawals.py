"""Videos that must no longer be used, because a person in them took back their consent.

A withdrawal is a small file named by the video's id, and ids are hashes of content: the same bytes under another URL
stay out too. It is written once and never removed; writing it is an append on a folder and on an object store alike.
Every batch then holds its videos against these names, so that a withdrawal concerns the batches that have the video.
"""

import json
import re

import pyarrow.compute as pc

from pipelines.manifest import Manifest, Row, Status
from pipelines.workspace import Workspace

FOLDER = "withdrawals"
VIDEO_ID = re.compile(r"[0-9a-f]{32}")
_UNSAID = "no reason was given"


def record(workspace: Workspace, video_id: str, reason: str | None) -> bool:
    """Withdraw a video for ever; False where it has been, and then the reason given first stays."""
    path = _path(video_id)
    if workspace.exists(path):
        return False
    with workspace.publish(path) as file:
        file.write_text(json.dumps({"video_id": video_id, "reason": reason or _UNSAID}, ensure_ascii=False), "utf-8")
    return True


def withdrawn(workspace: Workspace) -> frozenset[str]:
    """Ids of all videos that were withdrawn."""
    return frozenset(name.removesuffix(".json") for name in workspace.children(FOLDER))


def reason_for(workspace: Workspace, video_id: str) -> str:
    """The reason of a rejected row."""
    return f"withdrawn: {json.loads(workspace.local(_path(video_id)).read_text('utf-8'))['reason']}"


def any_kept(workspace: Workspace, videos: Manifest) -> bool:
    """Whether a `videos` manifest was made before one of its kept videos was withdrawn."""
    kept = videos.table.filter(pc.equal(videos.table["status"], Status.KEPT))["id"]
    return not withdrawn(workspace).isdisjoint(kept.to_pylist())


def origins_of(row: Row) -> set[str]:
    """Ids of the videos that a row of any stage was made from, as far as the row tells."""
    return {row["id"], row.get("video_id"), *(origin["id"] for origin in row.get("origins") or ())}


def _path(video_id: str) -> str:
    return f"{FOLDER}/{video_id}.json"

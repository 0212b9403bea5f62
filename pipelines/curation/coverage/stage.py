"""Stage `coverage`: what people do in each clip; where it is asked for, no more of one kind of motion than a share.

The report shows how often each trait occurs, and so what the corpus lacks.
"""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.curation.coverage.traits import TRAITS, capped, cell_of, describe
from pipelines.curation.per_video import kept_columns, lost_clips
from pipelines.engine import Row, Worker
from pipelines.manifest import Status, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(
    video_id=pa.string(),
    seconds=pa.float64(),
    cell=pa.string(),
    **dict.fromkeys(TRAITS, pa.list_(pa.float64())),
)
_USED = ("id", "keypoints_path", "fps", "seconds")


@dataclass(frozen=True)
class CoverageConfig:
    """max_share: of all seconds that one kind of motion (the column `cell`) may have; None keeps everything.

    Which clips stay does not depend on the order of batches; it may change when the corpus grows.
    """

    max_share: float | None = None

    def __post_init__(self) -> None:
        if self.max_share is not None and not 0 < self.max_share <= 1:
            raise ValueError("max_share must be a share of all seconds, above 0 and at most 1")


def run(context: Context) -> Iterator[Row]:
    config: CoverageConfig = context.config
    agreed, carried = context.agree("duplicates", ("clips", "id"))
    yield from carried
    used = set(agreed["id"].to_pylist())
    by_video: dict[str, list[Row]] = defaultdict(list)
    for clip in kept_columns(context.inputs["clips"], "video_id", *_USED).to_pylist():
        if clip["id"] in used:
            by_video[clip["video_id"]].append({name: clip[name] for name in _USED})
    make_worker = functools.partial(_make_worker, context.workspace)
    payloads = [(video, video, {"video_id": video, "clips": clips}) for video, clips in sorted(by_video.items())]
    rows = []
    for row in context.map(make_worker, payloads, uses_config=False):
        if row["status"] != Status.QUARANTINED:
            rows.append(row)
        else:
            yield from lost_clips(row, by_video[row["parent_id"]])
    dropped: set[int] = set()
    if config.max_share is not None:
        hashed = [hashlib.sha256(row["id"].encode()).hexdigest() for row in rows]
        cells, seconds = [row["cell"] for row in rows], [row["seconds"] for row in rows]
        dropped = capped(cells, seconds, hashed.__getitem__, config.max_share)
    for index, row in enumerate(rows):
        if index in dropped:
            reason = f"over_represented: {row['cell']} has more than {config.max_share:g} of all seconds"
            yield {**row, "status": Status.REJECTED, "reason": reason}
        else:
            yield row


def _make_worker(workspace: Workspace) -> Worker:
    def look(video: Row) -> list[Row]:
        rows = []
        for clip in video["clips"]:
            keypoints = np.load(workspace.local(clip["keypoints_path"]), allow_pickle=False)
            shares = describe(keypoints, clip["fps"])
            about = {"id": clip["id"], "parent_id": clip["id"], "status": Status.KEPT, "video_id": video["video_id"]}
            rows.append({**about, "seconds": clip["seconds"], "cell": cell_of(shares), **shares})
        return rows

    return look


STAGE = Stage(
    name="coverage",
    config=CoverageConfig,
    schema=SCHEMA,
    run=run,
    needs=("clips", "duplicates"),
    covers="duplicates",
)

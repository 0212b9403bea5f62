"""What the stages share whose items are videos and whose rows are clips."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipelines.engine import Row
from pipelines.manifest import Manifest, Status


def kept_columns(manifest: Manifest, *columns: str) -> pa.Table:
    """These columns of the kept rows, in the order of their ids."""
    import pyarrow.compute as pc

    return manifest.table.filter(pc.equal(manifest.table["status"], Status.KEPT)).select(list(columns))


def lost_clips(row: Row, clips: Iterable[Row]) -> Iterator[Row]:
    """A video that failed fails for each of its clips. row: of the failure, its parent is the video."""
    for clip in clips:
        yield {**row, "id": clip["id"], "parent_id": clip["id"], "video_id": row["parent_id"]}

"""Stage `pairs`: groups of rendered people who do the same motion, streamed into webdataset shards.

A shard is a pure function of the config and its index, so shards may be made in any order, on any number of workers.
"""

import functools
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.engine import Row, Worker
from pipelines.manifest import Status, schema_of
from pipelines.shards.write import Sample, write_shard
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.synthesis.groups import Group, View

_JPEG_QUALITY = 92


@dataclass(frozen=True)
class PairsConfig:
    """How many groups of each split, their make-up, and how they are drawn.

    engine: auto, gl, raster or pyrender. Pictures are bit-identical per engine; rows say which one drew them.
    texture: texels in height of the painted surface.
    """

    train_groups: int = 192
    test_groups: int = 32
    identities: int = 3
    frames: int = 2
    size: int = 128
    groups_per_shard: int = 16
    seed: int = 0
    engine: str = "auto"
    texture: int = 384


def run(context: Context) -> list[Row]:
    config: PairsConfig = context.config
    payloads = [
        (
            None,
            f"{split}-{shard:05d}",
            {"split": split, "shard": shard, "first": first, "last": min(first + config.groups_per_shard, count)},
        )
        for split, count in (("train", config.train_groups), ("test", config.test_groups))
        for shard, first in enumerate(range(0, count, config.groups_per_shard))
    ]
    return context.map(functools.partial(_make_worker, context.workspace, context.folder, config), payloads)


def _make_worker(workspace: Workspace, folder: str, config: PairsConfig) -> Worker:
    from pipelines.synthesis.engines import choose_engine
    from pipelines.synthesis.groups import render_group
    from pipelines.synthesis.person import Studio

    engine, _ = choose_engine(config.engine)
    studio = Studio.open(config.texture)

    def work(payload: Row) -> list[Row]:
        rows: list[Row] = []

        def samples() -> Iterator[Sample]:
            for index in range(payload["first"], payload["last"]):
                group = render_group(
                    studio, engine, config.seed, payload["split"], index, config.identities, config.frames, config.size
                )
                rows.append(
                    {
                        "id": group.id,
                        "parent_id": None,
                        "status": Status.KEPT,
                        "split": group.split,
                        "identities": [view.identity for view in group.views],
                        "motion": group.motion,
                        "framing": group.framing,
                        "frames": config.frames,
                        "size": config.size,
                        "engine": engine.name,
                    }
                )
                yield group.id, encode(group)

        record = write_shard(workspace, f"{folder}/shards/{payload['split']}-{payload['shard']:05d}.tar", samples())
        place = {"shard": record.path, "shard_sha256": record.sha256, "shard_bytes": record.bytes}
        return [row | place for row in rows]

    return work


def encode(group: "Group") -> dict[str, bytes]:
    """The members of a group's sample: its JSON, then for each identity its arrays and pictures."""
    import simplejpeg

    frames = len(group.views[0].layers)
    about = {
        "kind": "pair",
        "id": group.id,
        "split": group.split,
        "identities": [view.identity for view in group.views],
        "frames": frames,
        "size": len(group.views[0].layers[0].rgb),
        "motion": group.motion,
        "framing": group.framing,
    }
    members = {"json": json.dumps(about, sort_keys=True).encode()}
    for i, view in enumerate(group.views):
        members[f"i{i}.npz"] = _arrays(view)
        for t, drawn in enumerate(view.layers):
            members[f"i{i}.t{t}.jpg"] = simplejpeg.encode_jpeg(
                np.ascontiguousarray(drawn.rgb),
                quality=_JPEG_QUALITY,
                colorspace="RGB",
                colorsubsampling="444",
                fastdct=False,
            )
    return members


def _arrays(view: "View") -> bytes:
    buffer = io.BytesIO()
    # numpy stamps members of an npz with a fixed date, so equal arrays give equal bytes.
    np.savez_compressed(
        buffer,
        keypoints=view.keypoints,
        keypoints3d=view.keypoints3d,
        mask=np.stack([drawn.mask for drawn in view.layers]),
        depth=np.stack([drawn.depth for drawn in view.layers]).astype(np.float16),
        normals=np.stack([drawn.normals for drawn in view.layers]).astype(np.float16),
        intrinsics=view.intrinsics,
    )
    return buffer.getvalue()


STAGE = Stage(
    name="pairs",
    config=PairsConfig,
    schema=schema_of(
        split=pa.string(),
        shard=pa.string(),
        shard_sha256=pa.string(),
        shard_bytes=pa.int64(),
        identities=pa.list_(pa.string()),
        motion=pa.string(),
        framing=pa.string(),
        frames=pa.int32(),
        size=pa.int32(),
        engine=pa.string(),
    ),
    run=run,
)

"""Stage `pairs`: groups of rendered people who do the same motion, streamed into webdataset shards.

A shard is a pure function of the config and its index, so shards may be made in any order, on any number of workers.
"""

import dataclasses
import functools
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
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
    size: pixels per side. texture: texels in height of the painted surface.
    """

    train_groups: int = 192
    test_groups: int = 32
    identities: int = 3
    frames: int = 2
    size: int = 128
    groups_per_shard: int = 16
    seed: int = 0
    engine: str = "auto"
    texture: int = 256


def run(context: Context) -> list[Row]:
    config, workspace, folder = context.config, context.workspace, f"{context.folder}/shards"
    payloads = list(_shards(config, folder))
    make_worker = functools.partial(_make_worker, workspace, config)
    rows = context.map(make_worker, [(None, payload["path"], payload) for payload in payloads])
    wanted = {payload["path"] for payload in payloads}
    for name in workspace.children(folder):
        if f"{folder}/{name}" not in wanted:
            workspace.remove(f"{folder}/{name}")
    made = {row["shard_path"] for row in rows if row["status"] == Status.KEPT}
    lost = [payload for payload in payloads if payload["path"] in made and not workspace.exists(payload["path"])]
    if lost:
        # Another config's run removed what the journal remembers as done.
        work = make_worker()
        for payload in lost:
            work(payload)
    return rows


def _shards(config: PairsConfig, folder: str) -> Iterator[Row]:
    """What each shard holds. Its name tells its config, so that a journal never vouches for another config's bytes."""
    for split, count in (("train", config.train_groups), ("test", config.test_groups)):
        for shard, first in enumerate(range(0, count, config.groups_per_shard)):
            last = min(first + config.groups_per_shard, count)
            name = digest_of(dataclasses.asdict(config), first, last)[:12]
            yield {"split": split, "path": f"{folder}/{split}-{shard:05d}-{name}.tar", "first": first, "last": last}


def _make_worker(workspace: Workspace, config: PairsConfig) -> Worker:
    from pipelines.synthesis.engines import choose_engine
    from pipelines.synthesis.groups import render_group
    from pipelines.synthesis.person import Studio

    engine, _ = choose_engine(config.engine)
    studio = Studio.open(config.texture)
    make_up = (config.identities, config.frames, config.size)

    def work(payload: Row) -> list[Row]:
        rows: list[Row] = []

        def samples() -> Iterator[Sample]:
            for index in range(payload["first"], payload["last"]):
                group = render_group(studio, engine, config.seed, payload["split"], index, *make_up)
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
                yield group.id, dict(_members(group))

        record = write_shard(workspace, payload["path"], samples())
        shard = {"shard_path": record.path, "shard_sha256": record.sha256, "shard_bytes": record.bytes}
        return [row | shard for row in rows]

    return work


def _members(group: "Group") -> Iterator[tuple[str, bytes]]:
    """The files of a group's sample: what it is, then for each identity its arrays and pictures."""
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
    yield "json", json.dumps(about, sort_keys=True).encode()
    for i, view in enumerate(group.views):
        yield f"i{i}.npz", _arrays(view)
        for t, drawn in enumerate(view.layers):
            rgb = np.ascontiguousarray(drawn.rgb)
            yield f"i{i}.t{t}.jpg", simplejpeg.encode_jpeg(rgb, _JPEG_QUALITY, "RGB", "444", fastdct=False)


def _arrays(view: "View") -> bytes:
    buffer = io.BytesIO()
    # numpy stamps the members of an npz with a fixed date, so equal arrays give equal bytes.
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
        shard_path=pa.string(),
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

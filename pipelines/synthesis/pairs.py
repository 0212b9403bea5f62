"""Stage `pairs`: groups of rendered people who do the same motion, streamed into webdataset shards.

A shard is a pure function of the config, the pictures and motions that its split may use, and its index, so shards may
be made in any order, on any number of workers. A row tells the recorded motion (`source`, a row of `motions`) and the
corpus videos (`videos`, behind the people) that went into its group.
"""

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.shards.write import Sample, write_shard
from pipelines.stage import Context, Stage
from pipelines.synthesis.body.bodies import DEFAULT
from pipelines.synthesis.sample import VIEW
from pipelines.synthesis.scenes import pictures
from pipelines.workspace import Workspace, file_sha256


@dataclass(frozen=True)
class PairsConfig:
    """How many groups of each split, their make-up, and how they are drawn.

    identities, frames: of a group, the last frame a photo in a pose of its own. fps: of the other frames; at 1.5 per
    second, three show a motion from end to end, at 12 they are neighbours in a video. size: pixels per side, even.
    texture: texels in height of the painted surface.
    backgrounds: the user's own pictures (paths, folders, globs). picture_share: of backgrounds that are pictures, if
    there are any. corpus_backgrounds: the most frames without people to take from the corpus. recorded_share: of groups
    whose motion is a recorded one, where there are any. clean_share: of views without camera effects.
    body: anny, or the path of your SMPL-X model (.npz).
    engine: auto, gl, raster or pyrender. Pictures are bit-identical per engine; rows say which one drew them.
    """

    train_groups: int = 112
    validation_groups: int = 6
    test_groups: int = 18
    identities: int = 3
    frames: int = 4
    fps: float = 1.5
    size: int = 128
    groups_per_shard: int = 16
    seed: int = 0
    engine: str = "auto"
    texture: int = 256
    backgrounds: tuple[str, ...] = ()
    picture_share: float = 0.3
    corpus_backgrounds: int = 64
    recorded_share: float = 0.3
    clean_share: float = 0.25
    body: str = DEFAULT

    def __post_init__(self) -> None:
        for name in ("train_groups", "validation_groups", "test_groups", "corpus_backgrounds", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative; give 0 or more")
        for name, least in (("identities", 2), ("frames", 1), ("groups_per_shard", 1), ("texture", 16)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} {getattr(self, name)} is too small; give at least {least}")
        if self.size < 16 or self.size > 2048 or self.size % 2:
            raise ValueError(f"size {self.size} is not an even number of pixels from 16 to 2048")
        if not 0.1 <= self.fps <= 240:
            raise ValueError(f"fps {self.fps} is not between 0.1 and 240")
        for name in ("picture_share", "recorded_share", "clean_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not between 0 and 1")


def run(context: Context) -> list[Row]:
    config, workspace, folder = context.config, context.workspace, f"{context.folder}/shards"
    videos, people = context.inputs["videos"].rows(), context.inputs["people"].rows(status=None)
    stretches = pictures.empty_stretches(videos, people) if config.corpus_backgrounds else []
    behind, lost_pictures = pictures.gather(
        workspace, f"{context.folder}/backgrounds", config.backgrounds, stretches, config.corpus_backgrounds
    )
    motions = context.inputs["motions"].rows() if config.recorded_share else []
    payloads = list(_shards(config, folder, [*behind, *motions]))
    make_worker = functools.partial(_make_worker, workspace, config, behind, motions)
    rows = context.map(make_worker, [(None, payload["path"], payload) for payload in payloads])
    wanted = {payload["path"] for payload in payloads} | {picture["path"] for picture in behind}
    for place in (folder, f"{context.folder}/backgrounds"):
        for name in workspace.children(place):
            if f"{place}/{name}" not in wanted:
                workspace.remove(f"{place}/{name}")
    made = {row["shard_path"] for row in rows if row["status"] == Status.KEPT}
    lost = [payload for payload in payloads if payload["path"] in made and not workspace.exists(payload["path"])]
    if lost:
        # Another config's run removed what the journal remembers as done.
        work = make_worker()
        for payload in lost:
            work(payload)
    return rows + lost_pictures


def body_content(config: PairsConfig) -> str | None:
    """SHA-256 of the user's body file; None for the body that comes with the project, and where there is no file."""
    path = Path(config.body).expanduser()
    return file_sha256(path) if config.body != DEFAULT and path.is_file() else None


def _shards(config: PairsConfig, folder: str, props: list[Row]) -> Iterator[Row]:
    """What each shard holds. Its name tells all that it depends on, so that a journal never vouches for other bytes."""
    counts = {"train": config.train_groups, "validation": config.validation_groups, "test": config.test_groups}
    for split, count in counts.items():
        used = digest_of([row["id"] for row in props if row["split"] == split], body_content(config))
        for shard, first in enumerate(range(0, count, config.groups_per_shard)):
            last = min(first + config.groups_per_shard, count)
            name = digest_of(dataclasses.asdict(config), used, first, last)[:12]
            yield {"split": split, "path": f"{folder}/{split}-{shard:05d}-{name}.tar", "first": first, "last": last}


def _make_worker(workspace: Workspace, config: PairsConfig, behind: list[Row], motions: list[Row]) -> Worker:
    from pipelines.synthesis.groups import Props, Recipe, render_group
    from pipelines.synthesis.movement.recorded import MotionLibrary
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.sample import members, pose_row, view_row
    from pipelines.synthesis.scenes.engines import choose_engine

    engine, _ = choose_engine(config.engine)
    studio = Studio.open(config.texture, config.body)
    recipe = Recipe(
        config.identities,
        config.frames,
        config.fps,
        config.size,
        config.recorded_share,
        config.picture_share,
        config.clean_share,
    )
    by_split: dict[str, dict[str, str]] = {}
    for picture in behind:
        by_split.setdefault(picture["split"], {})[picture["id"]] = picture["path"]
    origin = {picture["id"]: picture["origin"] for picture in behind}
    props = Props(MotionLibrary.load(workspace, motions), pictures.Pictures(workspace, by_split))

    def work(payload: Row) -> list[Row]:
        rows: list[Row] = []

        def samples() -> Iterator[Sample]:
            for index in range(payload["first"], payload["last"]):
                group = render_group(studio, engine, config.seed, payload["split"], index, recipe, props)
                rows.append(
                    {
                        "id": group.id,
                        "parent_id": None,
                        "status": Status.KEPT,
                        "split": group.split,
                        "identities": [view.identity for view in group.views],
                        "motion": group.motion,
                        "source": group.source,
                        "videos": sorted({o for view in group.views if (o := origin.get(view.background))}),
                        "framing": group.framing,
                        "frames": config.frames,
                        "fps": config.fps,
                        "size": config.size,
                        "engine": engine.name,
                        "views": [view_row(view) for view in group.views],
                        **pose_row(group.views[0]),
                    }
                )
                yield group.id, dict(members(group))

        record = write_shard(workspace, payload["path"], samples())
        shard = {"shard_path": record.path, "shard_sha256": record.sha256, "shard_bytes": record.bytes}
        return [row | shard for row in rows]

    return work


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
        source=pa.string(),
        videos=pa.list_(pa.string()),
        framing=pa.string(),
        frames=pa.int32(),
        fps=pa.float64(),
        size=pa.int32(),
        engine=pa.string(),
        views=pa.list_(VIEW),
        arm_raise=pa.list_(pa.float32()),
        facing=pa.list_(pa.float32()),
    ),
    run=run,
    needs=("videos", "people", "motions"),
    outside=lambda config: [pictures.contents(config.backgrounds), body_content(config)],
    version=3,
)

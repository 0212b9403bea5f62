"""Stage `pairs`: groups of rendered people who do the same motion, streamed into webdataset shards.

A shard is a pure function of the config, its index, and the pictures and motions that its own groups use, so shards may
be made in any order, on any number of workers, and a video that is withdrawn changes those that it went into. A row
tells the recorded motion (`source`, a row of `motions`) and its `origins`: the videos and motion files behind motion
and pictures.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines import origins
from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.names import path_of
from pipelines.shards.write import Sample, write_shard
from pipelines.stage import Context, Stage
from pipelines.synthesis.body.bodies import DEFAULT
from pipelines.synthesis.sample import VIEW
from pipelines.synthesis.scenes import pictures
from pipelines.workspace import Workspace, file_sha256

if TYPE_CHECKING:
    from pipelines.synthesis.groups import Props, Recipe


_COUNTS = ("train_groups", "validation_groups", "test_groups")
# What says which groups and props there are, and nothing of how any of them is drawn: more groups leave the first ones
# as they are.
_CHOOSING = (*_COUNTS, "groups_per_shard", "backgrounds", "corpus_backgrounds")


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
    size: int = 256
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
        for name in (*_COUNTS, "corpus_backgrounds", "seed"):
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
        workspace,
        f"{context.folder}/backgrounds",
        config.backgrounds,
        stretches,
        config.corpus_backgrounds,
        context.progress.say,
    )
    by_id = {video["id"]: origins.of_video(video) for video in videos}
    props = [{**picture, "origin": by_id.get(picture["origin"])} for picture in behind]
    agreed, carried = context.agree("motions", ("videos", "video_id"))
    for motion in agreed.to_pylist() if config.recorded_share else []:
        about = {key: motion[key] for key in ("id", "status", "split", "seconds", "path")}
        props.append({**about, "origin": origins.of_motion(motion)})
    payloads = list(_shards(workspace, config, folder, props))
    make_worker = functools.partial(_make_worker, workspace, config)
    # A shard's name tells all that its content depends on.
    items = [(None, payload["path"], payload) for payload in payloads]
    rows = context.map(make_worker, items, uses_config=False)
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
    return rows + lost_pictures + (carried if config.recorded_share else [])


def body_content(config: PairsConfig) -> str | None:
    """SHA-256 of the user's body file; None for the body that comes with the project, and where there is no file."""
    path = path_of(config.body)
    return file_sha256(path) if config.body != DEFAULT and path.is_file() else None


def _recipe(config: PairsConfig) -> "Recipe":
    from pipelines.synthesis.groups import Recipe

    return Recipe(
        config.identities,
        config.frames,
        config.fps,
        config.size,
        config.recorded_share,
        config.picture_share,
        config.clean_share,
    )


def _library(workspace: Workspace, props: Iterable[Row]) -> "Props":
    """props: pictures and motions; a motion has a length."""
    from pipelines.synthesis.groups import Props
    from pipelines.synthesis.movement.recorded import MotionLibrary

    motions: list[Row] = []
    by_split: dict[str, dict[str, str]] = {}
    for prop in props:
        if "seconds" in prop:
            motions.append(prop)
        else:
            by_split.setdefault(prop["split"], {})[prop["id"]] = prop["path"]
    return Props(MotionLibrary.load(workspace, motions), pictures.Pictures(workspace, by_split))


def _shards(workspace: Workspace, config: PairsConfig, folder: str, props: list[Row]) -> Iterator[Row]:
    """What each shard holds, and the props that its groups will choose: among those they choose the same again.

    Its name tells all that it depends on, so that a journal never vouches for other bytes.
    """
    from pipelines.synthesis.groups import choose

    recipe, library, by_id = _recipe(config), _library(workspace, props), {prop["id"]: prop for prop in props}
    counts = {"train": config.train_groups, "validation": config.validation_groups, "test": config.test_groups}
    body = body_content(config)
    drawn = {name: value for name, value in dataclasses.asdict(config).items() if name not in _CHOOSING}
    for split, count in counts.items():
        for shard, first in enumerate(range(0, count, config.groups_per_shard)):
            last = min(first + config.groups_per_shard, count)
            used: set[str] = set()
            for index in range(first, last):
                chosen = choose(config.seed, split, index, recipe, library)
                used |= {*chosen.pictures, chosen.motion.id if chosen.motion else ""} - {""}
            held = [by_id[name] for name in sorted(used)]
            name = digest_of(drawn, body, held, first, last)[:12]
            path = f"{folder}/{split}-{shard:05d}-{name}.tar"
            yield {"split": split, "path": path, "first": first, "last": last, "props": held}


def _make_worker(workspace: Workspace, config: PairsConfig) -> Worker:
    from pipelines.synthesis.groups import render_group
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.sample import members, pose_row, view_row
    from pipelines.synthesis.scenes.engines import choose_engine

    engine, _ = choose_engine(config.engine)
    studio, recipe = Studio.open(config.texture, config.body), _recipe(config)

    def work(payload: Row) -> list[Row]:
        rows: list[Row] = []
        props = _library(workspace, payload["props"])
        behind = {prop["id"]: prop["origin"] for prop in payload["props"]}

        def samples() -> Iterator[Sample]:
            for index in range(payload["first"], payload["last"]):
                group = render_group(studio, engine, config.seed, payload["split"], index, recipe, props)
                used = [behind.get(name) for name in (group.source, *(view.background for view in group.views))]
                made_from = sorted({o["id"]: o for o in used if o}.values(), key=lambda o: str(o["id"]))
                rows.append(
                    {
                        "id": group.id,
                        "parent_id": None,
                        "status": Status.KEPT,
                        "split": group.split,
                        "identities": [view.identity for view in group.views],
                        "motion": group.motion,
                        "source": group.source,
                        "origins": made_from,
                        "framing": group.framing,
                        "frames": config.frames,
                        "fps": config.fps,
                        "size": config.size,
                        "engine": engine.name,
                        "views": [view_row(view) for view in group.views],
                        **pose_row(group.views[0]),
                    }
                )
                yield group.id, dict(members(group, made_from))

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
        origins=pa.list_(origins.ORIGIN),
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
    version=7,
)

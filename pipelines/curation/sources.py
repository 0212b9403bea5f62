"""Stage `sources`: what a batch consists of.

`unimotion ingest` lists the user's own files as a batch (see listing.py). The `starter` batch makes itself: real people
from the demo videos (BSD-3) inside two pinned wheels, and avatars that we render, so that faces and hands are seen
close up.
"""

import functools
from dataclasses import dataclass

from pipelines import manifest as manifests
from pipelines.curation.listing import SCHEMA, STARTER, source_row
from pipelines.engine import Row, Worker
from pipelines.manifest import Manifest, Status
from pipelines.stage import Context, Stage
from pipelines.wheels import Wheel, extract
from pipelines.withdrawals import withdrawn
from pipelines.workspace import Workspace, file_sha256

_LICENCE = "BSD-3-Clause"
_POSE2SIM = Wheel("pose2sim", "0.10.49", "403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1")
_SPORTS2D = Wheel("sports2d", "0.8.34", "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d")
STARTER_VIDEOS = {
    _POSE2SIM: tuple(
        f"Pose2Sim/Demo_{kind}Person/videos/cam0{camera}.mp4" for kind in ("Single", "Multi") for camera in (1, 2, 3, 4)
    ),
    _SPORTS2D: ("Sports2D/Demo/demo.mp4",),
}


@dataclass(frozen=True)
class SourcesConfig:
    """avatars: how many rendered videos join the real ones of the starter batch.
    avatar_seconds, avatar_fps, avatar_size: length, rate and side in pixels of each."""

    avatars: int = 4
    avatar_seconds: float = 2.5
    avatar_fps: int = 24
    avatar_size: int = 384


def run(context: Context) -> list[Row]:
    """The starter batch makes itself; any other was written by `unimotion ingest` and stays as it is."""
    if context.batch != STARTER:
        return manifests.read(context.workspace, context.folder).rows(status=None)
    config: SourcesConfig = context.config
    avatars = [
        {"seed": seed, "seconds": config.avatar_seconds, "fps": config.avatar_fps, "size": config.avatar_size}
        for seed in range(config.avatars)
    ]
    payloads = [(None, f"avatar {spec['seed']}", spec) for spec in avatars]
    make_worker = functools.partial(_make_avatar_renderer, context.workspace, f"{context.folder}/files")
    rows = _fetch_videos(context) + context.map(make_worker, payloads)
    for row in rows:
        if row["status"] == Status.KEPT and _is_withdrawn(context.workspace, row["path"]):
            context.workspace.remove(row["path"])
            row["path"] = None
    return rows


def _is_withdrawn(workspace: Workspace, path: str | None) -> bool:
    gone = withdrawn(workspace)
    return bool(gone and path) and file_sha256(workspace.local(str(path)))[:32] in gone


def _any_withdrawn(workspace: Workspace, found: Manifest) -> bool:
    return any(_is_withdrawn(workspace, row["path"]) for row in found.rows())


def _fetch_videos(context: Context) -> list[Row]:
    rows = []
    for wheel, members in STARTER_VIDEOS.items():
        context.progress.say(f"{wheel.name} {wheel.version}: {len(members)} videos ({_LICENCE})")
        paths = extract(context.workspace, wheel, members, f"{context.folder}/files")
        for member, path in zip(members, paths, strict=True):
            url = f"pypi://{wheel.name}/{wheel.version}/{member}"
            rows.append(source_row(url, path, licence=_LICENCE, source=f"{wheel.name} {wheel.version}", consent=None))
    return rows


def _make_avatar_renderer(workspace: Workspace, folder: str) -> Worker:
    from pipelines.synthesis.avatars import FRAMINGS, render_avatar_video

    def render(spec: Row) -> list[Row]:
        framing = FRAMINGS[spec["seed"] % len(FRAMINGS)]
        relative = f"{folder}/avatar_{spec['seed']}_{framing}.mp4"
        with workspace.publish(relative) as path:
            render_avatar_video(path, framing=framing, **spec)
        url = f"avatar://{framing}/{spec['seed']}"
        return [source_row(url, relative, licence="CC0-1.0", source="rendered avatar", consent="synthetic person")]

    return render


STAGE = Stage(
    name="sources",
    config=SourcesConfig,
    schema=SCHEMA,
    run=run,
    per_batch=True,
    version=2,
    outdated=_any_withdrawn,
)

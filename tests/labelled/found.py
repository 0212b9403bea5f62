"""What curation found in labelled videos, read from its manifests."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipelines import manifest as manifests
from pipelines.curation import clips, ingest, people
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.listing import source_row, write_batch
from pipelines.curation.tracks import Track, load_track
from pipelines.engine import Engine, Row
from pipelines.manifest import Status
from pipelines.stage import run_stage
from pipelines.workspace import Workspace

BATCH = "labelled"


@dataclass(frozen=True)
class FoundTrack:
    """track: in pixels. clips: rows of the manifest `clips`. end: s."""

    track: Track
    end: float
    clips: tuple[Row, ...]


@dataclass(frozen=True)
class Found:
    """Of one video. cuts: the first instant of each shot but the first, or the middle of a soft transition, s.
    copies: of each kept clip (its id) the id of the clip that it is a copy of, itself for none."""

    cuts: tuple[float, ...]
    tracks: tuple[FoundTrack, ...]
    copies: dict[str, str]


def curate(
    workspace: Workspace, videos: Sequence[Path], engine: Engine, watch: people.PeopleConfig | None = None
) -> list[Found]:
    """Run the stages on the videos, as on any batch, with the settings that they have by default, up to copies.

    watch: other settings of the stage people.
    """
    to_clips(workspace, videos, engine, watch)
    run_stage(duplicates.STAGE, workspace, duplicates.STAGE.config(), engine)
    return list(map(_Reader(workspace).read, videos))


def to_clips(
    workspace: Workspace, videos: Sequence[Path], engine: Engine, watch: people.PeopleConfig | None = None
) -> None:
    """The stages `videos`, `people` and `clips`; see `curate`."""
    workspace.prepare()
    about = {"licence": "CC0-1.0", "source": "rendered", "consent": "synthetic person"}
    write_batch(workspace, [source_row(str(path.resolve()), None, **about) for path in videos], BATCH)
    for stage in (ingest.STAGE, people.STAGE, clips.STAGE):
        config = watch if watch and stage is people.STAGE else stage.config()
        run_stage(stage, workspace, config, engine, BATCH)


class _Reader:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._videos = {Path(row["url"]): row for row in self._rows(f"videos/{BATCH}")}
        self._people, self._clips, self._copies = (
            _grouped(self._rows(name), key)
            for name, key in (
                (f"people/{BATCH}", "video_id"),
                (f"clips/{BATCH}", "parent_id"),
                ("duplicates", "video_id"),
            )
        )

    def _rows(self, name: str) -> list[Row]:
        return manifests.read(self._workspace, name).rows(status=None)

    def read(self, path: Path) -> Found:
        video = self._videos[path.resolve()]
        rows = self._people[video["id"]]
        shots = sorted({(row["shot"], row["shot_start_s"], row["shot_end_s"]) for row in rows})
        cuts = tuple((before[2] + after[1]) / 2 for before, after in pairwise(shots))
        tracks = []
        for row in rows:
            if row["status"] == Status.KEPT:
                track = load_track(self._workspace.local(row["path"]), video["width"], video["height"])
                tracks.append(FoundTrack(track, row["end_s"], tuple(self._clips[row["id"]])))
        copies = {row["id"]: row["copy_of"] or row["id"] for row in self._copies[video["id"]]}
        return Found(cuts, tuple(tracks), copies)


def _grouped(rows: list[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def nearest(track: Track, time: float, within: float) -> int | None:
    """Index of the frame of a track at a time; None where it has none near."""
    index = int(np.abs(track.times - time).argmin())
    return index if abs(float(track.times[index]) - time) <= within else None

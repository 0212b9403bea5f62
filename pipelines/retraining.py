"""When a model is worth making again: when there is enough that the last one has not seen, and never for nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import manifest as manifests
from pipelines.curation.per_video import kept_columns
from pipelines.manifest import Status
from pipelines.params import Params
from pipelines.stage import Stage, fingerprint_of, folder_of, read_inputs, up_to_date
from pipelines.workspace import Workspace

# Stages that take clips out before anything is trained on them.
_SIEVES = ("duplicates", "coverage", "identities")


@dataclass(frozen=True, kw_only=True)
class RetrainingConfig:
    """What justifies a training before the weekly one: both must be reached."""

    # Hours of kept clips that the last training did not choose from.
    least_new_hours: float = 1.0
    # The same over the hours of all kept clips.
    least_new_share: float = 0.1


@dataclass(frozen=True)
class Hours:
    """Of kept clips: of all, and of those that the last training did not choose from."""

    all: float
    new: float

    def justify(self, config: RetrainingConfig) -> bool:
        return self.new >= config.least_new_hours and self.new >= config.least_new_share * self.all


def hours(workspace: Workspace) -> Hours:
    """Without a training all are new."""
    known = set(_known(workspace))
    every = new = 0.0
    counted: set[str] = set()
    for batch in manifests.batches_of(workspace, "clips"):
        clips = kept_columns(manifests.read(workspace, folder_of("clips", batch)), "id", "frames", "fps")
        for name, frames, fps in zip(*clips.to_pydict().values(), strict=True):
            if name not in counted:  # two batches may hold the same video
                counted.add(name)
                every += frames / fps
                new += 0.0 if name in known else frames / fps
    return Hours(every / 3600, new / 3600)


def _known(workspace: Workspace) -> Iterator[str]:
    """Clips that the last training was made of, and those that were taken out for it."""
    if not workspace.exists(manifests.manifest_path("train")):
        return
    for run in manifests.read(workspace, "train").rows():
        held = pq.read_table(workspace.local(run["contents_path"]), columns=["sample", "kind"])
        yield from held.filter(pc.equal(held["kind"], "clip"))["sample"].to_pylist()
    for stage in _SIEVES:
        if workspace.exists(manifests.manifest_path(stage)):
            rows = manifests.read(workspace, stage).rows(status=None)
            yield from (row["id"] for row in rows if row["status"] != Status.KEPT)


def is_unchanged(stages: Sequence[Stage], workspace: Workspace, params: Params) -> bool:
    """Whether stages without batches, in their order, have nothing to do.

    Raises: WorkError where nothing was curated that they could be made of.
    """
    for stage in stages:
        config = params.section(stage.name, stage.config)
        fingerprint = fingerprint_of(stage, config, read_inputs(stage, workspace))
        if up_to_date(stage, workspace, stage.name, fingerprint) is None:
            return False
    return True

"""The data stages in their order; those of training and evaluation follow them in `training.stages`."""

from pipelines.curation import clips, ingest, people, sources, split
from pipelines.curation.coverage import stage as coverage
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities
from pipelines.curation.listing import STARTER
from pipelines.errors import UsageError, WorkError
from pipelines.manifest import batches_of
from pipelines.shards import stage as shards
from pipelines.stage import Stage
from pipelines.synthesis import motions, pairs
from pipelines.workspace import Workspace

DATA_STAGES: tuple[Stage, ...] = (
    sources.STAGE,
    ingest.STAGE,
    people.STAGE,
    clips.STAGE,
    duplicates.STAGE,
    coverage.STAGE,
    identities.STAGE,
    split.STAGE,
    motions.STAGE,
    pairs.STAGE,
    shards.STAGE,
)


def batches(workspace: Workspace, batch: str | None = None) -> list[str | None]:
    """The batches that a per-batch stage has to do: all, or the one named (the starter batch makes itself).

    Raises: WorkError where there is none yet, UsageError for a name that does not exist.
    """
    known = batches_of(workspace, "sources")
    if batch == STARTER:
        return [batch]
    if not known:
        raise WorkError(f"workspace {workspace.url}: has no videos yet; run `unimotion ingest PATH...` first")
    if batch is not None and batch not in known:
        raise UsageError(f"--batch {batch}: there is no such batch; choose among {', '.join(known)}")
    return [batch] if batch else list(known)

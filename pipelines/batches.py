"""Which ingest batches are curated as they are listed now.

What is on disk decides, not what an orchestrator remembers: a run that failed, was killed or was never begun, a batch
that was listed again with other videos, and settings that have changed since all look the same.
"""

import dataclasses

from pipelines.manifest import batches_of, digest_of, read_about
from pipelines.params import Params
from pipelines.stage import Stage, fingerprint_of, folder_of
from pipelines.stages import DATA_STAGES
from pipelines.workspace import Workspace

_CURATION = [stage for stage in DATA_STAGES if stage.per_batch and stage.needs]


def behind(workspace: Workspace, params: Params) -> dict[str, str]:
    """The batches that have to be curated, each with a digest of what has to be done: its list of videos and how they
    are to be curated."""
    configs = {stage.name: params.section(stage.name, stage.config) for stage in _CURATION}
    how = [[stage.name, stage.version, dataclasses.asdict(configs[stage.name])] for stage in _CURATION]
    found = {}
    for batch in batches_of(workspace, "sources"):
        if not all(_is_current(stage, configs[stage.name], workspace, batch) for stage in _CURATION):
            about = read_about(workspace, folder_of("sources", batch))
            found[batch] = digest_of(about and about.digest, how)
    return found


def _is_current(stage: Stage, config: object, workspace: Workspace, batch: str) -> bool:
    """Whether a stage was made from its inputs as they are, and has nothing left that another try may mend."""
    made = read_about(workspace, folder_of(stage.name, batch))
    inputs = {name: read_about(workspace, folder_of(name, batch)) for name in stage.needs}
    known = {name: about for name, about in inputs.items() if about is not None}
    if made is None or made.retry or len(known) < len(inputs):
        return False
    return made.fingerprint == fingerprint_of(stage, config, known)

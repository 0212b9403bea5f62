"""Which ingest batches are curated as they are listed now.

What is on disk decides, not what an orchestrator remembers: a run that failed, was killed or was never begun, a batch
that was listed again with other videos, and settings that have changed since all look the same.
"""

import dataclasses
from collections.abc import Mapping

from pipelines.manifest import About, batches_of, digest_of, read_about
from pipelines.params import Params
from pipelines.stage import Stage, fingerprint_of, folder_of
from pipelines.stages import DATA_STAGES
from pipelines.workspace import Workspace

_CURATION = [stage for stage in DATA_STAGES if stage.per_batch and stage.needs]
_NAMES = [stage.name for stage in DATA_STAGES if stage.per_batch]


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


def not_current(workspace: Workspace) -> list[str]:
    """The batches whose clips were not made of the videos that are listed now, whatever the settings: what is made of
    all batches does without their new videos."""
    found = []
    for batch in batches_of(workspace, "sources"):
        abouts = {name: read_about(workspace, folder_of(name, batch)) for name in _NAMES}
        if not all(_follows(abouts[stage.name], abouts) for stage in _CURATION):
            found.append(batch)
    return found


def _follows(made: About | None, abouts: Mapping[str, About | None]) -> bool:
    """Whether a manifest was made of the ones that there are now."""
    if made is None:
        return False
    now = {name: about.digest for name, about in abouts.items() if about is not None}
    return all(now.get(name) == digest for name, digest in made.inputs.items())

"""The manifests that the stage `pairs` reads, for tests that run it without a corpus."""

from pipelines import manifest
from pipelines.curation import ingest, people
from pipelines.manifest import Row
from pipelines.stage import Stage, folder_of
from pipelines.synthesis import motions
from pipelines.workspace import Workspace

EMPTY: dict[Stage, list[Row]] = {ingest.STAGE: [], people.STAGE: [], motions.STAGE: []}


def publish(workspace: Workspace, inputs: dict[Stage, list[Row]]) -> Workspace:
    """A workspace with the manifests that the stage reads."""
    workspace.prepare()
    for stage, rows in inputs.items():
        made = manifest.build(rows, stage.schema)
        manifest.write(workspace, folder_of(stage.name, "b" if stage.per_batch else None), made, "f", 0)
    return workspace

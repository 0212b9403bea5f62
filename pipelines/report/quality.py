"""What the clips score, and the limits that they were judged by."""

import json
from collections.abc import Mapping
from typing import Any

from pipelines import manifest as manifests
from pipelines.curation.clips import CRITERIA
from pipelines.manifest import Manifest, Status
from pipelines.report.charts import Bars, limited_histogram
from pipelines.stage import folder_of
from pipelines.workspace import Workspace


def score_charts(workspace: Workspace, inputs: Mapping[str, Manifest]) -> tuple[Bars, ...]:
    """A histogram of each score over all candidates that have it, with its limit, unless batches have several."""
    import pyarrow.compute as pc

    table = inputs["clips"].table
    table = table.filter(pc.not_equal(table["status"], Status.QUARANTINED))
    charts = []
    for score, found in _limits(workspace).items():
        values = table[score].drop_null().to_numpy()
        if not len(values):
            continue
        limits = {criterion["limit"] for criterion in found}
        limit = limits.pop() if len(limits) == 1 else None
        about = found[0]
        charts.append(limited_histogram(about["label"], about["unit"], values, limit, about["least"]))
    return tuple(charts)


def _limits(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """Score -> its criterion in each batch."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in manifests.batches_of(workspace, "clips"):
        path = f"{folder_of('clips', batch)}/{CRITERIA}"
        for criterion in json.loads(workspace.local(path).read_text()) if workspace.exists(path) else ():
            found.setdefault(criterion["score"], []).append(criterion)
    return found

"""What somebody should know of a workspace before a user does: batches behind, little disk, much in quarantine, a gate
that is closed, a champion that has grown old."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines import manifest as manifests
from pipelines.alerts import Alert
from pipelines.batches import not_current
from pipelines.stage import BATCH_STAGES, folder_of
from pipelines.workspace import Workspace

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """When somebody is told."""

    # Less free disk than this, GiB.
    least_free_gib: float = 5.0
    # A greater share of a stage's rows of a batch in quarantine, of at least `fewest_rows`.
    most_quarantined: float = 0.1
    fewest_rows: int = 10
    # An older champion, days.
    oldest_champion_days: float = 45.0


def problems(
    workspace: Workspace, config: HealthConfig, champion_since: datetime | None, now: datetime | None = None
) -> list[Alert]:
    """What is wrong now; each is the same alert for as long as it lasts.

    champion_since: when the registry's champion was made, None where there is none.
    """
    found = _disk(workspace, config)
    found += [
        Alert("batch_behind", batch, f"batch {batch} is not curated as it is listed; look at its last run in Dagster")
        for batch in not_current(workspace)
    ]
    found += _quarantine(workspace, config)
    found += _gate(workspace)
    age = (now or datetime.now(UTC)) - champion_since if champion_since is not None else timedelta()
    if age > timedelta(days=config.oldest_champion_days):
        text = f"the champion is {age.days} days old; retrain, or look at why no version since has passed the gate"
        found.append(Alert("stale_champion", str(champion_since), text))
    return found


def _disk(workspace: Workspace, config: HealthConfig) -> list[Alert]:
    free = shutil.disk_usage(workspace.local_root).free / _GIB
    if free >= config.least_free_gib:
        return []
    text = f"less than {config.least_free_gib:g} GiB are free at {workspace.local_root}; free some, or move it"
    return [Alert("disk_low", workspace.url, text)]


def _quarantine(workspace: Workspace, config: HealthConfig) -> list[Alert]:
    """Of manifests of batches: each file's share of rows that another try may mend."""
    alerts = []
    for batch in manifests.batches_of(workspace, "sources"):
        for stage in sorted(BATCH_STAGES):
            folder = folder_of(stage, batch)
            counts = manifests.read_counts(workspace, folder)
            if counts is None or counts.total < config.fewest_rows:
                continue
            if counts.quarantined > config.most_quarantined * counts.total:
                share = f"{counts.quarantined} of {counts.total}"
                text = f"{stage} of batch {batch} has {share} rows in quarantine; the report says why"
                alerts.append(Alert("quarantine_high", folder, text))
    return alerts


def _gate(workspace: Workspace) -> list[Alert]:
    if not workspace.exists("evaluation/gate.json"):
        return []
    verdict = json.loads(workspace.local("evaluation/gate.json").read_text())
    if verdict["passed"] or "version" not in verdict:
        return []
    text = f"version {verdict['version']} did not pass the gate: {'; '.join(verdict['reasons'])}"
    return [Alert("gate_closed", str(verdict["version"]), text)]

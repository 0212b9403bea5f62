import json

from dagster import AssetCheckResult, AssetCheckSeverity, AssetKey, Definitions, asset_check

from dagster_project.assets import counts_check
from dagster_project.foundry import Foundry
from pipelines import manifest as manifests
from pipelines.batches import not_current
from pipelines.lineage import still_used
from pipelines.shards.verified import verify_changed
from pipelines.stages import DATA_STAGES
from training.stages import REPORT, TRAINING_STAGES


@asset_check(asset=AssetKey("duplicates"))
def batches_are_current(foundry: Foundry) -> AssetCheckResult:
    """Every batch was curated as it is listed now; a warning where not, since what follows does without the rest."""
    behind = not_current(foundry.workspace)
    return AssetCheckResult(passed=not behind, severity=AssetCheckSeverity.WARN, metadata={"batches": behind})


@asset_check(asset=AssetKey("split"), blocking=True)
def no_leak_between_splits(foundry: Foundry) -> AssetCheckResult:
    """No source video, and no person whom `identities` knows, is on two sides."""
    sides: dict[tuple[str, str], set[str]] = {}
    for row in manifests.read(foundry.workspace, "split").rows():
        for kind in ("video_id", "identity"):
            sides.setdefault((kind, row[kind]), set()).add(row["split"])
    leaks = sorted(f"{kind} {name}" for (kind, name), splits in sides.items() if len(splits) > 1)
    videos = sum(kind == "video_id" for kind, _ in sides)
    return AssetCheckResult(
        passed=not leaks, metadata={"videos": videos, "identities": len(sides) - videos, "leaks": leaks}
    )


@asset_check(asset=AssetKey("motions"), blocking=True)
def held_out_motions(foundry: Foundry) -> AssetCheckResult:
    """No video, and no motion file, gave motions to two sides."""
    sides: dict[str, set[str]] = {}
    for row in manifests.read(foundry.workspace, "motions").rows():
        sides.setdefault(row["video_id"] or row["source_sha256"], set()).add(row["split"])
    leaks = sorted(name for name, splits in sides.items() if len(splits) > 1)
    return AssetCheckResult(passed=not leaks, metadata={"sources": len(sides), "leaks": leaks})


@asset_check(asset=AssetKey("pairs"), blocking=True)
def held_out_identities(foundry: Foundry) -> AssetCheckResult:
    """No rendered identity, motion or background of the test split was seen in training."""
    sides: dict[str, set[str]] = {}
    for row in manifests.read(foundry.workspace, "pairs").rows():
        places = [view["background"] for view in row["views"] or []]
        for name in (*row["identities"], row["motion"], *places):
            sides.setdefault(name, set()).add(row["split"])
    leaks = sorted(name for name, splits in sides.items() if len(splits) > 1)
    return AssetCheckResult(passed=not leaks, metadata={"names": len(sides), "leaks": leaks})


@asset_check(asset=AssetKey("shards"), blocking=True)
def shard_checksums(foundry: Foundry) -> AssetCheckResult:
    """Every tar has the SHA-256 that its row claims; what has not changed is hashed once a month."""
    found = verify_changed(foundry.workspace)
    return AssetCheckResult(passed=True, metadata={"shards": found.shards, "hashed": found.hashed})


@asset_check(asset=AssetKey("shards"), blocking=True)
def no_withdrawn_video(foundry: Foundry) -> AssetCheckResult:
    """No kept clip, motion or pair, and no sample of a shard, comes from a video that was withdrawn."""
    counts = still_used(foundry.workspace)
    return AssetCheckResult(passed=not any(counts.values()), metadata=counts)


@asset_check(asset=AssetKey("evaluation"))
def metric_gate(foundry: Foundry) -> AssetCheckResult:
    """Whether the pictures are surely better than copying the reference and the champion; a warning where not."""
    verdict = json.loads(foundry.workspace.local("evaluation/gate.json").read_text())
    told = ("reasons", "samples", "champion", "champion_trouble", "means", "differences")
    return AssetCheckResult(
        passed=verdict["passed"],
        severity=AssetCheckSeverity.WARN,
        metadata={name: verdict.get(name) for name in told},
    )


defs = Definitions(
    asset_checks=[
        *(counts_check(stage) for stage in (*DATA_STAGES, *TRAINING_STAGES, REPORT)),
        batches_are_current,
        no_leak_between_splits,
        held_out_motions,
        held_out_identities,
        shard_checksums,
        no_withdrawn_video,
        metric_gate,
    ]
)

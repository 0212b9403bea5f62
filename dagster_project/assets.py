"""Make an asset, and the check that its rows add up, out of a stage. No logic: the stage knows what to do."""

import os

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DataVersion,
    DynamicPartitionsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG

from dagster_project.foundry import Foundry
from pipelines import manifest as manifests
from pipelines.report.metadata import markdown_for
from pipelines.stage import Stage, folder_of

# One partition per ingest batch, never per video: some ten thousand partitions are what the event log bears.
BATCHES = DynamicPartitionsDefinition(name="batch")


def stage_asset(stage: Stage, group: str, kinds: set[str], description: str) -> AssetsDefinition:
    """An asset that brings its stage up to date; the manifest's digest is its data version."""

    @asset(
        name=stage.name,
        deps=[AssetKey(name) for name in (*stage.needs, *stage.uses)],
        partitions_def=BATCHES if stage.per_batch else None,
        group_name=group,
        kinds=kinds,
        description=description,
        code_version=str(stage.version),
    )
    def materialize(context: AssetExecutionContext, foundry: Foundry) -> MaterializeResult:  # type: ignore[type-arg]
        # Whatever the stage records elsewhere (an MLflow run) can then be traced back to this run.
        os.environ["DAGSTER_RUN_ID"] = context.run_id
        batch = context.partition_key if stage.per_batch else None
        result = foundry.bring_up_to_date(stage, batch)
        manifest = manifests.read(foundry.workspace, folder_of(stage.name, batch))
        return MaterializeResult(
            data_version=DataVersion(result.digest),
            metadata={
                "kept": result.counts.kept,
                "rejected": result.counts.rejected,
                "quarantined": result.counts.quarantined,
                "seconds": result.seconds,
                "recomputed": result.recomputed,
                "manifest": MetadataValue.path(
                    str(foundry.workspace.local(manifests.manifest_path(folder_of(stage.name, batch))))
                ),
                **{
                    name: MetadataValue.md(text)
                    for name, text in markdown_for(stage.name, foundry.workspace, manifest).items()
                },
            },
        )

    return materialize


def counts_check(stage: Stage) -> AssetChecksDefinition:
    """The rows on disk, by status, add up; their content has the digest that the manifest claims.

    Of a stage with batches only the one that the run is about, all where it is about none.
    """

    @asset_check(asset=AssetKey(stage.name), name="counts_add_up", blocking=True)
    def counts_add_up(context: AssetCheckExecutionContext, foundry: Foundry) -> AssetCheckResult:
        workspace = foundry.workspace
        folders = [stage.name]
        if stage.per_batch:
            batch = context.run.tags.get(PARTITION_NAME_TAG)
            batches = [batch] if batch else manifests.batches_of(workspace, stage.name)
            folders = [folder_of(stage.name, name) for name in batches]
        folders = [folder for folder in folders if workspace.exists(manifests.manifest_path(folder))]
        problems = []
        for folder in folders:
            found = manifests.read(workspace, folder)
            rows = found.rows(status=None)
            if manifests.build(rows, stage.schema).digest != found.digest:
                problems.append(f"{folder}: the content does not have the digest {found.digest}")
            if found.counts.kept + found.counts.rejected + found.counts.quarantined != len(rows):
                problems.append(f"{folder}: kept + rejected + quarantined is not {len(rows)}")
        return AssetCheckResult(passed=not problems, metadata={"manifests": len(folders), "problems": problems})

    return counts_add_up

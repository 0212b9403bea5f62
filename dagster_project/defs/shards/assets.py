from dagster_project.assets import stage_asset
from pipelines.shards import stage as shards

shards_asset = stage_asset(
    shards.STAGE, "shards", {"webdataset"}, "Tars of clips and pairs, indexed so that training can read any sample."
)

from dagster_project.assets import stage_asset
from pipelines.synthesis import pairs

pairs_asset = stage_asset(
    pairs.STAGE, "pairs", {"opengl"}, "Rendered groups: one motion on several identities, with exact truth per frame."
)

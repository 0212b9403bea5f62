from dagster_project.assets import stage_asset
from pipelines.synthesis import motions, pairs

motions_asset = stage_asset(
    motions.STAGE, "pairs", {"numpy"}, "Motion for pairs to follow: the user's BVH, AMASS and SMPL-X files, and clips."
)

pairs_asset = stage_asset(
    pairs.STAGE, "pairs", {"opengl"}, "Rendered groups: one motion on several identities, with exact truth per frame."
)

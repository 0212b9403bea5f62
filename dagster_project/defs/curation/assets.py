from dagster_project.assets import stage_asset
from pipelines.curation import clips, ingest, people, sources, split
from pipelines.curation.coverage import stage as coverage
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities

_GROUP = "curation"

sources_asset = stage_asset(
    sources.STAGE, _GROUP, {"wheel"}, "The videos of an ingest batch, with licence and consent; nothing is opened yet."
)
videos_asset = stage_asset(
    ingest.STAGE, _GROUP, {"pyav"}, "Whole, readable videos named by their content; the others with the reason."
)
people_asset = stage_asset(
    people.STAGE,
    _GROUP,
    {"torch", "mediapipe"},
    "One track per person and shot, with body, hand and face keypoints; a video is decoded once.",
)
clips_asset = stage_asset(
    clips.STAGE, _GROUP, {"pyav"}, "Fixed-rate clips centred on one person, and every rejected span with its scores."
)
duplicates_asset = stage_asset(
    duplicates.STAGE,
    _GROUP,
    {"numpy"},
    "Of the clips that show the same stretch of one recording, in whatever encoding, the best.",
)
coverage_asset = stage_asset(
    coverage.STAGE, _GROUP, {"numpy"}, "What people do in each clip, and at most so much of each kind of motion."
)
identities_asset = stage_asset(
    identities.STAGE,
    _GROUP,
    {"pyav", "numpy"},
    "Which clips show the same person, and which videos may therefore not be separated.",
)
split_asset = stage_asset(
    split.STAGE, _GROUP, {"parquet"}, "Train, validation or test, by a hash for all videos that share a person."
)

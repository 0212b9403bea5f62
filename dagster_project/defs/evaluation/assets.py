from dagster_project.assets import stage_asset
from training import stages

evaluation_asset = stage_asset(
    stages.EVALUATION,
    "evaluation",
    {"mlflow"},
    "What is seen on test pairs, beside copying the reference and the champion; the gate.",
)

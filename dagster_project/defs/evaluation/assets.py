from dagster_project.assets import stage_asset
from training import stages

evaluation_asset = stage_asset(
    stages.EVALUATION, "evaluation", {"mlflow"}, "Test pairs with known truth against copying the reference; the gate."
)

from dagster_project.assets import stage_asset
from training.stages import REPORT

report_asset = stage_asset(REPORT, "reporting", {"html"}, "One page about the data, the training and the model.")

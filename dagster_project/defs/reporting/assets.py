from dagster_project.assets import stage_asset
from pipelines.report import stage as report

report_asset = stage_asset(report.STAGE, "reporting", {"html"}, "One page about the data, the training and the model.")

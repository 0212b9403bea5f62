from dagster_project.assets import stage_asset
from training import stages

train_asset = stage_asset(
    stages.TRAIN, "training", {"torch", "ray"}, "Encoders, retargeting decoder and DiT, trained together by Ray Train."
)
model_asset = stage_asset(
    stages.MODEL, "training", {"mlflow"}, "The weights as a servable model version, with the data that they saw."
)

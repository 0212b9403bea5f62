"""The stages from shards to a judged model; they follow those of `pipelines.stages`. Then the report on all of them."""

from pipelines.report.stage import report_stage
from pipelines.stage import Stage
from training import evaluate, register, tracking, train

TRAIN, MODEL, EVALUATION = train.STAGE, register.STAGE, evaluate.STAGE
TRAINING_STAGES: tuple[Stage, ...] = (TRAIN, MODEL, EVALUATION)
REPORT = report_stage(tracking.champion)

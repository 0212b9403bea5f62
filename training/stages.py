"""The stages from shards to a judged model; they follow those of `pipelines.stages`."""

from pipelines.stage import Stage
from training import evaluate, register, train

TRAIN, MODEL, EVALUATION = train.STAGE, register.STAGE, evaluate.STAGE
TRAINING_STAGES: tuple[Stage, ...] = (TRAIN, MODEL, EVALUATION)

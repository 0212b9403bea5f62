"""A network and a curriculum small enough for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from pipelines.engine import Engine
from pipelines.evaluation.gate import GateConfig, Verdict, judge
from pipelines.shards.read import Reader, ShardIndex
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace
from training.config import Preset
from training.data import Plan, Stream
from training.evaluate import EvaluationConfig
from training.model.animator import Animator
from training.presets import PRESETS
from training.records import Records
from training.stages import MODEL, TRAINING_STAGES
from training.train import TrainConfig

TINY = PRESETS["tiny"]


def run_training(workspace: Workspace, seed: int = 0, variant: str = "", preset: str = "tiny") -> list[Result]:
    """The stages from shards to a judged model, in this process; one test group is enough to see what is compared."""
    configs = (TrainConfig(preset, seed, variant, workers=0), MODEL.config(), EvaluationConfig(groups=1))
    return [
        run_stage(stage, workspace, config, Engine(), quiet=True)
        for stage, config in zip(TRAINING_STAGES, configs, strict=True)
    ]


def passed(rows: Sequence[Mapping[str, Any]], config: GateConfig) -> Verdict:
    """In the place of `gate.judge`, which no model passes that is small enough to be trained in a test."""
    return replace(judge(rows, config), passed=True, reasons=())


def make_stream(workspace: Workspace, preset: Preset, rank: int = 0, world: int = 1, seed: int = 0) -> Stream:
    plan = Plan(ShardIndex.load(workspace, "train"), preset, seed)
    records = Records(Reader(workspace), preset.model, 2**28)
    return Stream(plan, records, preset, rank, world)


def only(preset: Preset, **kinds: float) -> Preset:
    """The preset with another share of pairs."""
    return replace(preset, data=replace(preset.data, **kinds))


def awake(animator: Animator) -> Animator:
    """With the layers that start at zero taking part."""
    with torch.no_grad():
        for parameter in animator.parameters():
            if not parameter.any() and parameter.ndim > 1:
                parameter.normal_(0, 0.1)
    return animator

"""The gate: what a model must show on test pairs before it becomes the champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MODEL, BASELINE = "model", "copy-reference"
# Of the model, pose_head_error is what its auxiliary head D_h says, which no picture shows: told, and never decided by.
PICTURE_METRICS = ("psnr", "foreground_psnr", "ssim")
METRICS = (*PICTURE_METRICS, "pose_head_error")


@dataclass(frozen=True)
class GateConfig:
    """Least margins over copying the reference, as means over test samples.

    foreground_psnr: dB more on the person's pixels. samples: fewer than that judge nothing.
    """

    foreground_psnr: float = 1.0
    samples: int = 4


@dataclass(frozen=True)
class Verdict:
    """means: method -> metric -> mean over samples. reasons: why the gate is closed; empty where it is passed."""

    passed: bool
    reasons: tuple[str, ...]
    samples: int
    means: dict[str, dict[str, float]]


def judge(rows: Sequence[Mapping[str, Any]], config: GateConfig) -> Verdict:
    """rows: of the evaluation manifest, one per sample and method, with the metrics (None where not measurable).

    Only what pictures show is judged. What was not measured at all closes the gate.
    """
    means = {method: _means([row for row in rows if row["method"] == method]) for method in (MODEL, BASELINE)}
    samples = sum(row["method"] == MODEL for row in rows)
    reasons = []
    if samples < config.samples:
        reasons.append(f"{samples} test samples are fewer than {config.samples}")
    gain = means[MODEL].get("foreground_psnr", math.nan) - means[BASELINE].get("foreground_psnr", math.nan)
    if math.isnan(gain):
        reasons.append("foreground_psnr was not measured")
    elif gain < config.foreground_psnr:
        reasons.append(f"foreground_psnr is better than {BASELINE} by {gain:.3g}, not by {config.foreground_psnr:.3g}")
    return Verdict(not reasons, tuple(reasons), samples, means)


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    values = {metric: [row[metric] for row in rows if row[metric] is not None] for metric in METRICS}
    return {metric: float(np.mean(found)) for metric, found in values.items() if found}

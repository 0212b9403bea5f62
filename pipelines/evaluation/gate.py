"""The gate: what the pictures of a model must show on test pairs before it becomes the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.evaluation.baselines import COPY, TRUTH
from pipelines.evaluation.statistics import ALL_FRAMINGS, Difference, paired_differences

MODEL, BASELINE, CHAMPION = "model", COPY, "champion"
METHODS = (MODEL, BASELINE, CHAMPION, TRUTH)


@dataclass(frozen=True)
class Guard:
    """A measure of `pipelines.evaluation.seen` that must not be lost. better: the sign of an improvement."""

    metric: str
    better: int


# How alike it looks, whether somebody of the right outline is there, and in the right pose.
GUARDS = (Guard("lpips_vgg", -1), Guard("silhouette_iou", 1), Guard("body_px", -1))


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What the pictures of a model must show."""

    # Fewer groups of test samples judge nothing.
    groups: int = 6
    # Bounds of the median over samples of `sharpness`: a blurred picture can please all guards.
    least_sharpness: float = 0.5
    most_sharpness: float = 2.0
    # Of the bootstrap.
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    passed: bool
    # Why the gate is closed; empty where it is passed.
    reasons: tuple[str, ...]
    samples: int
    # Of the guards: the model less copying the reference, and less the champion.
    against_copying: tuple[Difference, ...]
    against_champion: tuple[Difference, ...]


def judge(rows: Sequence[Mapping[str, Any]], config: GateConfig) -> Verdict:
    """A model passes where each guard is surely better than copying the reference's, its pictures
    are as sharp as the truth, and, where there is a champion, no guard is surely worse than the
    champion's and one is surely better. Sure is what has its 95 % interval apart from zero.

    rows: one per sample and method, with `sample`, `group`, `framing`, `method` and the figures of
    `seen.judges`; of the champion, too, where there is one.
    """
    ours = [row for row in rows if row["method"] == MODEL]
    copied = [row for row in rows if row["method"] == BASELINE]
    against_copying = _guarded(ours, copied, config)
    reasons = _not_better_than_copying(against_copying, config)
    reasons += _blurred_or_noisy(ours, config)
    against_champion: tuple[Difference, ...] = ()
    theirs = [row for row in rows if row["method"] == CHAMPION]
    if theirs:
        against_champion = _guarded(ours, theirs, config)
        reasons += _no_better_than_champion(against_champion, config)
    return Verdict(
        passed=not reasons,
        reasons=tuple(reasons),
        samples=len(ours),
        against_copying=against_copying,
        against_champion=against_champion,
    )


def _guarded(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], config: GateConfig
) -> tuple[Difference, ...]:
    metrics = [guard.metric for guard in GUARDS]
    differences = paired_differences(rows, others, metrics, config.seed)
    return tuple(one for one in differences if one.framing == ALL_FRAMINGS)


def _not_better_than_copying(differences: Sequence[Difference], config: GateConfig) -> list[str]:
    measured = {one.metric: one for one in differences if one.groups >= config.groups}
    reasons = []
    for guard in GUARDS:
        difference = measured.get(guard.metric)
        if difference is None:
            reasons.append(f"{guard.metric} was measured on fewer than {config.groups} test groups")
        elif difference.sign != guard.better:
            reasons.append(f"{guard.metric} is not surely better than {BASELINE}'s: {_told(difference)}")
    return reasons


def _blurred_or_noisy(ours: Sequence[Mapping[str, Any]], config: GateConfig) -> list[str]:
    measured = [row["sharpness"] for row in ours if row["sharpness"] is not None]
    if not measured:
        return ["sharpness was not measured"]
    median = float(np.median(measured))
    if config.least_sharpness <= median <= config.most_sharpness:
        return []
    bounds = f"{config.least_sharpness:g} and {config.most_sharpness:g}"
    return [f"sharpness is {median:.3g} of the truth's, not between {bounds}"]


def _no_better_than_champion(differences: Sequence[Difference], config: GateConfig) -> list[str]:
    measured = {one.metric: one for one in differences if one.groups >= config.groups}
    if len(measured) < len(GUARDS):
        return [f"the champion was measured on fewer than {config.groups} of these test groups"]
    reasons, better = [], False
    for guard in GUARDS:
        difference = measured[guard.metric]
        better |= difference.sign == guard.better
        if difference.sign == -guard.better:
            reasons.append(f"{guard.metric} is worse than the champion's: {_told(difference)}")
    if not reasons and not better:
        reasons.append(f"none of {', '.join(measured)} is surely better than the champion's")
    return reasons


def _told(difference: Difference) -> str:
    interval = f"{difference.low:.3g} to {difference.high:.3g}"
    return f"the difference is {difference.mean:.3g} ({interval} on {difference.groups} groups)"

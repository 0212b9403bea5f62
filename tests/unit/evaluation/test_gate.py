"""What opens and closes the gate; that real pictures do is held in tests/integration/test_judges.py."""

from typing import Any

import numpy as np
import pytest

from pipelines.evaluation.gate import BASELINE, CHAMPION, MODEL, GateConfig, judge

GOOD = {"lpips_vgg": 0.15, "silhouette_iou": 0.9, "body_px": 8.0, "sharpness": 0.8}
COPIED = {"lpips_vgg": 0.28, "silhouette_iou": 0.6, "body_px": 20.0, "sharpness": 1.3}
# How far each wanders from sample to sample.
SPREAD = {"lpips_vgg": 0.02, "silhouette_iou": 0.03, "body_px": 2.0, "sharpness": 0.05}
CONFIG = GateConfig()
Rows = list[dict[str, Any]]


def of(means: dict[str, float], method: str = MODEL, groups: int = 10, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        for pair in range(2):
            about = {"sample": f"{group}-{pair}", "group": str(group), "framing": "full"}
            figures = {name: mean + SPREAD[name] * random.normal() for name, mean in means.items()}
            rows.append({**about, "method": method, **figures})
    return rows


COPY = of(COPIED, BASELINE, seed=1)
CHAMPIONS = of(GOOD, CHAMPION)


def test_what_is_better_than_copying_and_sharp_passes() -> None:
    verdict = judge(of(GOOD) + COPY, CONFIG)
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.samples == 20
    assert [one.metric for one in verdict.against_copying] == [
        "lpips_vgg",
        "silhouette_iou",
        "body_px",
    ]


@pytest.mark.parametrize(
    ("metric", "value", "reason"),
    [
        ("lpips_vgg", 0.28, "lpips_vgg is not surely better than copy-reference's"),
        ("silhouette_iou", 0.3, "silhouette_iou is not surely better than copy-reference's"),
        ("body_px", 30, "body_px is not surely better than copy-reference's"),
        ("sharpness", 0.3, "sharpness is 0.3"),
        ("sharpness", 2.5, "sharpness is 2.5"),
    ],
)
def test_each_guard_closes_the_gate_alone(metric: str, value: float, reason: str) -> None:
    (told,) = judge(of({**GOOD, metric: value}) + COPY, CONFIG).reasons
    assert told.startswith(reason)


def test_few_groups_and_missing_figures_judge_nothing() -> None:
    few = judge(of(GOOD, groups=5) + COPY, CONFIG)
    assert "body_px was measured on fewer than 6 test groups" in few.reasons
    blind = [{**row, "silhouette_iou": None, "sharpness": None} for row in of(GOOD)]
    assert judge(blind + COPY, CONFIG).reasons == (
        "silhouette_iou was measured on fewer than 6 test groups",
        "sharpness was not measured",
    )


def test_the_champion_itself_is_not_promoted_again() -> None:
    (reason,) = judge(of(GOOD) + COPY + CHAMPIONS, CONFIG).reasons
    assert reason == ("none of lpips_vgg, silhouette_iou, body_px is surely better than the champion's")


def test_one_gain_without_a_loss_takes_the_champions_place() -> None:
    better = judge(of({**GOOD, "body_px": 6.0}) + COPY + CHAMPIONS, CONFIG)
    assert better.passed
    assert len(better.against_champion) == 3


def test_a_loss_is_not_made_up_for() -> None:
    traded = of({**GOOD, "body_px": 6.0, "lpips_vgg": 0.17})
    (reason,) = judge(traded + COPY + CHAMPIONS, CONFIG).reasons
    assert reason.startswith("lpips_vgg is worse than the champion's: the difference is 0.02")


def test_a_loss_within_the_noise_is_none() -> None:
    """Independent noise of .02 on 20 samples leaves the difference unsure by about .013."""
    within = of({**GOOD, "body_px": 6.0, "lpips_vgg": 0.152}, seed=5)
    assert judge(within + COPY + CHAMPIONS, CONFIG).passed


def test_a_champion_that_was_measured_elsewhere_is_no_comparison() -> None:
    elsewhere = [{**row, "sample": f"x{row['sample']}"} for row in CHAMPIONS]
    (reason,) = judge(of(GOOD) + COPY + elsewhere, CONFIG).reasons
    assert reason == "the champion was measured on fewer than 6 of these test groups"

import math

import numpy as np
import pytest

from pipelines.evaluation.baselines import copy_reference
from pipelines.evaluation.gate import GateConfig, judge
from pipelines.evaluation.metrics import joint_error, psnr, ssim


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def test_psnr_of_a_known_error() -> None:
    truth = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(truth + np.uint8(10), truth) == pytest.approx(10 * math.log10(255**2 / 100))
    # uint8 must not wrap around.
    assert psnr(truth - np.uint8(10), truth) == psnr(truth + np.uint8(10), truth)
    assert psnr(truth, truth) == 99.0


def test_foreground_psnr_sees_the_mask_only() -> None:
    truth = image()
    mask = np.zeros((24, 24), bool)
    mask[4:9, 3:7] = True
    other = np.where(mask[..., None], truth, 255 - truth)
    assert psnr(other, truth, mask) == 99.0
    assert psnr(other, truth, ~mask) < 10
    assert math.isnan(psnr(other, truth, np.zeros_like(mask)))


def test_ssim_equals_its_definition_on_one_window() -> None:
    """One 7 x 7 window, written out as in Wang et al. 2004 with sample statistics."""
    a, b = (image(seed)[:7, :7].astype(float) for seed in (0, 1))
    expected = []
    for c in range(3):
        x, y = a[..., c].ravel(), b[..., c].ravel()
        covariance = np.cov(x, y)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        top = (2 * x.mean() * y.mean() + c1) * (2 * covariance[0, 1] + c2)
        expected.append(top / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(expected))
    assert ssim(image(), image()) == pytest.approx(1)
    assert ssim(image(0), image(1)) < 0.2


def test_joint_error_counts_visible_points_in_pixels() -> None:
    truth = np.array([[0.5, 0.5, 1], [0.1, 0.1, 0]], np.float32)
    points = np.array([[0.5, 0.6], [0.9, 0.9]], np.float32)
    assert joint_error(points, truth, 64) == pytest.approx(6.4, rel=1e-5)
    assert math.isnan(joint_error(points, truth * [1, 1, 0], 64))


def test_copy_reference_repeats_the_reference() -> None:
    assert np.array_equal(copy_reference(image(), 3)[2], image())


def rows(model: float, baseline: float, count: int = 4) -> list[dict[str, object]]:
    def row(method: str, value: float | None) -> dict[str, object]:
        return {"method": method, "psnr": 20.0, "ssim": 0.5, "foreground_psnr": value, "pose_head_error": 3.0}

    return [r for _ in range(count) for r in (row("model", model), row("copy-reference", baseline))]


def test_the_gate_wants_the_whole_margin() -> None:
    config = GateConfig(foreground_psnr=1.0)
    assert judge(rows(16.0, 15.0), config).passed
    verdict = judge(rows(15.9, 15.0), config)
    assert not verdict.passed
    assert "foreground_psnr is better than copy-reference by 0.9, not by 1" in verdict.reasons[0]
    assert verdict.means["model"]["foreground_psnr"] == pytest.approx(15.9)


def test_the_gate_is_closed_without_evidence() -> None:
    assert not judge([], GateConfig()).passed
    assert not judge(rows(30.0, 15.0, count=3), GateConfig()).passed
    unmeasured = [row | {"foreground_psnr": None} for row in rows(0, 0)]
    assert not judge(unmeasured, GateConfig()).passed
    assert judge(unmeasured, GateConfig()).reasons == ("foreground_psnr was not measured",)


@pytest.mark.parametrize("said", [0.0, 60.0, None])
def test_what_the_model_says_of_joints_neither_opens_nor_closes_the_gate(said: float | None) -> None:
    """Its own head is no witness: only what pictures show is judged."""

    def with_head(judged: list[dict[str, object]]) -> list[dict[str, object]]:
        return [row | {"pose_head_error": said} if row["method"] == "model" else row for row in judged]

    refused = judge(with_head(rows(15.0, 15.0)), GateConfig())
    assert refused.reasons == ("foreground_psnr is better than copy-reference by 0, not by 1",)
    assert judge(with_head(rows(16.0, 15.0)), GateConfig()).reasons == ()
    assert refused.means["model"].get("pose_head_error") == said

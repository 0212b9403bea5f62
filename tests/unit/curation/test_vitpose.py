"""A tiny ViTPose saved as transformers saves them loads and runs; peaks are read where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from pipelines.curation.vitpose import VitPose, peaks
from pipelines.errors import UsageError


@pytest.mark.parametrize("experts", [1, 2])
def test_a_saved_network_gives_a_pose_near_the_person(tmp_path: Path, experts: int) -> None:
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_experts=experts, part_features=4 if experts > 1 else 0,
    )  # fmt: skip
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).save_pretrained(tmp_path)
    frame = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    (pose,) = VitPose(str(tmp_path), -1.0).poses(frame, np.array([0.25, 0.25, 0.75, 0.75], np.float32))
    assert pose.points.shape == (33, 3)
    inside = pose.points[[0, 2, 5, 11, 12, 23, 24, 27, 28], :2]
    # The padded box, 0.625 of the frame wide, made as high as the network's input.
    assert (np.abs(inside - 0.5) <= [0.3125, 0.5556]).all()
    assert VitPose(str(tmp_path), 1.1).poses(frame, np.array([0, 0, 1, 1], np.float32)) == []


def test_peaks_are_found_between_cells() -> None:
    heat = np.zeros((2, 16, 12), np.float32)
    heat[0, 5, 3], heat[0, 5, 4] = 0.9, 0.5
    heat[1, 0, 11] = 2.0
    points, confidence = peaks(heat, (48, 64))
    assert points[0].tolist() == [(3.25 + 0.5) * 4 - 0.5, (5 + 0.5) * 4 - 0.5]
    assert confidence.tolist() == pytest.approx([0.9, 1.0])


def test_what_is_no_vitpose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no ViTPose model"):
        VitPose(str(tmp_path), 0.3)

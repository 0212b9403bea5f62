"""A mirrored sample is what the same code makes of the mirrored video."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_training import make_stream, only

from pipelines.keypoints import MIRRORED, NAMES
from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training.batch import mirrored
from training.config import Preset
from training.data import Plan
from training.fields import tensors
from training.records import Record, Records


def test_every_point_has_one_opposite() -> None:
    assert [MIRRORED[i] for i in MIRRORED] == list(range(len(NAMES)))
    assert NAMES[MIRRORED[NAMES.index("hand.left_thumb_2")]] == "hand.right_thumb_2"
    assert NAMES[MIRRORED[NAMES.index("face.chin")]] == "face.chin"


@pytest.mark.parametrize("pairs", [0, 1])
def test_twice_mirrored_is_as_it_was(shards: Workspace, tiny: Preset, pairs: int) -> None:
    for step in (0, 6):
        batch = make_stream(shards, only(tiny, pairs=pairs, mirror=0)).batch(step)
        seen = mirrored(batch)
        assert not torch.equal(seen.target, batch.target)
        for a, b in zip(tensors(mirrored(seen)), tensors(batch), strict=True):
            assert torch.allclose(a, b, atol=1e-6)


def test_it_is_the_sample_of_the_mirrored_video(shards: Workspace, tiny: Preset) -> None:
    random = np.random.default_rng(0)
    keypoints = random.uniform(0.1, 0.9, (3, 88, 3)).astype(np.float32)
    keypoints[..., 2] = 1
    # Sizes at which no box is rounded, so that both are cut alike to the pixel.
    images = random.integers(0, 255, (3, 512, 512, 3), dtype=np.uint8)
    other = keypoints[:, MIRRORED].copy()
    other[..., 0] = 1 - other[..., 0]
    records = Records(Reader(shards), tiny.model, 0)

    def record(frames: np.ndarray, points: np.ndarray) -> Record:
        return records._record(frames, points, [0, 1, 2], 2)

    plain, reflected = record(images, keypoints), record(np.ascontiguousarray(images[:, :, ::-1]), other)
    batch = make_stream(shards, only(tiny, mirror=0)).batch(0)
    sample = replace(
        batch,
        driver=plain.driver,
        target=plain.frames,
        keypoints=plain.keypoints,
        points=plain.points,
        hand_boxes=plain.hand_boxes,
    )
    found = mirrored(sample)
    assert torch.allclose(found.keypoints, reflected.keypoints, atol=1e-5)
    assert torch.allclose(found.points, reflected.points, atol=1e-4)
    assert torch.allclose(found.hand_boxes, reflected.hand_boxes, atol=1e-5)
    assert torch.allclose(found.driver.place, reflected.driver.place, atol=1e-4)
    assert torch.allclose(found.driver.hand_box, reflected.driver.hand_box, atol=1e-4)
    assert torch.allclose(found.driver.face_box, reflected.driver.face_box, atol=1e-4)
    assert torch.allclose(found.driver.keypoints, reflected.driver.keypoints, atol=1e-5)
    assert (found.target.float() - reflected.frames.float()).abs().max() <= 1
    for name in ("body", "hands", "face"):
        ours, theirs = getattr(found.driver, name).float(), getattr(reflected.driver, name).float()
        assert (ours - theirs).abs().mean() < (ours.flip(-1) - theirs).abs().mean() / 3, name


def test_half_of_the_samples_are_mirrored(shards: Workspace, tiny: Preset) -> None:
    plan = Plan(ShardIndex.load(shards, "train"), tiny, 0)
    share = np.mean([plan.choose(tiny.phases[2], position).mirrored for position in range(400)])
    assert 0.4 < share < 0.6

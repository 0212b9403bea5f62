"""A mirrored sample is what the same code makes of the mirrored video."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from tiny_training import make_stream, only

from pipelines.keypoints import MIRRORED, NAMES
from pipelines.shards.read import Reader, ShardIndex
from pipelines.synthesis.scenes.scene import MIRRORED_LABELS, PART_LABELS
from pipelines.workspace import Workspace
from training.batch import _relabelled, _sources, mirrored
from training.config import Preset
from training.data import Plan
from training.fields import tensors
from training.records import Record, Records, cells_of


def test_every_point_has_one_opposite() -> None:
    assert [MIRRORED[i] for i in MIRRORED] == list(range(len(NAMES)))
    assert NAMES[MIRRORED[NAMES.index("hand.left_thumb_2")]] == "hand.right_thumb_2"
    assert NAMES[MIRRORED[NAMES.index("face.chin")]] == "face.chin"
    assert [MIRRORED_LABELS[i] for i in MIRRORED_LABELS] == list(range(len(PART_LABELS)))
    assert PART_LABELS[MIRRORED_LABELS[PART_LABELS.index("right_foot")]] == "left_foot"
    assert PART_LABELS[MIRRORED_LABELS[PART_LABELS.index("torso")]] == "torso"


@pytest.mark.parametrize("pairs", [0, 1])
def test_twice_mirrored_is_as_it_was(shards: Workspace, tiny: Preset, pairs: int) -> None:
    for step in (0, 7):
        batch = make_stream(shards, only(tiny, pairs=pairs, mirror=0)).batch(step)
        seen = mirrored(batch)
        assert not torch.equal(seen.target, batch.target)
        for a, b in zip(tensors(mirrored(seen)), tensors(batch), strict=True):
            assert torch.allclose(a, b, atol=1e-6)


@given(arrays(np.uint8, (2, 5, 5), elements=st.integers(0, 16)), st.integers(0, 10**6))
def test_parts_and_places_come_back_from_a_mirror_to_the_bit(parts: NDArray[np.uint8], seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, seen = rng.uniform(-1, 2, (2, 5, 5, 2)).astype(np.float32), rng.random((2, 5, 5)) < 0.5
    kept, places = cells_of(parts, source, seen, 5)
    assert (np.abs(places.movedim(1, -1)[..., :2].numpy() - source)[parts > 0] < 1 / 1024).all()
    again_parts, again = kept, places
    for _ in range(2):
        again_parts, again = _relabelled(again_parts), _sources(again, again_parts)
    assert torch.equal(again_parts, kept)
    assert torch.equal(again, places)
    other, mirror = _relabelled(kept), _sources(places, kept)
    assert not mirror.movedim(1, -1)[other == 0].any()
    # Left becomes right, and the place on the left of the photo lies on its right.
    left, right = (PART_LABELS.index(f"{side}_hand") for side in ("left", "right"))
    assert torch.equal(other.flip(-1) == right, kept == left)
    there = kept > 0
    assert torch.equal(mirror.flip(-1)[:, 0][there], 1 - places[:, 0][there])
    assert torch.equal(mirror.flip(-1)[:, 1:], places[:, 1:])


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

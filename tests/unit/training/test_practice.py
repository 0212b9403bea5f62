"""Points without pictures: drawn by the sample's number alone, and enough to learn by where a motion comes to lie."""

from dataclasses import replace

import pytest
import torch
from tiny_training import TINY, make_stream
from torch.testing import assert_close

from pipelines.errors import DataError, WorkError
from pipelines.keypoints import BODY_SLICE, FACE_SLICE, LEFT_HAND_SLICE
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import Phase
from training.data import Plan, Stream
from training.fields import stack, tensors
from training.losses import placed_loss
from training.model.points import completed
from training.model.retarget import RetargetDecoder
from training.practice import PointBatch, Practice
from training.records import Records
from training.variants import variant_of

PRACTICE = replace(TINY, phases=(TINY.phases[0], Phase("placing", 60, batch=64, learn="placing"), TINY.phases[-1]))
FIRST = TINY.phases[0].steps


@pytest.fixture(scope="module")
def stream(shards: Workspace) -> Stream:
    return make_stream(shards, PRACTICE)


@pytest.fixture(scope="module")
def pair(shards: Workspace) -> SampleRef:
    return next(ref for ref in ShardIndex.load(shards, "train").samples if ref.kind == "pair")


def practice_of(shards: Workspace) -> Practice:
    return Practice(Records(Reader(shards), TINY.model, 2**26), 0)


def points_of(stream: Stream, step: int) -> PointBatch:
    batch = stream.batch(step)
    assert isinstance(batch, PointBatch)
    return batch


def loss_of(decoder: RetargetDecoder, batch: PointBatch) -> torch.Tensor:
    moved = decoder.moved(batch.driver, batch.place, completed(batch.photo))
    return placed_loss(moved[:, None], batch.target[:, None], torch.ones(len(moved), 1))


def test_two_workers_share_what_one_practises(shards: Workspace, stream: Stream) -> None:
    whole = points_of(stream, FIRST)
    halves = [points_of(make_stream(shards, PRACTICE, rank, 2), FIRST) for rank in (0, 1)]
    for alone, first, second in zip(tensors(whole), *map(tensors, halves), strict=True):
        assert torch.equal(alone, torch.cat([first, second]))
    assert not torch.equal(whole.driver, points_of(stream, FIRST + 1).driver)
    assert isinstance(stream.batch(0), Batch)


def test_what_was_practised_on_is_told(stream: Stream) -> None:
    described = [stream._plan.describe(FIRST, int(position)) for position in points_of(stream, FIRST).position]
    assert all(sample["driver"] != sample["target"] for sample in described)


def test_drivers_are_in_their_box_and_what_is_hidden_tells_nothing(shards: Workspace, pair: SampleRef) -> None:
    practice = practice_of(shards)
    batch = stack([practice.sample(position, pair, 0, 1, 0, 3, False) for position in range(200)])
    hidden = batch.driver[..., 2] < 0.5
    body = batch.driver[:, BODY_SLICE, :2]
    assert body.abs().max() < 1.5
    assert body[hidden[:, BODY_SLICE]].abs().le(1).all()
    for part in (LEFT_HAND_SLICE, FACE_SLICE):
        assert not batch.driver[:, part, :2][hidden[:, part]].any()


def test_limbs_differ_and_the_nose_stays(shards: Workspace, pair: SampleRef) -> None:
    practice, records = practice_of(shards), Records(Reader(shards), TINY.model, 2**26)
    true = torch.from_numpy(records.keypoints(pair)[1, 0])
    drawn = stack([practice.sample(position, pair, 0, 1, 0, 3, False) for position in range(200)]).target
    assert_close(drawn[:, 0], true[0].expand(200, 3))
    assert_close(drawn.mean(0), true, atol=0.01, rtol=0)
    assert drawn[:, BODY_SLICE, :2].std(0)[1:].gt(1e-4).all()


def test_a_mirror_turns_driver_and_target_alike(shards: Workspace, pair: SampleRef) -> None:
    practice = practice_of(shards)
    plain, turned = (practice.sample(3, pair, 0, 1, 0, 3, mirrored) for mirrored in (False, True))
    assert_close(turned.place, plain.place * torch.tensor([-1.0, 1.0]))
    assert_close(turned.target[0, 0], 1 - plain.target[0, 0])


def test_a_perceptron_learns_by_it_where_a_motion_comes_to_lie(stream: Stream) -> None:
    torch.manual_seed(0)
    decoder = RetargetDecoder(TINY.model)
    optimizer = torch.optim.AdamW(decoder.whole.parameters(), 1e-3)
    *steps, last = range(FIRST, FIRST + 60)
    before = loss_of(decoder, points_of(stream, last)).item()
    for step in steps:
        loss = loss_of(decoder, points_of(stream, step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss_of(decoder, points_of(stream, last)).item() < 0.7 * before


def test_what_is_no_table_of_points_is_named(
    shards: Workspace, pair: SampleRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "read", lambda *_: {"i0.npz": b"no archive"})
    with pytest.raises(DataError, match="make the shards again"):
        practice_of(shards).sample(0, pair, 0, 1, 0, 3, False)


def test_without_pairs_there_is_nothing_to_practise_on(shards: Workspace) -> None:
    samples = ShardIndex.load(shards, "train").samples
    clips = ShardIndex(tuple(ref for ref in samples if ref.kind == "clip"))
    with pytest.raises(WorkError, match="phase placing learns from pairs"):
        Plan(clips, PRACTICE, 0).check()
    Plan(clips, replace(TINY, phases=TINY.phases[-1:]), 0).check()


def test_a_skeleton_has_nothing_to_place() -> None:
    assert not any(phase.place for phase in variant_of(PRACTICE, "skeleton").phases)


def test_without_cross_identity_everybody_drives_themselves(shards: Workspace) -> None:
    plan = Plan(ShardIndex.load(shards, "train"), variant_of(PRACTICE, "no-pairs"), 0)
    choices = [plan.choose(PRACTICE.phases[1], position) for position in range(20)]
    assert all(choice.driver == choice.target for choice in choices)


def test_a_preset_shows_what_it_begins_and_ends_with() -> None:
    with pytest.raises(ValueError, match="first and the last phase"):
        replace(TINY, phases=(Phase("placing", 1, learn="placing"), *TINY.phases))

"""What a batch holds follows from seed and step alone."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import toy_shards
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_training import TINY, make_stream, only
from torch.nn import functional
from toy_shards import keypoints_of

from pipelines import manifest
from pipelines.errors import DataError, UsageError, WorkError
from pipelines.keypoints import MIRRORED, NAMES
from pipelines.shards.index import write_index
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.shards.stage import STAGE
from pipelines.shards.write import Sample, write_shard
from pipelines.synthesis.groups import Recipe, render_group
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.sample import members
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import Phase, Preset
from training.data import Plan, Stream
from training.fields import each, stack, tensors
from training.inputs import head_path
from training.records import Records

HIDDEN = NAMES.index("left_toe")


@pytest.fixture(scope="module")
def rendered() -> Sample:
    """A group at 128 px without camera effects."""
    recipe = Recipe(identities=2, frames=4, fps=1.5, size=128, clean=1.0)
    group = render_group(Studio.open(128), RasterEngine(), 0, "train", 5, recipe)
    return group.id, dict(members(group))


def equal(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def join(parts: list[Batch]) -> Batch:
    return each(stack(parts), lambda tensor: tensor.flatten(0, 1))


@pytest.mark.parametrize("world", [2, 4])
def test_workers_share_the_same_global_batch(shards: Workspace, tiny: Preset, world: int) -> None:
    whole = make_stream(shards, tiny)
    parts = [make_stream(shards, tiny, rank, world) for rank in range(world)]
    for step in (0, 4):
        assert equal(join([part.batch(step) for part in parts]), whole.batch(step))


def test_a_stream_that_starts_in_the_middle_goes_on_alike(stream: Stream, shards: Workspace, tiny: Preset) -> None:
    whole = dict(stream.batches(range(tiny.steps)))
    assert list(whole) == list(range(tiny.steps))
    for step, batch in make_stream(shards, tiny).batches(range(5, tiny.steps)):
        assert equal(batch, whole[step])


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(shards: Workspace, tiny: Preset, threads: int) -> None:
    alone, many = make_stream(shards, tiny), make_stream(shards, only(tiny, threads=threads))
    found = list(many.batches(range(tiny.steps)))
    assert [step for step, _ in found] == list(range(tiny.steps))
    assert all(equal(batch, alone.batch(step)) for step, batch in found)


def test_a_sample_that_fails_does_so_at_its_step(
    shards: Workspace, tiny: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(shards, only(tiny, threads=2))
    sample = Stream._sample

    def fail(self: Stream, phase: Phase, position: int) -> Batch:
        if position == 2 * phase.batch + 1:
            raise DataError("sample 2 is broken")
        return sample(self, phase, position)

    monkeypatch.setattr(Stream, "_sample", fail)
    batches = stream.batches(range(tiny.steps))
    assert [next(batches)[0], next(batches)[0]] == [0, 1]
    with pytest.raises(DataError, match="sample 2 is broken"):
        next(batches)


def test_no_more_batches_are_begun_than_are_looked_ahead(
    shards: Workspace, tiny: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, positions = [], Plan.positions

    def note(self: Plan, step: int, rank: int, world: int) -> object:
        begun.append(step)
        return positions(self, step, rank, world)

    monkeypatch.setattr(Plan, "positions", note)
    batches = make_stream(shards, tiny).batches(range(tiny.steps))
    for step, _ in batches:
        assert max(begun) <= step + 2
        if step == 3:
            break
    batches.close()  # type: ignore[attr-defined]
    assert max(begun) <= 5


def test_another_seed_gives_other_samples(stream: Stream, shards: Workspace, tiny: Preset) -> None:
    assert not equal(stream.batch(0), make_stream(shards, tiny, seed=1).batch(0))


def test_a_batch_that_workers_cannot_share_is_refused(shards: Workspace, tiny: Preset) -> None:
    with pytest.raises(UsageError, match="cannot be shared by 3 workers"):
        make_stream(shards, tiny, 0, 3).batch(0)


def fake_index(pairs: int, clips: int) -> ShardIndex:
    def ref(kind: str, number: int) -> SampleRef:
        meta = {"frames": 5, "motion_frames": 4, "identities": ["a", "b", "c"]}
        return SampleRef(f"{kind}{number}", kind, "", {}, meta, 0)

    return ShardIndex(tuple([ref("clip", i) for i in range(clips)] + [ref("pair", i) for i in range(pairs)]))


@given(pairs=st.integers(0, 7), clips=st.integers(0, 7), share=st.floats(0, 1), seed=st.integers(0, 5))
def test_kinds_mix_in_their_share_and_every_sample_is_seen_once_an_epoch(
    pairs: int, clips: int, share: float, seed: int
) -> None:
    if pairs + clips == 0:
        return
    plan = Plan(fake_index(pairs, clips), only(TINY, pairs=share), seed)
    choices = [plan.choose(TINY.phases[1], position) for position in range(200)]
    counts = Counter(choice.ref.kind for choice in choices)
    share = 1.0 if not clips else share if pairs else 0.0
    assert abs(counts["pair"] - 200 * share) <= 1
    for kind in counts:
        seen = Counter(choice.ref.id for choice in choices if choice.ref.kind == kind)
        assert (
            max(seen.values()) - min(seen.get(f"{kind}{i}", 0) for i in range(pairs if kind == "pair" else clips)) <= 1
        )


@given(position=st.integers(0, 10**6), phase=st.integers(0, 3))
def test_a_pair_is_driven_by_another_identity_and_refers_to_the_photo(position: int, phase: int) -> None:
    choice = Plan(fake_index(4, 0), TINY, 0).choose(TINY.phases[phase], position)
    assert choice.driver != choice.target
    assert choice.reference not in choice.frames
    # Four frames move, the fifth is the photo.
    assert choice.reference == 4
    assert ((choice.frames >= 0) & (choice.frames < 4)).all()
    assert (np.diff(choice.frames) == 1).all()
    assert choice.history in {0, TINY.phases[phase].history}


def test_a_place_is_told_from_the_reference(shards: Workspace, tiny: Preset) -> None:
    """A photo is taken where the motion has its middle, a frame of a clip where the person is in it."""
    stream = make_stream(shards, only(tiny, pairs=0.5, mirror=0))
    records = Records(Reader(shards), tiny.model, 0)
    kinds = set()
    for position in range(40):
        choice = stream._plan.choose(tiny.phases[0], position)
        place = stream._sample(tiny.phases[0], position).driver.place
        moving = int(choice.ref.meta["motion_frames" if choice.ref.kind == "pair" else "frames"])
        driver = records.get(choice.ref, choice.driver, range(int(choice.ref.meta["frames"])))
        heads = head_path(driver.keypoints.numpy())
        heads[moving:] = heads[:moving].mean(0)
        assert choice.ref.kind == "clip" or choice.reference == moving
        sides = (driver.persons[choice.frames, 2:] - driver.persons[choice.frames, :2]).numpy()
        assert np.allclose(place, 2 * (heads[choice.frames] - heads[choice.reference]) / sides, atol=1e-5)
        kinds.add(choice.ref.kind)
    assert kinds == {"clip", "pair"}


def test_all_frames_of_a_motion_are_targets_and_those_of_a_clip_references_too() -> None:
    plan = Plan(fake_index(4, 4), only(TINY, pairs=0.5), 0)
    choices = [plan.choose(TINY.phases[0], position) for position in range(200)]
    pairs, clips = ([c for c in choices if c.ref.kind == kind] for kind in ("pair", "clip"))
    assert {int(c.frames[0]) for c in pairs} == set(range(4))
    assert {int(c.frames[0]) for c in clips} == {c.reference for c in clips} == set(range(5))


def test_keypoints_of_pairs_are_true_where_they_are_hidden(
    workspace: Workspace, tiny: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off the frame, too, and whatever is augmented, cut and mirrored on the way; the confidence stays 0."""

    def hidden(motion: NDArray[np.float64], build: NDArray[np.float64]) -> NDArray[np.float32]:
        points = keypoints_of(motion, build)
        points[HIDDEN] = [1.75, -0.5, 0]
        return points

    monkeypatch.setattr(toy_shards, "keypoints_of", hidden)
    toy_shards.write_toy_shards(workspace)
    for mirror, x in ((0, 1.75), (1, -0.75)):
        for step in (0, 5):
            batch = make_stream(workspace, only(tiny, pairs=1, mirror=mirror)).batch(step)
            where = MIRRORED[HIDDEN] if mirror else HIDDEN
            for points in (batch.keypoints, batch.reference_keypoints, batch.driver.keypoints):
                assert (points[..., where, :] == torch.tensor([x, -0.5, 0])).all()


@pytest.mark.parametrize("size", [128, 64, 256])
def test_the_reference_moved_to_its_places_is_the_target(
    workspace: Workspace, tiny: Preset, rendered: Sample, size: int
) -> None:
    """Of rendered people at 128 px, at that size, at half of it and at twice it, mirrored or not."""
    record = write_shard(workspace, "shards/pairs/train.tar", [rendered])
    row = {"id": "a", "status": "kept", "kind": "pair", "split": "train", "index_path": write_index(workspace, record)}
    row |= {"path": record.path, "sha256": record.sha256, "bytes": record.bytes, "samples": 1}
    manifest.write(workspace, "shards", manifest.build([row], STAGE.schema), "rendered", 0)
    model = replace(tiny.model, size=size, layout=size)
    for mirror in (0, 1):
        batch = make_stream(workspace, only(replace(tiny, model=model), pairs=1, mirror=mirror)).batch(0)
        cells = size // 2
        assert batch.source.shape[-3:] == (3, cells, cells)
        assert batch.parts.shape[-2:] == batch.reference_parts.shape[-2:] == (cells, cells)
        assert batch.exact.tolist() == [1] * len(batch.position)
        assert not batch.source.movedim(2, -1)[batch.parts == 0].any()
        seen = batch.source[:, :, 2] > 0
        assert 0.3 < seen.sum() / (batch.parts > 0).sum() < 1
        count = batch.source.shape[1]
        grid = batch.source[:, :, :2].float().flatten(0, 1).movedim(1, -1) * 2 - 1
        # Cells are two pixels, and what a cell tells is of its middle.
        small = [functional.avg_pool2d(image.float().flatten(0, -4), 2) for image in (batch.target, batch.reference)]
        photo = small[1].repeat_interleave(count, 0)
        moved = functional.grid_sample(photo, grid, align_corners=False, padding_mode="border")
        there = seen.flatten(0, 1)[:, None].expand_as(moved)
        off = [float((image - small[0])[there].abs().mean()) for image in (moved, photo)]
        assert off[0] < 0.5 * off[1]
        # What is at a place in the photo has the part there; between cells it may be the one beside.
        labels = batch.reference_parts.float()[:, None].repeat_interleave(count, 0)
        at = functional.grid_sample(labels, grid, mode="nearest", align_corners=False)[:, 0]
        assert (at == batch.parts.flatten(0, 1))[seen.flatten(0, 1)].float().mean() > 0.8


def test_what_a_sample_holds(shards: Workspace, tiny: Preset) -> None:
    """Clips have no truth but pseudo-labels; pairs have masks, parts and places and, where D learns, normals."""
    clips = make_stream(shards, only(tiny, pairs=0)).batch(1)
    assert not clips.mask.any()
    assert not any(labels.any() for labels in (clips.exact, clips.reference_parts, clips.parts, clips.source))
    assert not clips.normals.any()
    # Nothing is known of a clip's background but what lies beyond the frame.
    assert (clips.driver.body[:, :, 3, 8:24, 8:24] == 255).all()
    pairs = make_stream(shards, only(tiny, pairs=1))
    assert not pairs.batch(0).normals.any()
    pairs = pairs.batch(1)
    assert pairs.mask.any()
    for name in ("exact", "reference_parts", "parts", "source"):
        assert getattr(pairs, name).any()
        assert getattr(pairs, name).shape == getattr(clips, name).shape
        assert getattr(pairs, name).dtype == getattr(clips, name).dtype
    known = pairs.normals[:, :, :, 3] > 127
    assert known.any()
    right = pairs.normals[:, :, 1].float().movedim(2, -1)[known[:, :, 1]] / 127.5 - 1
    assert torch.allclose(right[:, :3].mean(0), torch.tensor([0, 0.6, -0.8]), atol=0.05)


def test_no_samples_or_broken_ones_say_so(shards: Workspace, tiny: Preset) -> None:
    with pytest.raises(WorkError, match="no training samples"):
        Plan(ShardIndex(()), tiny, 0)

    class Broken(Reader):
        def read(self, ref: SampleRef, names: object) -> dict[str, bytes]:  # type: ignore[override]
            return dict.fromkeys(super().read(ref, names), b"nonsense")  # type: ignore[arg-type]

    refs = ShardIndex.load(shards, "train").samples
    for kind in ("clip", "pair"):
        ref = next(ref for ref in refs if ref.kind == kind)
        with pytest.raises(DataError, match=ref.id):
            Records(Broken(shards), tiny.model, 10**6).get(ref, 0, [0])
    lying = replace(ref, meta=json.loads(json.dumps(ref.meta)) | {"frames": 99})
    with pytest.raises(DataError, match="not readable"):
        Records(Reader(shards), tiny.model, 10**6).get(lying, 0, range(99))


@pytest.mark.parametrize(("pairs", "step"), [(1, 0), (1, 7), (0, 0), (0, 7)])
def test_a_driver_is_held_against_the_same_motion_and_against_itself(
    shards: Workspace, tiny: Preset, pairs: int, step: int
) -> None:
    preset = only(tiny, pairs=pairs, mirror=0)
    batch = make_stream(shards, preset).batch(step)
    plan, records = Plan(ShardIndex.load(shards, "train"), preset, 0), Records(Reader(shards), preset.model, 2**28)
    phase, positions = plan.positions(step, 0, 1)
    for number, position in enumerate(positions):
        choice = plan.choose(phase, position)
        frames = choice.frames.tolist()
        same = records.get(choice.ref, choice.target, frames).driver.body
        apart = records.get(choice.ref, choice.driver, choice.apart.tolist() or frames).driver.body
        assert torch.equal(batch.others.body[number], torch.cat([same, apart]))
        assert len(choice.apart) == (len(frames) if pairs else 0)
        assert not set(choice.apart.tolist()) & set(frames)

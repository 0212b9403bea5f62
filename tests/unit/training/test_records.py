"""Of a sample only the frames that are asked for are decoded, and they are the same however they are asked for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from toy_shards import write_toy_shards

from pipelines.curation.decode import DecordDecoder
from pipelines.errors import DataError
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.workspace import Workspace
from training.config import Preset
from training.fields import each, tensors
from training.records import Record, Records


def size_of(record: Record) -> int:
    return sum(tensor.nbytes for tensor in tensors(record))


def ref_of(shards: Workspace, kind: str) -> SampleRef:
    return next(ref for ref in ShardIndex.load(shards, "train").samples if ref.kind == kind)


def equal(a: Record, b: Record) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The frames of videos that were decoded, and the pictures of pairs that were read."""
    found: list[list[int]] = []
    get_batch, read = DecordDecoder.get_batch, Reader.read

    def decode(self: DecordDecoder, indices: Sequence[int]) -> object:
        found.append(list(indices))
        return get_batch(self, indices)

    def members(self: Reader, ref: SampleRef, names: Sequence[str]) -> dict[str, bytes]:
        if ref.kind == "pair":
            found.append([int(name.split(".")[1][1:]) for name in names if name.endswith("jpg")])
        return read(self, ref, names)

    monkeypatch.setattr(DecordDecoder, "get_batch", decode)
    monkeypatch.setattr(Reader, "read", members)
    return found


@pytest.mark.parametrize("kind", ["clip", "pair"])
def test_only_missing_frames_are_decoded(shards: Workspace, tiny: Preset, decoded: list[list[int]], kind: str) -> None:
    records, ref = Records(Reader(shards), tiny.model, 2**28), ref_of(shards, kind)
    records.get(ref, 0, [4, 1])
    records.get(ref, 0, [1, 4, 4])
    records.get(ref, 0, [1, 2, 5])
    assert decoded == [[1, 4], [2, 5]]


@pytest.mark.parametrize("kind", ["clip", "pair"])
def test_a_frame_is_the_same_however_it_is_asked_for(shards: Workspace, tiny: Preset, kind: str) -> None:
    ref = ref_of(shards, kind)
    whole = Records(Reader(shards), tiny.model, 0).get(ref, 0, range(6))
    for frames in ([3], [5, 0, 5], [2, 1]):
        found = Records(Reader(shards), tiny.model, 0).get(ref, 0, frames)
        assert equal(found, each(whole, lambda tensor, frames=frames: tensor[frames]))


def test_normals_are_the_same_however_they_are_asked_for(shards: Workspace, tiny: Preset) -> None:
    ref, records = ref_of(shards, "pair"), Records(Reader(shards), tiny.model, 2**28)
    whole = Records(Reader(shards), tiny.model, 0).normals(ref, 0, range(6))
    assert whole[:, :, 3].any()
    for frames in ([3], [5, 0, 5], [2, 1]):
        assert torch.equal(records.normals(ref, 0, frames), whole[frames])


def test_the_cache_keeps_to_its_size_and_drops_what_was_not_used_for_longest(
    shards: Workspace, tiny: Preset, decoded: list[list[int]]
) -> None:
    ref = ref_of(shards, "clip")
    one = size_of(Records(Reader(shards), tiny.model, 0).get(ref, 0, [0]))
    records = Records(Reader(shards), tiny.model, int(2.5 * one))
    for frame in (0, 1, 0, 2):
        records.get(ref, 0, [frame])
    assert records._bytes == 2 * one
    decoded.clear()
    records.get(ref, 0, [0, 2])
    assert decoded == []
    assert len(records.get(ref, 0, range(6)).frames) == 6
    assert records._bytes == 2 * one
    records.get(ref, 0, [1])
    assert decoded == [[1, 3, 4, 5], [1]]


def test_what_is_kept_holds_no_more_memory_than_counted(shards: Workspace, tiny: Preset) -> None:
    records = Records(Reader(shards), tiny.model, 2**28)
    records.get(ref_of(shards, "pair"), 0, range(6))
    records.normals(ref_of(shards, "pair"), 0, range(6))
    held = sum(t.untyped_storage().nbytes() for record in records._kept.values() for t in tensors(record))
    assert held == records._bytes


def test_threads_may_share_records(workspace: Workspace, tiny: Preset) -> None:
    write_toy_shards(workspace)
    refs = ShardIndex.load(workspace, "train").samples
    one = size_of(Records(Reader(workspace), tiny.model, 0).get(refs[0], 0, [0]))
    records, rng = Records(Reader(workspace), tiny.model, 8 * one), np.random.default_rng(0)
    asked = [(refs[int(rng.integers(len(refs)))], [int(t) for t in rng.integers(5, size=3)]) for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: records.get(item[0], 0, item[1]), asked))
    alone = Records(Reader(workspace), tiny.model, 2**28)
    assert all(equal(record, alone.get(ref, 0, frames)) for record, (ref, frames) in zip(found, asked, strict=True))
    assert records._bytes == sum(size_of(record) for record in records._kept.values()) <= 8 * one


@pytest.mark.parametrize("kind", ["clip", "pair"])
def test_a_frame_that_is_not_there_is_said(shards: Workspace, tiny: Preset, kind: str) -> None:
    with pytest.raises(DataError, match="not readable"):
        Records(Reader(shards), tiny.model, 0).get(ref_of(shards, kind), 0, [0, 99])

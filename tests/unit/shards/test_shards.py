"""Write, index and read are one format: what goes in comes out, and damage is seen."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import DataError, WorkError
from pipelines.manifest import build, write
from pipelines.shards.index import index_path, scan, write_index
from pipelines.shards.read import Reader, SampleRef, ShardIndex, order, verify
from pipelines.shards.stage import STAGE, pack
from pipelines.shards.write import Sample, ShardRecord, write_shard
from pipelines.workspace import Workspace, file_sha256

keys = st.text("abcdef0123456789_-", min_size=1, max_size=40)
names = st.from_regex(r"[a-z0-9]{1,6}(\.[a-z0-9]{1,6}){0,2}", fullmatch=True).filter(lambda name: name != "json")
contents = st.dictionaries(keys, st.dictionaries(names, st.binary(max_size=2000), max_size=4), min_size=1, max_size=5)


def samples_of(drawn: dict[str, dict[str, bytes]]) -> list[Sample]:
    return [(key, {**members, "json": json.dumps({"id": key}).encode()}) for key, members in drawn.items()]


def publish(workspace: Workspace, records: list[ShardRecord], split: str = "train", kind: str = "clip") -> None:
    rows = [
        {
            "id": record.sha256,
            "status": "kept",
            "kind": kind,
            "split": split,
            "path": record.path,
            "index_path": index_path(record.sha256),
            "sha256": record.sha256,
            "bytes": record.bytes,
            "samples": record.samples,
        }
        for record in records
    ]
    write(workspace, "shards", build(rows, STAGE.schema), "f", 0)


def small_shard(workspace: Workspace) -> ShardRecord:
    samples = samples_of({"one": {"mp4": b"1" * 700, "keypoints.npy": b"k"}, "two": {"mp4": b"2" * 100}})
    record = write_shard(workspace, "s/a.tar", samples)
    write_index(workspace, record)
    publish(workspace, [record])
    return record


@settings(max_examples=40, deadline=None)
@given(contents)
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, dict[str, bytes]]) -> None:
    workspace = Workspace(str(tmp_path_factory.mktemp("w")))
    samples = samples_of(drawn)
    record = write_shard(workspace, "s/a.tar", iter(samples))
    again = write_shard(workspace, "s/b.tar", iter(samples))
    assert workspace.local("s/a.tar").read_bytes() == workspace.local("s/b.tar").read_bytes()
    assert replace(again, path="s/a.tar") == record
    write_index(workspace, record)
    publish(workspace, [record])
    index, reader = ShardIndex.load(workspace, "train"), Reader(workspace)
    assert {ref.id: reader.read(ref, ref.members) for ref in index.samples} == dict(samples)
    assert [ref.id for ref in index.samples] == sorted(drawn)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_the_bytes_is_seen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    workspace = Workspace(str(tmp_path_factory.mktemp("w")))
    record = small_shard(workspace)
    path = workspace.local(record.path)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    path.write_bytes(damaged)
    with pytest.raises(WorkError, match=r"a\.tar"):
        verify(workspace)
    with pytest.raises(WorkError, match=r"a\.tar"):
        write_index(workspace, record)
    # The scanner alone is given no digest: it may accept other bytes, but never fail otherwise or see too much.
    with suppress(WorkError):
        for members in scan(path).values():
            assert all(member.offset + member.size <= len(damaged) for member in members.values())


@pytest.mark.parametrize("cut", [1, 600, 1500])
def test_the_reader_names_a_truncated_shard(tmp_path: Path, cut: int) -> None:
    workspace = Workspace(str(tmp_path))
    path = workspace.local(small_shard(workspace).path)
    path.write_bytes(path.read_bytes()[:-cut])
    ref = ShardIndex.load(workspace, "train").samples[0]
    with pytest.raises(WorkError, match=r"a\.tar: is not"):
        Reader(workspace).read(ref, ["mp4"])


def test_the_reader_names_a_shard_with_a_changed_member(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    path = workspace.local(small_shard(workspace).path)
    ref = ShardIndex.load(workspace, "train").samples[0]
    damaged = bytearray(path.read_bytes())
    damaged[ref.members["mp4"].offset + 5] ^= 1
    path.write_bytes(damaged)
    assert Reader(workspace).read(ref, ["keypoints.npy"]) == {"keypoints.npy": b"k"}
    with pytest.raises(WorkError, match=r"a\.tar: one\.mp4 is damaged"):
        Reader(workspace).read(ref, ["mp4"])


def test_a_reader_can_be_pickled_after_use(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    small_shard(workspace)
    ref = ShardIndex.load(workspace, "train").samples[1]
    reader = Reader(workspace)
    before = reader.read(ref, ["mp4"])
    assert pickle.loads(pickle.dumps(reader)).read(ref, ["mp4"]) == before == {"mp4": b"2" * 100}


def test_threads_may_share_a_reader(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    workspace = Workspace(str(tmp_path))
    records = [write_shard(workspace, f"s/{i}.tar", samples_of({f"k{i}": {"x": bytes([i]) * 5000}})) for i in range(90)]
    for record in records:
        write_index(workspace, record)
    publish(workspace, records)
    samples = ShardIndex.load(workspace, "train").samples
    reader = Reader(workspace)

    def read(ref: SampleRef) -> bool:
        return reader.read(ref, ["x"])["x"] == bytes([int(ref.id[1:])]) * 5000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, [*samples, *reversed(samples)]))


def test_webdataset_reads_the_same_samples(tmp_path: Path) -> None:
    import webdataset

    workspace = Workspace(str(tmp_path))
    samples = samples_of({f"key{i}": {"mp4": bytes([i]) * 99, "i0.t3.jpg": b"j"} for i in range(5)})
    record = write_shard(workspace, "s/a.tar", samples)
    dataset = webdataset.WebDataset(str(workspace.local(record.path)), shardshuffle=False)
    read = [(s["__key__"], {n: s[n] for n in s if not n.startswith("__")}) for s in dataset]
    assert read == samples


@pytest.mark.parametrize(
    "samples",
    [
        [("a.b", {"x": b""})],
        [("../a", {"x": b""})],
        [("a", {})],
        [("a", {"x/y": b""})],
        [("a", {"x": b""}), ("a", {"x": b""})],
    ],
)
def test_samples_that_no_reader_would_take_are_refused(tmp_path: Path, samples: list[Sample]) -> None:
    with pytest.raises(ValueError, match="odd characters"):
        write_shard(Workspace(str(tmp_path)), "s/a.tar", samples)
    assert not list(tmp_path.rglob("*.tar"))


def _link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"


def _device(info: tarfile.TarInfo) -> None:
    info.type = tarfile.CHRTYPE


def _named(name: str) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: setattr(info, "name", name)


@pytest.mark.parametrize(
    "hostile",
    [_link, _device, *map(_named, ["/etc/passwd", "../a.json", "a/../b.json", "noname", ".json", "a.\n", "é.json"])],
)
def test_hostile_entries_are_refused(tmp_path: Path, hostile: Callable[[tarfile.TarInfo], None]) -> None:
    path = tmp_path / "h.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("a.json")
        hostile(info)
        tar.addfile(info, io.BytesIO(b""))
    with pytest.raises(WorkError, match=r"h\.tar: has the entry"):
        scan(path)


def test_a_size_beyond_the_file_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.mp4")
    info.size = 1 << 40
    path = tmp_path / "h.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(WorkError, match=r"ends inside 'a\.mp4'"):
        scan(path)


def test_members_apart_or_twice_are_refused(tmp_path: Path) -> None:
    for entries, message in ((["a.x", "b.x", "a.y"], "in two places"), (["a.x", "a.x"], "twice")):
        path = tmp_path / "h.tar"
        with tarfile.open(path, "w") as tar:
            for name in entries:
                tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(WorkError, match=message):
            scan(path)


@pytest.mark.parametrize("meta", [b"[]", b"{", b'{"id":"other"}', b"\xff"])
def test_a_sample_needs_its_own_meta(tmp_path: Path, meta: bytes) -> None:
    workspace = Workspace(str(tmp_path))
    record = write_shard(workspace, "s/a.tar", [("a", {"json": meta})])
    with pytest.raises(WorkError, match=r"a\.tar: has a a\.json"):
        write_index(workspace, record)


def test_a_wrong_record_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    record = small_shard(workspace)
    with pytest.raises(DataError, match="2 samples where 3"):
        write_index(workspace, replace(record, samples=3))
    assert file_sha256(workspace.local(record.path)) == record.sha256


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 300))
def test_order_is_a_permutation_of_its_arguments_alone(seed: int, epoch: int, count: int) -> None:
    first = order(seed, epoch, count)
    assert sorted(first) == list(range(count))
    assert np.array_equal(first, order(seed, epoch, count))


def test_epochs_and_seeds_differ() -> None:
    assert len({tuple(order(seed, epoch, 50)) for seed in range(4) for epoch in range(4)}) == 16


@given(st.sets(keys, max_size=200), st.integers(1, 20))
def test_packing_keeps_every_id(ids: set[str], most: int) -> None:
    groups = pack(list(ids), most)
    assert sorted(name for group in groups for name in group) == sorted(ids)
    assert all(group == sorted(group) for group in groups)
    assert pack(sorted(ids), most) == groups
    assert all(0 < len(group) <= most for group in groups)


def test_a_clip_that_comes_or_goes_changes_the_shard_that_it_is_in() -> None:
    from pipelines.manifest import digest_of

    ids = [digest_of(i) for i in range(2000)]
    before = {tuple(group) for group in pack(ids, 32)}
    assert 2000 / 32 < len(before) < 2.2 * 2000 / 32
    changed = [before - {tuple(group) for group in pack([n for n in ids if n != name], 32)} for name in ids[:40]]
    assert all(any(name in group for group in groups) for name, groups in zip(ids, changed, strict=False))
    # Two where the rest of the shard and its other half fit into one.
    assert [len(groups) for groups in changed].count(1) >= 34
    assert max(map(len, changed)) <= 2

import io
import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.engine import Engine
from pipelines.errors import WorkError
from pipelines.manifest import build, digest_of, read, schema_of, write
from pipelines.origins import ORIGIN
from pipelines.shards import verified
from pipelines.shards.contents import distinct_origins
from pipelines.shards.read import Reader, ShardIndex, verify
from pipelines.shards.stage import STAGE, ShardsConfig
from pipelines.shards.verified import Verified, verify_changed
from pipelines.shards.write import write_shard
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace, file_sha256

CLIPS = schema_of(
    video_id=pa.string(),
    source=pa.string(),
    licence=pa.string(),
    consent=pa.string(),
    frames=pa.int32(),
    fps=pa.float64(),
    size=pa.int32(),
    path=pa.string(),
    keypoints_path=pa.string(),
    shown=pa.list_(pa.float64()),
)
PAIRS = schema_of(
    split=pa.string(),
    shard_path=pa.string(),
    shard_sha256=pa.string(),
    shard_bytes=pa.int64(),
    origins=pa.list_(ORIGIN),
)


def publish_clips(workspace: Workspace, names: list[str]) -> None:
    clips, splits = [], []
    for name in names:
        clip = digest_of("clip", name)
        with workspace.publish(f"clips/b/{clip}.mp4") as path:
            path.write_bytes(b"video " + name.encode())
        with workspace.publish(f"clips/b/{clip}.npy") as path:
            np.save(path, np.zeros((2, 88, 3), np.float32))
        common = {"id": clip, "parent_id": clip, "status": "kept", "video_id": "v" + name}
        clips.append(
            common
            | {"source": "kitchen: ‘one’", "licence": "CC0", "consent": "form 7", "frames": 2, "fps": 16.0, "size": 64}
            | {"path": f"clips/b/{clip}.mp4", "keypoints_path": f"clips/b/{clip}.npy", "shown": [0.2, 0, 0.8, 1]}
        )
        splits.append(common | {"split": "test" if name.startswith("t") else "train"})
    write(workspace, "clips/b", build(clips, CLIPS), digest_of(names), 0)
    write(workspace, "split", build(splits, schema_of(video_id=pa.string(), split=pa.string())), digest_of(names), 0)


def publish_pairs(workspace: Workspace, groups: int) -> None:
    samples = [
        (f"g{i}", {"i0.t0.jpg": b"jpeg", "json": json.dumps({"id": f"g{i}", "frames": 1}).encode()})
        for i in range(groups)
    ]
    rows = []
    if samples:
        record = write_shard(workspace, "pairs/shards/train-00000.tar", samples)
        place = {
            "split": "train",
            "shard_path": record.path,
            "shard_sha256": record.sha256,
            "shard_bytes": record.bytes,
        }
        behind = [{"kind": "video", "id": "va", "licence": "CC0", "consent": "form 7"}]
        rows = [{"id": key, "parent_id": "p", "status": "kept", "origins": behind, **place} for key, _ in samples]
    write(workspace, "pairs", build(rows, PAIRS), str(groups), 0)


def run(workspace: Workspace) -> Result:
    return run_stage(STAGE, workspace, ShardsConfig(samples_per_shard=4), Engine(), quiet=True)


def files(workspace: Workspace) -> dict[str, int]:
    root = workspace.local_root / "shards"
    return {str(path): path.stat().st_mtime_ns for path in [*root.glob("clips/*"), *root.glob("index/*")]}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(str(tmp_path))
    publish_clips(workspace, ["a", "b", "c", "d", "e", "f", "g", "t1", "t2"])
    publish_pairs(workspace, 3)
    return workspace


def test_every_clip_and_pair_is_found_again(workspace: Workspace) -> None:
    run(workspace)
    train, test = ShardIndex.load(workspace, "train").samples, ShardIndex.load(workspace, "test").samples
    assert [ref.kind for ref in train] == ["clip"] * 7 + ["pair"] * 3
    assert [ref.kind for ref in test] == ["clip"] * 2
    assert {ref.meta["id"] for ref in test} == {digest_of("clip", "t1"), digest_of("clip", "t2")}
    ref = next(ref for ref in train if ref.id == digest_of("clip", "a"))
    found = Reader(workspace).read(ref, ["mp4", "keypoints.npy"])
    assert found["mp4"] == b"video a"
    assert np.load(io.BytesIO(found["keypoints.npy"]), allow_pickle=False).shape == (2, 88, 3)
    assert ref.meta == {
        "kind": "clip",
        "id": ref.id,
        "split": "train",
        "source": "kitchen: ‘one’",
        "licence": "CC0",
        "consent": "form 7",
        "video_id": "va",
        "fps": 16.0,
        "frames": 2,
        "size": 64,
        "shown": [0.2, 0, 0.8, 1],
    }
    shards = read(workspace, "shards").rows()
    assert verify(workspace) == len(shards)
    assert sum(row["samples"] for row in shards) == 12
    assert max(row["samples"] for row in shards) <= 4


def test_only_changed_shards_are_rewritten_and_withdrawn_clips_are_gone(workspace: Workspace) -> None:
    first = run(workspace)
    before = files(workspace)
    withdrawn = digest_of("clip", "c")
    publish_clips(workspace, ["a", "b", "d", "e", "f", "g", "t1", "t2"])
    run(workspace)
    after = files(workspace)
    assert {name: time for name, time in after.items() if name in before}.items() <= before.items()
    assert any("/test-" in name for name in before.keys() & after.keys())
    tars = list(workspace.local_root.glob("shards/clips/*.tar"))
    assert all(withdrawn.encode() not in path.read_bytes() for path in tars)
    verify(workspace)

    publish_clips(workspace, ["a", "b", "c", "d", "e", "f", "g", "t1", "t2"])
    assert run(workspace).digest == first.digest
    assert files(workspace).keys() == before.keys()
    verify(workspace)


def test_another_workspace_gets_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace(str(tmp_path / "other"))
    publish_clips(other, ["t2", "g", "f", "e", "d", "c", "b", "a", "t1"])
    publish_pairs(other, 3)
    assert run(workspace).digest == run(other).digest


def test_no_clips_and_no_pairs_make_no_shards(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_clips(workspace, [])
    publish_pairs(workspace, 0)
    assert run(workspace).counts.total == 0
    assert ShardIndex.load(workspace, "train").samples == ()


def test_a_pair_shard_that_changed_after_its_stage_stops_the_work(workspace: Workspace) -> None:
    path = workspace.local("pairs/shards/train-00000.tar")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(WorkError, match=r"train-00000\.tar: does not have the bytes"):
        run(workspace)


def test_a_missing_clip_file_stops_the_work(workspace: Workspace) -> None:
    workspace.remove(read(workspace, "clips/b").rows()[0]["path"])
    with pytest.raises(WorkError, match="is missing"):
        run(workspace)


def test_config_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ShardsConfig(samples_per_shard=0)


def test_the_contents_tell_where_each_sample_is_and_what_it_came_from(workspace: Workspace) -> None:
    run(workspace)
    shards = {row["path"]: row for row in read(workspace, "shards").rows()}
    (held,) = {row["contents_path"] for row in shards.values()}
    assert workspace.children("shards/contents") == [Path(held).name]
    found = pq.read_table(workspace.local(held)).to_pylist()
    assert [row["origin"] for row in found] == sorted(row["origin"] for row in found)
    assert len(found) == 12
    assert all(shards[row["path"]]["sha256"] == row["sha256"] for row in found)
    samples = {row["sample"]: row for row in found}
    clip = samples[digest_of("clip", "t1")]
    assert (clip["kind"], clip["split"], clip["origin"], clip["consent"]) == ("clip", "test", "vt1", "form 7")
    assert (samples["g0"]["kind"], samples["g0"]["origin"], samples["g0"]["consent"]) == ("pair", "va", "form 7")
    counted = distinct_origins(pq.read_table(workspace.local(held)))
    names = ["a", "b", "c", "d", "e", "f", "g", "t1", "t2"]
    assert dict(zip(counted["origin"].to_pylist(), counted["samples"].to_pylist(), strict=True)) == {
        "v" + name: 4 if name == "a" else 1 for name in names
    }


def test_shards_without_the_withdrawn_clip_keep_their_bytes(workspace: Workspace) -> None:
    run(workspace)
    withdrawn = digest_of("clip", "c")
    before = {row["path"]: row["sha256"] for row in read(workspace, "shards").rows()}
    held = pq.read_table(workspace.local(read(workspace, "shards").rows()[0]["contents_path"]))
    (touched,) = held.filter(pc.equal(held["sample"], withdrawn))["path"].to_pylist()
    publish_clips(workspace, ["a", "b", "d", "e", "f", "g", "t1", "t2"])
    run(workspace)
    after = {path: file_sha256(workspace.local(path)) for path in before if workspace.exists(path)}
    assert before.keys() - after.keys() == {touched}
    assert after.items() <= before.items()


def test_only_what_changed_is_hashed_again_and_everything_once_a_month(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(workspace)
    count = len(read(workspace, "shards").rows())
    assert verify_changed(workspace) == Verified(count, count)
    assert verify_changed(workspace) == Verified(count, 0)
    shard = workspace.local(read(workspace, "shards").rows()[0]["path"])
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"x")
    with pytest.raises(WorkError, match=shard.name):
        verify_changed(workspace)
    shard.write_bytes(whole)
    assert verify_changed(workspace) == Verified(count, 1)
    assert verify_changed(workspace) == Verified(count, 0)
    later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(verified, "_now", lambda: later)
    assert verify_changed(workspace) == Verified(count, count)

"""What is wrong with a run is said in a sentence, before its first step where it can be known."""

import io
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import toy_shards
from tiny_training import TINY, make_stream

from pipelines.errors import DataError, UsageError, WorkError
from pipelines.workspace import Workspace
from training import checkpoint, launch, loop, preflight
from training.config import Preset

Sample = dict[str, bytes]
PAIRS, CLIPS = "shards/pairs/train.tar", "shards/clips/train.tar"


def check(workspace: Workspace, workers: int = 1, preset: Preset = TINY) -> list[str]:
    return preflight.check(workspace, "train/run", preset, workers)


def run(workspace: Workspace, preset: Preset = TINY) -> None:
    loop.fit(loop.Job(workspace.url, "train/run", preset, 0, 1, False), loop.Alone())


@pytest.fixture
def data(workspace: Workspace) -> Workspace:
    toy_shards.write_toy_shards(workspace)
    return workspace


def test_nothing_is_wrong_with_good_shards(data: Workspace) -> None:
    check(data)
    check(data, workers=2)


def test_data_that_are_coarser_or_fewer_than_the_preset_wants(data: Workspace) -> None:
    assert check(data) == []
    large = replace(TINY, groups=5000, model=replace(TINY.model, size=4096, sketch=64))
    said = "\n".join(check(data, preset=large))
    assert re.search(r"^clips are \d+ px a side and the preset's pictures 4096", said, re.MULTILINE)
    assert re.search(r"^pairs are \d+ px a side and the preset's pictures 4096", said, re.MULTILINE)
    alone = replace(large, data=replace(large.data, pairs=1.0))
    assert not any(sentence.startswith("clips") for sentence in check(data, preset=alone))
    assert re.search(r"^\d+ groups of pairs are few for this preset, which is made for 5000", said, re.MULTILINE)


def test_workers_that_cannot_share_the_batches(data: Workspace) -> None:
    with pytest.raises(UsageError, match=r"^train: batch 4 of phase perception cannot be shared by 3 workers; choose"):
        check(data, workers=3)
    # The last phase has half the batch: it would have come out only there.
    with pytest.raises(UsageError, match=r"^train: batch 2 of phase clips cannot be shared by 4 workers; choose"):
        check(data, workers=4)


def test_fewer_samples_than_workers_are_enough(workspace: Workspace) -> None:
    toy_shards.write_toy_shards(workspace, pairs=1, clips=0)
    check(workspace, workers=2)
    assert [len(make_stream(workspace, TINY, rank, 4).batch(0).position) for rank in range(4)] == [1] * 4


def without_keypoints(sample: Sample) -> Sample:
    return {name: content for name, content in sample.items() if name != "keypoints.npy"}


def of_other_keypoints(sample: Sample) -> Sample:
    array = io.BytesIO()
    np.save(array, np.load(io.BytesIO(sample["keypoints.npy"]))[:, :70])
    return sample | {"keypoints.npy": array.getvalue()}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (without_keypoints, r"has no keypoints\.npy"),
        (of_other_keypoints, r"keypoints of shape \(12, 70, 3\) are not finite \(T, 88, 3\)"),
    ],
)
def test_shards_of_another_schema(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, change: Callable[[Sample], Sample], what: str
) -> None:
    whole = toy_shards.clip_sample
    monkeypatch.setattr(toy_shards, "clip_sample", lambda *given: change(whole(*given)))
    toy_shards.write_toy_shards(workspace)
    with pytest.raises(DataError, match=rf"^{CLIPS}: sample c\d is not readable \({what}\); make the shards again$"):
        check(workspace)


def test_a_shard_that_is_cut_off_or_gone(data: Workspace) -> None:
    shard = data.local(PAIRS)
    content = shard.read_bytes()
    shard.write_bytes(content[:-512])
    with pytest.raises(WorkError, match=rf"{PAIRS}: is not {len(content)} bytes long; delete the folder shards"):
        check(data)
    shard.unlink()
    with pytest.raises(WorkError, match=rf"{PAIRS}: is missing; run the stage that makes it again"):
        check(data)


def test_a_shard_with_changed_bytes_is_named_when_they_are_read(data: Workspace) -> None:
    shard = data.local(PAIRS)
    content = bytearray(shard.read_bytes())
    for place in range(1000, len(content), 5000):
        content[place] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(WorkError, match=rf"{PAIRS}: p\d\..* is damaged; delete the folder shards"):
        run(data)


def test_no_room_for_the_checkpoints(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run(data)
    folder = data.local_root / checkpoint.folder_of("train/run", TINY.steps)
    one = checkpoint.room(TINY)
    assert sum(file.stat().st_size for file in folder.iterdir()) == pytest.approx(one, rel=0.05)
    usage = namedtuple("usage", "total used free")
    for name, needed in (("run", 2 * one), ("another", 4 * one)):
        for free in (needed - 1, needed):
            monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, free))
            if free == needed:
                preflight.check(data, f"train/{name}", TINY, 1)
                continue
            sentence = f"train/{name}: the checkpoints need {needed:,} bytes and {free:,} are free; free some space"
            with pytest.raises(WorkError, match=sentence):
                preflight.check(data, f"train/{name}", TINY, 1)


def test_a_disk_that_fills_up_is_said_at_once(
    data: Workspace, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the checkpoint after, and without trying again."""

    def patience(_: float) -> None:
        raise AssertionError

    folder = mounted("size=1m")
    (data.local_root / "train").symlink_to(folder)
    monkeypatch.setattr(checkpoint.time, "sleep", patience)
    with pytest.raises(WorkError, match=r"weights-.*safetensors: the disk is full; free some space and run the same"):
        run(data)
    assert checkpoint.complete_steps(data, "train/run") == []


def test_a_background_failure_ends_the_run_before_the_next_checkpoint(
    data: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    pending: list[Future[None]] = []
    save = checkpoint.Saver.save

    def refuse(*_: object) -> str:
        raise WorkError("the disk is full")

    def note(self: checkpoint.Saver, *given: Any) -> None:
        save(self, *given)
        pending.extend([self._pending] if self._pending else [])

    def after(step: int, *_: object) -> None:
        steps.append(step)
        wait(pending)

    monkeypatch.setattr(checkpoint.Saver, "_publish", refuse)
    monkeypatch.setattr(checkpoint.Saver, "save", note)
    monkeypatch.setattr(loop, "_check", after)
    with pytest.raises(WorkError, match="the disk is full"):
        run(data, replace(TINY, save_every=4, validation=0))
    # The writer may fail before the next step asks, or during it.
    assert steps in ([0, 1, 2, 3], [0, 1, 2, 3, 4])


def test_a_folder_for_several_machines(data: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "connect", lambda *_: None)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}, {"Alive": True}, {"Alive": False}])
    with pytest.raises(UsageError, match=r"is a folder of one machine, and the cluster has 2; use a URL"):
        launch.launch(loop.Job(data.url, "train/run", TINY, 0, 1, False), 2, 0, "address")

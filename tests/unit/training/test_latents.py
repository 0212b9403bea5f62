"""Latents that were made once train as those that a step makes, and are made once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import TINY, make_stream, only
from tiny_wan import save_tiny_wan, wan_preset
from toy_shards import write_toy_shards

from pipelines.errors import WorkError
from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training import latents as latents_module
from training.config import Preset
from training.data import Plan, Stream
from training.history import read_history
from training.latents import Latents
from training.loop import Alone, Job, fit
from training.model.animator import Animator
from training.objective import Objective
from training.records import Records
from training.step import Learner, train_step
from training.windows import frames_from, references, starts

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_wan(tmp_path_factory.mktemp("wan"))


@pytest.fixture
def preset(pipeline: Path) -> Preset:
    return only(wan_preset(pipeline), latents=2, pairs=0.5)


@pytest.fixture
def data(workspace: Workspace) -> Workspace:
    write_toy_shards(workspace, pairs=2, clips=2)
    return workspace


def latents_of(workspace: Workspace, preset: Preset) -> Latents:
    return Latents(workspace, ShardIndex.load(workspace, "train").samples, preset, CPU)


def made(workspace: Workspace, preset: Preset) -> Latents:
    latents = latents_of(workspace, preset)
    latents.sweep(0, 1)
    latents.encode(Records(Reader(workspace), preset.model, 2**28), 0, 1)
    return latents


def files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.local_root / "train" / "latents").rglob("*.safetensors"))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards that were encoded."""
    found: list[str] = []
    encode: Callable[..., dict[str, torch.Tensor]] = Latents._encode

    def note(self: Latents, shard: str, *rest: object) -> dict[str, torch.Tensor]:
        found.append(shard)
        return encode(self, shard, *rest)

    monkeypatch.setattr(Latents, "_encode", note)
    return found


@pytest.mark.slow
def test_a_run_has_the_losses_of_one_that_encodes_in_the_step(
    data: Workspace, preset: Preset, encoded: list[str]
) -> None:
    fit(Job(data.url, "train/run", preset, 0, 1, False), Alone())
    rows = read_history(data, "train/run")
    assert encoded == ["shards/clips/train.tar", "shards/pairs/train.tar", "shards/pairs/validation.tar"]
    torch.manual_seed(0)
    animator = Animator(preset.model)
    objective, learner = Objective(animator, preset, 0), Learner.fresh(animator, preset)
    for row, (_, batch) in zip(rows, make_stream(data, preset).batches(range(preset.steps)), strict=True):
        assert batch.latents is None
        assert train_step(objective, learner, batch, preset)["loss"] == pytest.approx(row["loss"], rel=1e-5)
    assert {"flow", "validation_loss"} <= rows[-1].keys()
    # Another run finds them, whatever else it learns.
    encoded.clear()
    fit(Job(data.url, "train/other", replace(preset, weight_decay=0.0), 1, 1, False), Alone())
    assert encoded == []


def test_kept_latents_are_the_codecs(data: Workspace, preset: Preset) -> None:
    latents = made(data, preset)
    records = Records(Reader(data), preset.model, 2**28)
    plan = Plan(ShardIndex.load(data, "train"), preset, 0)
    codec = Animator(preset.model).codec
    kept = Stream(plan, records, preset, latents=latents)
    assert kept.batch(0).latents is None
    for step in (4, 8):
        batch = kept.batch(step)
        assert batch.latents is not None
        assert batch.reference_latents is not None
        assert batch.latents.dtype == torch.bfloat16
        # One more in a batch may round the last bit of bf16 the other way.
        pairs = ((batch.latents, batch.target), (batch.reference_latents, batch.reference[:, None]))
        for found, pixels in pairs:
            assert torch.allclose(found.float(), codec.encode(pixels / 127.5 - 1), rtol=2**-7, atol=1e-6)


def test_a_killed_run_goes_on_and_damaged_files_are_made_again(
    data: Workspace, preset: Preset, encoded: list[str]
) -> None:
    made(data, preset)
    whole = {path: path.read_bytes() for path in files(data)}
    assert len(encoded) == len(whole) == 2
    first, second = whole
    encoded.clear()
    first.unlink()
    made(data, preset)
    assert len(encoded) == 1
    second.write_bytes(whole[second][:-7])
    made(data, preset)
    assert len(encoded) == 2
    assert {path: path.read_bytes() for path in files(data)} == whole


def test_other_bits_are_refused_in_a_sentence(data: Workspace, preset: Preset) -> None:
    made(data, preset)
    for path in files(data):
        path.write_bytes(path.read_bytes()[:-400] + bytes(400))
    latents, refs = latents_of(data, preset), ShardIndex.load(data, "train").samples
    refused = []
    for ref in refs:
        for frame in references(ref, preset.data.latents).tolist():
            try:
                latents.get(ref, 0, frame, 1)
            except WorkError as error:
                refused.append(str(error))
    assert refused
    assert all("are damaged; delete the file and train again" in reason for reason in refused)
    for path in files(data):
        save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(WorkError, match="damaged"):
        latents_of(data, preset).get(refs[0], 0, 0, 1)


def test_files_are_shared_only_by_runs_that_would_make_the_same(
    data: Workspace, preset: Preset, tmp_path: Path
) -> None:
    def folder(one: Preset) -> str:
        return next(iter(latents_of(data, one)._paths.values()))

    known = {folder(preset), folder(only(preset, latents=3)), folder(only(preset, clip_stride=1))}
    other = save_tiny_wan(tmp_path / "other")
    config = replace(preset.model, pretrained=str(other))
    assert folder(replace(preset, model=config)) == folder(preset)
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights)
    assert folder(replace(preset, model=config)) not in known
    assert len(known) == 3
    with pytest.raises(WorkError, match="has no 'vae'"):
        folder(replace(preset, model=replace(config, pretrained=str(tmp_path))))


def test_a_worker_waits_for_the_files_of_others(
    data: Workspace, preset: Preset, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents_module, "_POLL", 0.01)
    records = Records(Reader(data), preset.model, 2**28)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(latents_of(data, preset).encode, records, 0, 2)
        deadline = time.monotonic() + 60
        while len(files(data)) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert not first.done()
        latents_of(data, preset).encode(records, 1, 2)
        first.result(60)
    assert sorted(encoded) == ["shards/clips/train.tar", "shards/pairs/train.tar"]


@pytest.mark.parametrize("few", [1, 2, 4, 50])
def test_few_windows_lie_evenly_over_a_sample(shards: Workspace, few: int) -> None:
    for ref in ShardIndex.load(shards, "train").samples:
        stored = int(ref.meta["frames"])
        moving = int(ref.meta["motion_frames"]) if ref.kind == "pair" else stored
        for count in (1, 3, 5, 40):
            every, some = starts(ref, 2, count, 0), starts(ref, 2, count, few)
            assert set(some) <= set(every)
            assert len(some) == min(few, len(every))
            assert some[0] == 0
            assert few == 1 or some[-1] == every[-1]
            assert frames_from(ref, 2, count, int(some[-1])).max() == moving - 1 or few == 1
        if ref.kind == "clip":
            assert stored - 1 in references(ref, few)
            assert len(references(ref, few)) == min(few, stored)
        else:
            assert references(ref, few).tolist() == [stored - 1] == [moving]
        for reference in references(ref, few).tolist():
            assert frames_from(ref, 2, 1, reference).tolist() == [reference]


def test_only_kept_windows_are_drawn_where_the_dit_is_trained(shards: Workspace, preset: Preset) -> None:
    plan = Plan(ShardIndex.load(shards, "train"), preset, 0)
    drawn = {phase.name: [plan.choose(phase, position) for position in range(200)] for phase in preset.phases}
    for phase in preset.phases:
        by_sample: dict[str, set[int]] = {}
        for choice in drawn[phase.name]:
            by_sample.setdefault(choice.ref.id, set()).add(int(choice.frames[0]))
        most = max(len(found) for found in by_sample.values())
        assert most <= 2 if phase.generate else most > 2
    assert all(choice.reference not in choice.frames for choice in drawn["frames"])


def test_latents_are_kept_of_pretrained_codecs_only() -> None:
    with pytest.raises(ValueError, match="name a pretrained model, or set latents to 0"):
        only(TINY, latents=4)
    with pytest.raises(ValueError, match="at least"):
        replace(TINY.data, latents=-1)

"""Steps, checkpoints and resuming to the same bits."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import make_stream

from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import Phase, Preset
from training.model.animator import Animator
from training.objective import Objective
from training.step import Learner, rate_at, train_step


def fresh(preset: Preset) -> tuple[Objective, Learner]:
    torch.manual_seed(0)
    animator = Animator(preset.model)
    return Objective(animator, preset, 0), Learner.fresh(animator, preset)


def save(workspace: Workspace, learner: Learner, value: float | None = None) -> str:
    saver = checkpoint.Saver(workspace, "run", rank=0, writers=1, keep=2)
    saver.save(learner, value)
    saver.wait()
    return checkpoint.folder_of("run", learner.step)


def train(shards: Workspace, preset: Preset, objective: Objective, learner: Learner, until: int) -> Iterator[float]:
    for step, batch in make_stream(shards, preset).batches(range(learner.step, preset.steps)):
        if step == until:
            return
        yield train_step(objective, learner, batch, preset)["loss"]


def test_a_resumed_run_has_the_same_losses_to_the_bit(shards: Workspace, workspace: Workspace, tiny: Preset) -> None:
    objective, learner = fresh(tiny)
    whole = list(train(shards, tiny, objective, learner, tiny.steps))
    first_objective, first = fresh(tiny)
    # In the middle of the second phase: the optimizer knows some weights and not others.
    head = list(train(shards, tiny, first_objective, first, 4))
    save(workspace, first)
    again_objective, again = fresh(tiny)
    checkpoint.load(workspace, "run", again, 4)
    assert again.step == 4
    tail = list(train(shards, tiny, again_objective, again, tiny.steps))
    assert head + tail == whole
    assert all(torch.equal(again.ema[name], mean) for name, mean in learner.ema.items())


def test_of_many_writers_one_stores_what_goes_before(workspace: Workspace, tiny: Preset) -> None:
    _, learner = fresh(tiny)
    stored = []
    for rank in (1, 0):  # rank 0 waits for the others
        saver = checkpoint.Saver(workspace, "run", rank=rank, writers=2, keep=2)
        saver.save(learner, before=lambda: stored.append(checkpoint.complete_steps(workspace, "run")))
        saver.wait()
    assert stored == [[]]
    assert checkpoint.complete_steps(workspace, "run") == [0]


def test_a_checkpoint_without_its_marker_does_not_exist(workspace: Workspace, tiny: Preset) -> None:
    _, learner = fresh(tiny)
    folder = save(workspace, learner)
    assert checkpoint.complete_steps(workspace, "run") == [0]
    workspace.remove(f"{folder}/complete.json")
    assert checkpoint.complete_steps(workspace, "run") == []


def test_the_last_two_checkpoints_are_kept(workspace: Workspace, tiny: Preset) -> None:
    _, learner = fresh(tiny)
    for learner.step in (2, 4, 6):
        save(workspace, learner)
    assert checkpoint.complete_steps(workspace, "run") == [4, 6]
    assert not workspace.exists("run/checkpoints/step-00000002/weights-00000-of-00001.safetensors")


@pytest.mark.parametrize("name", ["weights", "ema", "optimizer"])
def test_a_damaged_checkpoint_is_refused(workspace: Workspace, tiny: Preset, name: str) -> None:
    _, learner = fresh(tiny)
    folder = save(workspace, learner)
    path = workspace.local(f"{folder}/{name}-00000-of-00001.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00\x01")
    with pytest.raises(WorkError, match="another SHA-256"):
        checkpoint.load(workspace, "run", learner, 0)


def test_a_checkpoint_of_another_model_is_refused(workspace: Workspace, tiny: Preset) -> None:
    save(workspace, fresh(tiny)[1])
    other = fresh(replace(tiny, model=replace(tiny.model, dit_layers=2)))[1]
    with pytest.raises(WorkError, match="other weights"):
        checkpoint.load(workspace, "run", other, 0)


def test_a_checkpoint_of_other_shapes_is_refused(workspace: Workspace, tiny: Preset) -> None:
    save(workspace, fresh(tiny)[1])
    other = fresh(replace(tiny, model=replace(tiny.model, body_token=56)))[1]
    with pytest.raises(WorkError, match=r"step-00000000: cannot be used \(.* is \[.*\], not \[.*\]\); delete it"):
        checkpoint.load(workspace, "run", other, 0)


def test_a_checkpoint_that_lacks_a_file_is_refused(workspace: Workspace, tiny: Preset) -> None:
    _, learner = fresh(tiny)
    folder = save(workspace, learner)
    workspace.remove(f"{folder}/ema-00000-of-00001.safetensors")
    with pytest.raises(WorkError, match=r"step-00000000: cannot be used \(ema-.* is missing\); delete it and train"):
        checkpoint.load(workspace, "run", learner, 0)
    workspace.local(f"{folder}/complete.json").write_text("{")
    with pytest.raises(WorkError, match=r"complete.json: is damaged; delete its folder and train again"):
        checkpoint.best_step(workspace, "run")


def test_no_step_is_done_with_a_loss_that_is_not_finite(shards: Workspace, tiny: Preset) -> None:
    objective, learner = fresh(tiny)
    before = {name: p.clone() for name, p in learner.animator.named_parameters()}
    batch = make_stream(shards, tiny).batch(0)
    broken = replace(batch, points=torch.full_like(batch.points, torch.nan))
    with pytest.raises(FloatingPointError, match="step 0"):
        train_step(objective, learner, broken, tiny)
    assert all(torch.equal(p, before[name]) for name, p in learner.animator.named_parameters())


def test_the_ema_of_what_begins_to_learn_late_forgets_its_random_start(shards: Workspace, tiny: Preset) -> None:
    late = replace(tiny, phases=(replace(tiny.phases[0], steps=30), replace(tiny.phases[2], steps=2)))
    objective, learner = fresh(late)
    name = "reader.parts.1.weight"
    start = learner.ema[name].clone()
    learner.step = 29
    list(train(shards, late, objective, learner, 31))
    now = dict(learner.animator.named_parameters())[name].detach()
    assert torch.allclose(learner.ema[name], start.lerp(now, 0.9), atol=1e-7)


def test_the_ema_follows_the_weights_with_a_memory_that_grows(shards: Workspace, tiny: Preset) -> None:
    objective, learner = fresh(tiny)
    name, start = next((n, p.detach().clone()) for n, p in learner.animator.named_parameters())
    list(train(shards, tiny, objective, learner, 1))
    now = dict(learner.animator.named_parameters())[name]
    assert torch.allclose(learner.ema[name], start.lerp(now, 0.9), atol=1e-7)


def test_the_learning_rate_warms_up_and_decays() -> None:
    phase = Phase("p", 100, rate=1.0, warm=10, final=0.1)
    rates = [rate_at(phase, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_checkpoints_hold_plain_tensors_only(workspace: Workspace, tiny: Preset) -> None:
    folder = save(workspace, fresh(tiny)[1])
    names = workspace.children(folder)
    kinds = [f"{kind}-00000-of-00001.safetensors" for kind in ("ema", "optimizer", "weights")]
    assert names == ["complete.json", *kinds[:2], "rank-00000-of-00001.json", kinds[2]]
    about = json.loads(workspace.local(f"{folder}/complete.json").read_text())
    assert about["step"] == 0
    assert load_file(workspace.local(f"{folder}/ema-00000-of-00001.safetensors")).keys() == fresh(tiny)[1].ema.keys()

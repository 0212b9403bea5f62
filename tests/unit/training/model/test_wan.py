"""The pretrained path, on a Wan of random weights in the real layout."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import make_stream
from tiny_wan import VAES, save_tiny_wan, wan_model, wan_preset

from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training import checkpoint, start
from training.export import load_animator, write_model
from training.model.animator import Animator, shifted
from training.model.wan import MotionWan
from training.objective import Objective
from training.step import Learner, train_step
from training.variants import variant_of


@pytest.fixture(scope="module", params=VAES)
def factor(request: pytest.FixtureRequest) -> int:
    """Of Wan 2.1 and of Wan 2.2 5B."""
    return int(request.param)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, factor: int) -> Path:
    return save_tiny_wan(tmp_path_factory.mktemp("wan"), factor)


def inputs(dit: MotionWan, frames: int = 5) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    latents, channels = 1 + (frames - 1) // dit.stride, dit.transformer.config.in_channels
    return {
        "latents": torch.randn(2, channels, latents, 4, 4),
        "time": torch.tensor([0.3, 0.9]),
        "known": torch.zeros(2, latents),
        "guidance": torch.randn(2, dit.stride * 8, latents, 4, 4),
        "conditions": torch.randn(2, 2 * channels, latents, 4, 4),
        "face": torch.randn(2, frames, 8),
    }


@pytest.mark.parametrize("lora", [0, 4])
def test_at_first_it_is_the_pretrained_model(pipeline: Path, factor: int, lora: int) -> None:
    """Whatever it is told of the motion: all that is new starts at zero."""
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    dit = Animator(wan_model(pipeline, factor, lora)).dit
    assert isinstance(dit, MotionWan)
    given = inputs(dit)
    plain = WanTransformer3DModel.from_pretrained(pipeline, subfolder="transformer")
    with torch.no_grad():
        expected = plain(given["latents"], given["time"] * 1000, dit.prompt.expand(2, -1, -1), return_dict=False)[0]
        assert torch.allclose(dit(**given), expected, atol=1e-5)
        # A time per token, as diffusers gives them to Wan 2.2 5B: all equal, they are the sample's time.
        each = (given["time"] * 1000)[:, None].expand(-1, 2 * 2 * given["latents"].shape[2])
        expected = plain(given["latents"], each, dit.prompt.expand(2, -1, -1), return_dict=False)[0]
        assert torch.allclose(dit(**given), expected, atol=1e-5)


def test_what_is_told_enters_and_faces_stay_with_their_frames(pipeline: Path, factor: int) -> None:
    torch.manual_seed(0)
    dit = Animator(wan_model(pipeline, factor)).dit
    assert isinstance(dit, MotionWan)
    given = inputs(dit)
    with torch.no_grad():
        plain = dit(**given)
        dit.told.weight.normal_(0, 0.1)
        for name in ("guidance", "conditions"):
            assert not torch.allclose(dit(**given), dit(**{**given, name: given[name] + 1})), name
        assert not torch.allclose(dit(**given), dit(**{**given, "known": given["known"] + 1}))
        dit.told.weight.zero_()
        adapter = dit.adapters["5"]
        adapter.gate.fill_(1.0)
        face = given["face"].clone()
        face[:, 1:] += 1
        changed = dit(**{**given, "face": face}) - dit(**given)
    assert not torch.equal(plain, dit(**given))
    # The adapter behind the last block: frames 1 to 4 are the second latent frame's.
    assert changed[:, :, 0].abs().max() < 1e-5
    assert changed[:, :, 1].abs().max() > 1e-3


@pytest.mark.parametrize("lora", [pytest.param(0, marks=pytest.mark.slow), 4])
def test_it_trains_saves_resumes_exports_and_samples(
    pipeline: Path, factor: int, shards: Workspace, tmp_path: Path, lora: int
) -> None:
    preset = wan_preset(pipeline, factor, lora)
    workspace = Workspace(str(tmp_path))

    def learner() -> Learner:
        torch.manual_seed(0)
        return Learner.fresh(Animator(preset.model), preset)

    def run(one: Learner, until: int) -> list[float]:
        objective, stream = Objective(one.animator, preset, 0), make_stream(shards, preset)
        return [train_step(objective, one, stream.batch(one.step), preset)["loss"] for _ in range(until - one.step)]

    whole = run(learner(), preset.steps)
    first = learner()
    assert run(first, 4) == whole[:4]
    saver = checkpoint.Saver(workspace, "run", rank=0, writers=1, keep=2)
    saver.save(first)
    saver.wait()
    second = learner()
    checkpoint.load(workspace, "run", second, 4)
    assert run(second, preset.steps) == whole[4:]

    write_model(workspace, "export", preset.model, second.ema)
    start.take(workspace, str(tmp_path / "export"), preset.model, "start")
    saved = load_animator(tmp_path / "start")
    for name, parameter in second.animator.named_parameters():
        wanted = second.ema[name] if parameter.requires_grad else parameter
        assert torch.equal(dict(saved.named_parameters())[name], wanted), name
    size = (tmp_path / "export" / "model.safetensors").stat().st_size
    base = sum(p.numel() for n, p in saved.named_parameters() if n.startswith("dit.transformer") and "lora" not in n)
    assert ("lora_A" in " ".join(second.ema)) == bool(lora)
    if lora:
        assert not any(n.startswith("dit.transformer") and "lora" not in n for n in second.ema), size
    else:
        assert size > 4 * base
    batch = make_stream(shards, preset).batch(preset.steps - 1)
    tokens = saved.encode(batch.driver.plain())
    photo = saved.look_at(batch.reference / 127.5 - 1, batch.reference_keypoints)
    made = saved.generate(photo, tokens, generator=torch.Generator().manual_seed(0))
    assert made.shape == (len(batch.reference), 5, 3, 4 * factor, 4 * factor)
    assert made.isfinite().all()


def test_a_skeleton_tells_it_of_the_motion_too(pipeline: Path, factor: int, shards: Workspace) -> None:
    preset = variant_of(wan_preset(pipeline, factor), "skeleton")
    torch.manual_seed(0)
    learner = Learner.fresh(Animator(preset.model), preset)
    objective, stream = Objective(learner.animator, preset, 0), make_stream(shards, preset)
    for learner.step in (0, preset.steps - 1):
        batch = stream.batch(learner.step)
        assert train_step(objective, learner, batch, preset)["flow"] > 0
    assert objective.sample(batch).shape == batch.target.shape


def test_recomputing_activations_changes_nothing(pipeline: Path, factor: int) -> None:
    torch.manual_seed(0)
    dit = Animator(wan_model(pipeline, factor)).dit
    assert isinstance(dit, MotionWan)
    given = inputs(dit)

    def gradient() -> torch.Tensor:
        dit.zero_grad()
        dit(**given).square().mean().backward()
        grad = dit.transformer.blocks[0].attn1.to_q.weight.grad
        assert grad is not None
        return grad.clone()

    plain = gradient()
    dit.transformer.enable_gradient_checkpointing()
    assert torch.allclose(gradient(), plain, atol=1e-7)


def test_a_pipeline_that_does_not_fit_is_refused_in_a_sentence(pipeline: Path, factor: int, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"has no usable 'vae'.*Wan pipeline"):
        Animator(wan_model(tmp_path / "nowhere"))
    other = 24 - factor
    with pytest.raises(WorkError, match=f"not by codec_factor {other}; choose the preset"):
        Animator(wan_model(pipeline, other))
    for field, value in (("dit_layers", 5), ("dit_heads", 3), ("dit_patch", 1)):
        with pytest.raises(WorkError, match=r"choose the preset of this model"):
            Animator(replace(wan_model(pipeline, factor), **{field: value}))
    copy = Path(shutil.copytree(pipeline, tmp_path / "copy"))
    (copy / "empty_prompt.safetensors").unlink()
    with pytest.raises(WorkError, match=r"run `python -m training.model.pretrained"):
        Animator(wan_model(copy, factor))
    config = copy / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 9}))
    with pytest.raises(WorkError, match=r"'transformer'|text-to-video"):
        Animator(wan_model(copy, factor))


def test_shifted_times_keep_their_ends() -> None:
    time = torch.linspace(0, 1, 5)
    assert torch.equal(shifted(time, 1.0), time)
    moved = shifted(time, 3.0)
    assert moved[0] == 0
    assert moved[-1] == 1
    assert (moved[1:-1] > time[1:-1]).all()
    assert moved[2] == pytest.approx(0.75)

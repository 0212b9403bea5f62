"""What a dry run says must be what a run then is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import make_stream, only
from tiny_wan import save_tiny_wan, wan_preset
from torch.utils.flop_counter import FlopCounterMode

from pipelines.errors import UsageError
from pipelines.workspace import Workspace
from training.config import EngineConfig, Preset
from training.data import Stream
from training.estimate import DEVICES, describe, estimate, phase_costs
from training.inputs import to_float
from training.model.animator import Animator
from training.objective import Objective
from training.presets import PRESETS


def test_it_counts_what_a_real_step_does(tiny: Preset, stream: Stream) -> None:
    cost = estimate(tiny, 1, None, None)
    torch.manual_seed(0)
    animator = Animator(tiny.model)
    assert cost.parameters == cost.trained == sum(p.numel() for p in animator.parameters())
    found = []
    for step in (0, 1, 3, 6, 7):
        objective, phase = Objective(animator, tiny, 0), tiny.phase_at(step)[0]
        with FlopCounterMode(display=False) as counter:
            objective(stream.batch(step), phase).total.backward()
        found.append(counter.get_total_flops())
    assert cost.step_flops == pytest.approx(max(found), rel=0.1)
    wanted = sum(flops * phase.steps for flops, phase in zip(found, tiny.phases, strict=True))
    assert cost.run_flops == pytest.approx(wanted, rel=0.1)


def test_the_codec_is_not_in_the_step_where_latents_are_kept(shards: Workspace, tmp_path: Path) -> None:
    preset = wan_preset(save_tiny_wan(tmp_path))
    animator, phase = Animator(preset.model), preset.phases[-1]
    objective, batch = Objective(animator, preset, 0), make_stream(shards, preset).batch(preset.steps - 1)
    with FlopCounterMode(display=False) as codec:
        latents, still = (animator.codec.encode(to_float(x)) for x in (batch.target, batch.reference[:, None]))
    found = []
    for one in (batch, replace(batch, latents=latents.bfloat16(), reference_latents=still.bfloat16())):
        with FlopCounterMode(display=False) as counter:
            objective(one, phase)
        found.append(counter.get_total_flops())
    assert found[0] - found[1] == codec.get_total_flops()
    costs, fewer = phase_costs(preset), phase_costs(only(preset, latents=2))
    assert fewer["retargeting"] == costs["retargeting"]
    assert fewer["clips"].flops < costs["clips"].flops


def test_rows_and_recomputing_save_memory(tiny: Preset) -> None:
    plain = estimate(tiny, 2, None, None)
    saved = estimate(replace(tiny, engine=EngineConfig(shard=True, recompute=True)), 2, None, None)
    for name in ("weights", "gradients", "optimiser", "running means"):
        assert saved.memory[name] == plain.memory[name] / 2, name
    assert saved.memory["activations"] < plain.memory["activations"]
    assert saved.step_flops == pytest.approx(plain.step_flops * 4 / 3, rel=0.01)


@pytest.mark.slow
def test_no_weights_are_needed_for_the_largest() -> None:
    cost = estimate(PRESETS["wan-14b"], 32, "h100", 2.0)
    assert 14e9 < cost.parameters < 16e9
    assert cost.hours is not None
    assert cost.money == pytest.approx(cost.hours * 64)
    text = describe("wan-14b", cost, 32, "h100")
    assert "32 h100s" in text
    assert "GB per device" in text


def test_shapes_without_weights_are_those_of_the_public_models() -> None:
    """Billions of parameters of Wan2.1-T2V-1.3B and Wan2.2-TI2V-5B, and of their autoencoders."""
    for name, transformer, vae in (("wan-1.3b", 1.419, 0.127), ("wan-5b", 5.000, 0.705)):
        with torch.device("meta"):
            animator = Animator(PRESETS[name].model, weights=False)
        for module, billions in ((animator.dit.transformer, transformer), (animator.codec, vae)):
            assert sum(p.numel() for p in module.parameters()) / 1e9 == pytest.approx(billions, abs=0.0006), name


def test_too_little_memory_is_said() -> None:
    whole = replace(PRESETS["wan-1.3b"], engine=EngineConfig(precision="bf16", recompute=True))
    text = describe("wan-14b", estimate(whole, 8, "rtx4090", None), 8, "rtx4090")
    assert "more than the 24 GB of one" in text


def test_wrong_use_is_one_sentence(tiny: Preset) -> None:
    with pytest.raises(UsageError, match=r"device 'tpu'.*a100"):
        estimate(tiny, 1, "tpu", None)
    with pytest.raises(UsageError, match="cannot be shared by 3 workers"):
        estimate(tiny, 3, "h100", None)
    assert all(speed > 100 for speed, _ in DEVICES.values())

import json
from pathlib import Path

import pytest
import torch

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256
from training.config import ModelConfig, Phase, Preset, from_json, to_json
from training.export import load_animator, write_model
from training.model.animator import Animator
from training.presets import PRESETS
from training.step import trainable


def written(workspace: Workspace, preset: Preset) -> tuple[Path, Animator]:
    torch.manual_seed(0)
    animator = Animator(preset.model)
    sha256 = write_model(workspace, "m", preset.model, trainable(animator))
    folder = workspace.local("m/config.json").parent
    assert sha256 == file_sha256(folder / "model.safetensors")
    return folder, animator


def test_a_model_comes_back_as_it_was(workspace: Workspace, tiny: Preset) -> None:
    folder, animator = written(workspace, tiny)
    loaded = load_animator(folder)
    assert loaded.config == tiny.model
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in animator.state_dict().items())


def test_what_is_no_model_is_refused(workspace: Workspace, tiny: Preset, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="is not a model"):
        load_animator(tmp_path)
    folder, _ = written(workspace, tiny)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"retarget_layers": 2}))
    with pytest.raises(WorkError, match="other weights"):
        load_animator(folder)
    (folder / "config.json").write_text(json.dumps(config | {"patch": 7}))
    with pytest.raises(WorkError, match="sight 32 is not a multiple of 7"):
        load_animator(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WorkError, match="is not a model"):
        load_animator(folder)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json_and_can_be_built(name: str) -> None:
    preset = PRESETS[name]
    assert from_json(Preset, json.loads(json.dumps(to_json(preset)))) == preset
    with torch.device("meta"):
        assert sum(p.numel() for p in Animator(preset.model, weights=False).parameters()) > 0
    assert preset.phase_at(0)[0] is preset.phases[0]
    assert preset.phase_at(preset.steps - 1)[0] is preset.phases[-1]
    with pytest.raises(ValueError, match="no such step"):
        preset.phase_at(preset.steps)


def test_impossible_models_are_refused() -> None:
    wan = {
        "pretrained": "folder",
        "blend_width": 0,
        "size": 480,
        "sight": 480,
        "sketch": 480,
        "body_size": 256,
        "patch": 16,
        "heatmap_size": 60,
    }
    for wrong, sentence in (
        ({"prediction": "noise"}, "must be x or velocity"),
        ({"pretrained": "folder"}, "set blend_width so"),
        ({"blend_width": 0}, "set blend_width so"),
        (wan | {"sketch": 240}, "set sketch 240 to size, 480"),
        ({"lora": 4}, "set lora to 0"),
        ({"sight": 60}, "sight 60 is not a multiple of 8"),
        ({"sketch": 60}, "sketch 60 is not a multiple of 8"),
        ({"window": 2, "history": 2}, "history 2 must be less than window 2"),
        ({"heatmap_size": 12}, "heatmap_size 12 is not a multiple of sight / patch, 16"),
        (
            wan | {"size": 240, "sketch": 240, "codec_factor": 16, "dit_patch": 2},
            "sketch 240 is not a multiple of 32",
        ),
        (wan | {"codec_factor": 4}, "codec_factor is 4; pretrained models have 8 .* or 16"),
        (wan | {"window": 16}, r"window 16: the codec takes 1 \+ a multiple of 4 frames"),
        (wan | {"window": 9, "history": 2}, r"history 2: the codec takes 1 \+ a multiple of 4"),
    ):
        with pytest.raises(ValueError, match=sentence):
            ModelConfig(**wrong)  # type: ignore[arg-type]
    model = ModelConfig(**wan)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="phase clips: frames 3: the codec takes 1"):
        Preset(model, (Phase("clips", 1, frames=3),))

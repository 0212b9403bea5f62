"""The named presets. They count steps, never seconds, so that a preset gives the same model on any machine."""

from training.config import ModelConfig, Phase, Preset

PRESETS = {
    # About 90 s of training on two cores: enough to see every part learn, not enough to look good.
    "smoke": Preset(
        ModelConfig(),
        (
            Phase("warm-up", 120, generate=False, final=0.5),
            Phase("frames", 160),
            Phase("clips", 20, batch=4, frames=3, history=1, rate=3e-4),
        ),
    ),
    "demo": Preset(
        ModelConfig(),
        (
            Phase("warm-up", 400, generate=False, final=0.5),
            Phase("frames", 2000),
            Phase("clips", 200, batch=4, frames=4, history=1, rate=3e-4),
        ),
        ema=0.995,
        save_every=200,
    ),
}

"""The named presets. They count steps, never seconds, so that a preset gives the same model on any machine."""

from training.config import ModelConfig, Phase, Preset

_TINY = ModelConfig(
    body_token=16,
    hand_token=8,
    face_token=8,
    encoder_width=8,
    retarget_width=32,
    retarget_layers=1,
    retarget_heads=2,
    guidance=8,
    dit_width=32,
    dit_layers=1,
    dit_heads=2,
    refine=4,
)

PRESETS = {
    # Seconds: every part and every phase of the code, for tests. It learns nothing worth having.
    "tiny": Preset(
        _TINY,
        (
            Phase("warm-up", 6, batch=4, generate=False),
            Phase("frames", 8, batch=4),
            Phase("clips", 4, batch=2, frames=2, history=1, rate=3e-4),
        ),
        save_every=4,
    ),
    # A minute or two on two idle cores: enough to see every part learn, not enough to look good.
    "smoke": Preset(
        ModelConfig(),
        (
            Phase("warm-up", 100, generate=False, rate=2e-3, final=0.5),
            Phase("frames", 180, rate=2e-3),
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

"""The named presets. They count steps, never seconds, so that a preset gives the same model on any machine."""

from training.config import ModelConfig, Phase, Preset

PRESETS = {
    # Seconds: every part and every phase of the code, for tests. It learns nothing worth having.
    "tiny": Preset(
        ModelConfig(
            size=32,
            body_size=32,
            part_size=16,
            body_token=16,
            hand_token=8,
            face_token=8,
            face_tokens=2,
            encoder_width=8,
            retarget_width=32,
            retarget_layers=1,
            retarget_heads=2,
            guidance=8,
            heatmap_size=16,
            normal_size=8,
            dit_width=32,
            dit_layers=1,
            dit_heads=2,
            refine=8,
        ),
        (
            Phase("warm-up", 3, batch=4, generate=False),
            Phase("frames", 3, batch=4),
            Phase("clips", 2, batch=2, frames=3, history=1),
        ),
        save_every=2,
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

"""The named presets. They count steps, never seconds, so that a preset gives the same model on any machine."""

from dataclasses import replace

from training.config import DataConfig, EngineConfig, LossConfig, ModelConfig, Phase, Preset

# Everything but the size of the pretrained transformer, whose own presets follow from it.
_WAN = ModelConfig(
    size=480,
    sight=480,
    sketch=480,
    body_size=256,
    part_size=128,
    body_token=512,
    hand_token=256,
    face_token=512,
    face_tokens=32,
    encoder_width=64,
    patch=16,
    retarget_width=512,
    retarget_layers=8,
    retarget_heads=8,
    heatmap_size=120,
    normal_size=64,
    pretrained="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    dit_patch=2,
    dit_width=1536,
    dit_layers=30,
    dit_heads=12,
    dit_ffn=8960,
    prediction="velocity",
    blend_width=0,
    window=17,
    history=1,
    steps=30,
    shift=3.0,
)
_WAN_PRESET = Preset(
    _WAN,
    (
        Phase("perception", 4000, batch=64, learn="perception", rate=1e-4, warm=500, final=0.3),
        Phase("placing", 4000, batch=256, learn="placing", final=0.02),
        Phase("retargeting", 2000, batch=64, learn="retargeting", rate=1e-4, warm=200, final=0.5),
        Phase("frames", 20000, batch=64, rate=2e-5, warm=1000),
        Phase("clips", 15000, batch=32, frames=17, history=1, rate=1e-5, warm=500),
    ),
    loss=LossConfig(pure_noise=0.0, foreground=0.4),
    data=DataConfig(cache_mb=8192, threads=8, latents=4),
    engine=EngineConfig(precision="bf16", recompute=True, shard=True, keep=3),
    ema=0.999,
    save_every=500,
    groups=10_000,
)

# Short runs have no time to unlearn what strong augmentation hides.
_MILD = DataConfig(augment=0.5)

PRESETS = {
    # Seconds: every part and every phase of the code, for tests. It learns nothing worth having.
    "tiny": Preset(
        ModelConfig(
            size=32,
            sight=32,
            body_size=32,
            part_size=16,
            layout=32,
            sketch=16,
            body_token=64,
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
            dit_ffn=128,
            layout_width=8,
            blend_width=8,
        ),
        (
            Phase("perception", 1, batch=4, learn="perception"),
            Phase("retargeting", 2, batch=4, learn="retargeting"),
            Phase("frames", 3, batch=4),
            Phase("placing", 1, batch=4, learn="placing"),
            Phase("clips", 1, batch=2, frames=3, history=1),
        ),
        loss=LossConfig(look=0.0),
        save_every=2,
    ),
    # Three minutes on two cores, and small steps: it goes on from `starter` (params.yaml), and every part learns a
    # little from the data at hand. From random weights it gives nothing worth looking at.
    "smoke": Preset(
        ModelConfig(),
        (
            Phase("perception", 20, learn="perception", rate=1e-4, final=0.1),
            Phase("frames", 24, rate=1e-4, final=0.1),
            Phase("clips", 2, batch=4, frames=3, history=1, rate=1e-4),
        ),
        data=replace(_MILD, pairs=0.9),
        groups=100,
    ),
    # Half an hour on two cores, with some 500 groups of pairs or more.
    "demo": Preset(
        ModelConfig(),
        (
            Phase("perception", 500, learn="perception", final=1.0),
            Phase("placing", 1000, batch=256, learn="placing", final=0.02),
            Phase("frames", 300, final=0.03),
            Phase("clips", 20, batch=4, frames=3, history=1, rate=1e-4),
        ),
        data=replace(_MILD, cache_mb=4096),
        ema=0.995,
        save_every=200,
        groups=500,
    ),
    # An hour and a half of one core, with 1,500 groups of pairs: a round. The next goes on from what this one has made.
    "starter": Preset(
        ModelConfig(),
        (
            Phase("perception", 400, learn="perception", rate=8e-4, final=0.6),
            Phase("placing", 4000, batch=256, learn="placing", final=0.02),
            Phase("pictures", 500, learn="pictures", final=0.3),
            Phase("frames", 300, rate=5e-4, final=0.03),
            Phase("clips", 16, batch=4, frames=3, history=1, rate=1e-4),
        ),
        # The few clips of the starter corpus are not sharp enough to teach pictures.
        data=replace(_MILD, cache_mb=3072, pairs=1.0),
        ema=0.995,
        save_every=100,
        groups=1500,
    ),
    # One GPU of 80 to 141 GB: the smallest Wan, whole.
    "gpu-1": replace(
        _WAN_PRESET,
        model=replace(_WAN, size=256, sight=256, sketch=256, heatmap_size=64),
        engine=replace(_WAN_PRESET.engine, shard=False, accumulate=4),
    ),
    # Eight GPUs and more.
    "wan-1.3b": _WAN_PRESET,
    # Its autoencoder shrinks twice as much as the others': a quarter of the tokens.
    "wan-5b": replace(
        _WAN_PRESET,
        model=replace(
            _WAN,
            codec_factor=16,
            pretrained="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
            dit_width=3072,
            dit_layers=30,
            dit_heads=24,
            dit_ffn=14336,
        ),
    ),
    "wan-14b": replace(
        _WAN_PRESET,
        model=replace(
            _WAN,
            pretrained="Wan-AI/Wan2.1-T2V-14B-Diffusers",
            dit_width=5120,
            dit_layers=40,
            dit_heads=40,
            dit_ffn=13824,
        ),
    ),
}

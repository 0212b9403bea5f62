"""A network and a curriculum small enough for tests."""

from dataclasses import replace

from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training.config import ModelConfig, Phase, Preset
from training.data import Plan, Stream
from training.records import Records

TINY = Preset(
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
)


def make_stream(workspace: Workspace, preset: Preset, rank: int = 0, world: int = 1, seed: int = 0) -> Stream:
    plan = Plan(ShardIndex.load(workspace, "train"), preset, seed)
    records = Records(Reader(workspace), preset.model, 2**28)
    return Stream(plan, records, preset, rank, world)


def only(preset: Preset, **kinds: float) -> Preset:
    """The preset with another share of pairs."""
    return replace(preset, data=replace(preset.data, **kinds))

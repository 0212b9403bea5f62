"""A network and a curriculum small enough for tests."""

from dataclasses import replace

from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training.config import Preset
from training.data import Plan, Stream
from training.presets import PRESETS
from training.records import Records

TINY = PRESETS["tiny"]


def make_stream(workspace: Workspace, preset: Preset, rank: int = 0, world: int = 1, seed: int = 0) -> Stream:
    plan = Plan(ShardIndex.load(workspace, "train"), preset, seed)
    records = Records(Reader(workspace), preset.model, 2**28)
    return Stream(plan, records, preset, rank, world)


def only(preset: Preset, **kinds: float) -> Preset:
    """The preset with another share of pairs."""
    return replace(preset, data=replace(preset.data, **kinds))

"""Shards of rendered groups, as the pairs stage writes them, for suites that read them."""

from pipelines import manifest
from pipelines.shards.index import write_index
from pipelines.shards.stage import STAGE
from pipelines.shards.write import write_shard
from pipelines.synthesis.groups import Recipe, render_group
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.sample import members
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.workspace import Workspace


def write_groups(workspace: Workspace, count: int) -> None:
    """Groups of three identities and four frames at 128 px, and the manifest of their shard."""
    studio, (engine, _) = Studio.open(256), choose_engine()
    recipe = Recipe(3, 4, 2.0, 128)
    groups = (render_group(studio, engine, 0, "train", index, recipe) for index in range(count))
    record = write_shard(workspace, "pairs/shards/train.tar", ((group.id, dict(members(group))) for group in groups))
    row = {"id": record.path, "status": "kept", "kind": "pair", "split": "train", "path": record.path}
    row |= {"sha256": record.sha256, "bytes": record.bytes, "samples": record.samples}
    row["index_path"] = write_index(workspace, record)
    manifest.write(workspace, "shards", manifest.build([row], STAGE.schema), "bench", 0)

"""Shards of rendered groups, as the pairs stage writes them, for suites that read them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from infra.bench.workers import EndedError, Worker
from pipelines import manifest
from pipelines.shards.index import write_index
from pipelines.shards.stage import STAGE
from pipelines.shards.write import write_shard
from pipelines.synthesis.groups import Recipe, render_group
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.sample import members
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.workspace import Workspace

_PER_SHARD, _PROCESSES = 16, 2
_RECIPE = Recipe(3, 4, 1.5, 256)


def write_groups(workspace: Workspace, counts: Mapping[str, int]) -> None:
    """Groups of three identities, three frames and a photo at 256 px, so many of each split, and their manifest."""
    jobs = [
        (split, first, min(first + _PER_SHARD, count))
        for split, count in counts.items()
        for first in range(0, count, _PER_SHARD)
    ]
    rows: list[Any] = []
    with ExitStack() as stack:

        def fresh() -> Worker:
            return stack.enter_context(Worker(partial(_make, workspace.url)))

        workers = [fresh() for _ in range(_PROCESSES)]
        for some in (jobs[first : first + _PROCESSES] for first in range(0, len(jobs), _PROCESSES)):
            for worker, job in zip(workers, some, strict=False):
                worker.start(*job)
            for number, job in enumerate(some):
                try:
                    rows.append(workers[number].wait())
                except EndedError:
                    # Native code may crash; the stage `pairs` replaces dead workers, too.
                    workers[number] = fresh()
                    rows.append(workers[number].ask(*job))
    manifest.write(workspace, "shards", manifest.build(rows, STAGE.schema), "bench", 0)


def _make(url: str) -> Callable[[str, int, int], dict[str, Any]]:
    studio, (engine, _) = Studio.open(256), choose_engine()
    workspace = Workspace(url)

    def write(split: str, first: int, last: int) -> dict[str, Any]:
        groups = (render_group(studio, engine, 0, split, index, _RECIPE) for index in range(first, last))
        path = f"pairs/shards/{split}-{first:05d}.tar"
        record = write_shard(workspace, path, ((group.id, dict(members(group))) for group in groups))
        row = {"id": record.path, "status": "kept", "kind": "pair", "split": split, "path": record.path}
        row |= {"sha256": record.sha256, "bytes": record.bytes, "samples": record.samples}
        return row | {"index_path": write_index(workspace, record)}

    return write

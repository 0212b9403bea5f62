"""Which models saw a video, and which videos a model saw: from the table of contents that each training kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.errors import UsageError
from pipelines.lineage import held_in, listed_as, origins, shards_of, trace, video
from pipelines.shards.contents import NAME
from pipelines.tree import Node
from pipelines.withdrawals import withdrawn
from pipelines.workspace import Workspace
from training import tracking
from training.tracking import Version


@dataclass(frozen=True)
class Training:
    """A training of this workspace. fingerprint: of its stage. contents: what it saw; None where it kept no table.

    versions: the models that came of it.
    """

    fingerprint: str
    contents: Path | None
    versions: tuple[Version, ...]

    def node(self, facts: dict[str, Any], below: tuple[Node, ...] = ()) -> tuple[Node, ...]:
        """One node per version, or one for a training without any."""
        if not self.versions:
            return (Node("training", self.fingerprint, {"model": "none registered", **facts}, below),)
        return tuple(
            Node("model", version.uri, {"aliases": list(version.aliases), "run": version.run_id, **facts}, below)
            for version in self.versions
        )


def trainings(workspace: Workspace) -> list[Training]:
    """All trainings that left a folder or a model."""
    by_fingerprint: dict[str, list[Version]] = {}
    for version in tracking.versions(workspace):
        by_fingerprint.setdefault(version.training, []).append(version)
    kept = {
        name: workspace.local(f"train/{name}/{NAME}")
        for name in workspace.children("train")
        if workspace.exists(f"train/{name}/{NAME}")
    }
    names = sorted(by_fingerprint.keys() | kept.keys())
    return [Training(name, kept.get(name), tuple(by_fingerprint.get(name, ()))) for name in names]


def lineage(workspace: Workspace, name: str) -> Node:
    """What a name has to do with everything else: forward to models, backward to videos.

    name: id of a video, clip or pair group, path of a shard, URL as listed, version of a model, id of an MLflow run.
    Raises: UsageError for what is not known.
    """
    known = trainings(workspace)
    for training in known:
        asked = tuple(v for v in training.versions if v.answers_to(name))
        if asked or training.fingerprint == name:
            return _seen_by(workspace, Training(training.fingerprint, training.contents, asked))
    found = trace(workspace, name) or _gone(known, name)
    if found is None and (ids := listed_as(workspace, name)):
        return lineage_of_video(workspace, ids[0])
    if found is None:
        raise UsageError(
            f"{name}: is not known here; give the id of a video, clip or pair group, the path of a shard, a version "
            "of the model (models:/x-unimotion/3) or the id of its run"
        )
    node, column = found
    return Node(node.kind, node.id, node.facts, (*node.below, models_that_saw(known, column, name)))


def lineage_of_video(workspace: Workspace, name: str) -> Node:
    """name: id of a video, known or not."""
    node = video(workspace, name)
    saw = models_that_saw(trainings(workspace), "origin", name)
    return Node(node.kind, node.id, node.facts, (*node.below, saw))


def models_that_saw(known: list[Training], column: str, name: str) -> Node:
    """The models whose training held something, and those of which nobody can tell."""
    below: list[Node] = []
    for training in known:
        if training.contents is None:
            below += training.node({"saw it": "not known, it kept no table of contents"})
        elif len(rows := held_in(training.contents, column, name)):
            columns = {"samples": "sample", "shards": "path"}
            below += training.node({key: pc.count_distinct(rows[column]).as_py() for key, column in columns.items()})
    return Node("models that saw it", "", {"count": len(below)}, tuple(below))


def _gone(known: list[Training], name: str) -> tuple[Node, str] | None:
    """What is in the data no more, but was when a model was trained."""
    for column, kind in (("origin", "video"), ("sample", "sample"), ("path", "shard")):
        if any(training.contents and len(held_in(training.contents, column, name)) for training in known):
            return Node(kind, name, {"now": "no longer in the data"}), column
    return None


def _seen_by(workspace: Workspace, training: Training) -> Node:
    if training.contents is None:
        below = (Node("made from", "", {"not known": "it kept no table of contents"}),)
        return training.node({}, below)[0]
    rows: pa.Table = pq.read_table(training.contents)
    gone = pa.array(sorted(withdrawn(workspace)), pa.string())
    since = pc.count_distinct(rows.filter(pc.is_in(rows["origin"], gone))["origin"]).as_py()
    return training.node(
        {"training": training.fingerprint, "withdrawn since": since}, (origins(rows), shards_of(rows))
    )[0]

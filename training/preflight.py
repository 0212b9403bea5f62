"""What can be known to be wrong with a run before its first step, said before anything is started."""

import shutil

from pipelines.errors import WorkError
from pipelines.shards.read import Reader, ShardIndex, check_lengths
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import Preset
from training.records import Records


def check(workspace: Workspace, run: str, preset: Preset, workers: int) -> list[str]:
    """What there is to say of the data before it is trained on: a sentence for each thing that it lacks.

    workers: processes, 0 for this one alone.
    Raises: UsageError for workers that cannot share the batches, DataError for samples of another schema, WorkError
    for shards that are cut off and for a disk without room for the checkpoints.
    """
    for phase in preset.phases:
        preset.share(phase, max(1, workers))
    indices = [ShardIndex.load(workspace, split) for split in ("train", "validation")]
    for index in indices:
        _check_shards(workspace, index, preset)
    # An object store tells nobody how much room it has, and its shards are fetched only when they are needed.
    if workspace.is_local:
        _check_room(workspace, run, preset)
    return _lacks(workspace, indices[0], preset)


def _lacks(workspace: Workspace, index: ShardIndex, preset: Preset) -> list[str]:
    """Data that are coarser than the preset's pictures, or fewer than it was made for."""
    sentences = []
    records = Records(Reader(workspace), preset.model, 0)
    groups = sum(ref.kind == "pair" for ref in index.samples)
    learned = {ref.kind: ref for ref in index.samples}
    if groups and preset.data.pairs >= 1:
        learned.pop("clip", None)
    for kind, ref in learned.items():
        side = records.stored_side(ref)
        if side < preset.model.size:
            sentences.append(
                f"{kind}s are {side} px a side and the preset's pictures {preset.model.size}: they are enlarged, and "
                f"nothing sharper can be learned; set `size` of `{kind}s` to {preset.model.size} in params.yaml"
            )
    if 0 < groups < preset.groups:
        sentences.append(
            f"{groups} groups of pairs are few for this preset, which is made for {preset.groups} and more: it will "
            "know them by heart; raise `train_groups` of `pairs` in params.yaml"
        )
    return sentences


def _check_shards(workspace: Workspace, index: ShardIndex, preset: Preset) -> None:
    """Lengths of all, and one sample of each kind: the same code has made the others."""
    if workspace.is_local:
        check_lengths(index, workspace)
    records = Records(Reader(workspace), preset.model, 0)
    for ref in {ref.kind: ref for ref in index.samples}.values():
        records.get(ref, 0, [0])


def _check_room(workspace: Workspace, run: str, preset: Preset) -> None:
    """The last checkpoints, the best one and the next must find room beside each other."""
    missing = preset.engine.keep + 2 - len(checkpoint.complete_steps(workspace, run))
    needed, free = missing * checkpoint.room(preset), shutil.disk_usage(workspace.local_root).free
    if free < needed:
        raise WorkError(
            f"{workspace.local_root / run}: the checkpoints need {needed:,} bytes and {free:,} are free; free some "
            "space or choose another --workspace"
        )

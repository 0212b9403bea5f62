"""Which clips are for training, validation and test: by a hash of one of the videos that may not be separated."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.manifest import Row, Status, schema_of
from pipelines.stage import Context, Stage

# Part of every decision: changing it would move held-out videos into training.
_SALT = "unimotion-split-1"


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the source videos; what `validation` and `test` leave is for training."""

    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ValueError("validation and test must be shares that leave something for training")


def split_of(video_id: str, config: SplitConfig) -> str:
    """The split of a video that is alone, from its id."""
    place, _ = _draws(video_id)
    if place < config.test:
        return "test"
    return "validation" if place < config.test + config.validation else "train"


def representative(video_ids: Iterable[str]) -> str:
    """The video whose split a group of videos has: one drawn by hash, in which its split has no part.

    So a group is held out as often as a single video, however large it is, and its split changes only where a video
    joins or leaves that is the one drawn: one among as many as there are.
    """
    return min(video_ids, key=lambda video: (_draws(video)[1], video))


def _draws(video_id: str) -> tuple[float, float]:
    """Two independent numbers in [0, 1)."""
    digest = hashlib.sha256(f"{_SALT}/{video_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:16]) / 2**64


def _run(context: Context) -> list[Row]:
    config: Any = context.config
    agreed, carried = context.agree("coverage", ("identities", "id"))
    used = set(agreed["id"].to_pylist())
    clips = context.inputs["identities"].rows()
    members: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        members[clip["group"]].add(clip["video_id"])
    splits = {group: split_of(representative(videos), config) for group, videos in members.items()}
    rows = [
        {
            "id": clip["id"],
            "parent_id": clip["id"],
            "status": Status.KEPT,
            "video_id": clip["video_id"],
            "identity": clip["identity"],
            "split": splits[clip["group"]],
        }
        for clip in clips
        if clip["id"] in used
    ]
    return rows + carried


STAGE = Stage(
    name="split",
    config=SplitConfig,
    schema=schema_of(video_id=pa.string(), identity=pa.string(), split=pa.string()),
    run=_run,
    needs=("coverage", "identities"),
    version=3,
    covers="coverage",
)

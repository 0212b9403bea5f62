"""Decide once and for ever which clips are for training, validation and test: by a hash of their source video."""

import hashlib
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
    """The split of a video, from its id alone, so that no other video can move it."""
    digest = hashlib.sha256(f"{_SALT}/{video_id}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    if place < config.test:
        return "test"
    return "validation" if place < config.test + config.validation else "train"


def _run(context: Context) -> list[Row]:
    config: Any = context.config
    return [
        {
            "id": clip["id"],
            "parent_id": clip["id"],
            "status": Status.KEPT,
            "video_id": clip["video_id"],
            "split": split_of(clip["video_id"], config),
        }
        for clip in context.inputs["duplicates"].rows()
    ]


STAGE = Stage(
    name="split",
    config=SplitConfig,
    schema=schema_of(video_id=pa.string(), split=pa.string()),
    run=_run,
    needs=("duplicates",),
    covers="duplicates",
)

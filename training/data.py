"""The stream of training batches: what is in batch b of step s follows from the seed alone.

It depends neither on the number of workers nor on where a run was cut off; each worker takes its slice of the batch.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.shards.read import SampleRef, ShardIndex, order
from training.config import Phase, Preset
from training.inputs import Driver
from training.records import Record, Records

_AHEAD = 3  # batches that are prepared while the model works
_HISTORY_SHARE = 0.5
_cached_order = lru_cache(maxsize=8)(order)


@dataclass(frozen=True)
class Batch:
    """B samples of T frames, uint8 images.

    position (B,): the sample's number in the whole run, the seed of all its randomness. reference (B, 3, S, S)
    with its keypoints (B, 88, 3).
    target (B, T, 3, S, S). mask (B, T, S, S): the target's person, zero where not known. keypoints (B, T, 88, 3): of
    the target. points (B, T, 88, 3): of the driver, in its crops. normals (B, T, 2, 4, N, N), hand_boxes (B, T, 2, 4):
    of the target. known (B, T): 1 for a history frame that is given clean.
    """

    position: Tensor
    driver: Driver
    reference: Tensor
    reference_keypoints: Tensor
    target: Tensor
    mask: Tensor
    keypoints: Tensor
    points: Tensor
    normals: Tensor
    hand_boxes: Tensor
    known: Tensor

    def to(self, device: torch.device) -> "Batch":
        return self._each(lambda value: value.to(device))

    def parts(self, count: int) -> list["Batch"]:
        """The samples in so many equal parts, in order."""
        size = len(self.position) // count
        return [self._each(itemgetter(slice(i * size, (i + 1) * size))) for i in range(count)]

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        driver = values.pop("driver").each(change)
        return Batch(driver=driver, **{name: change(value) for name, value in values.items()})


@dataclass(frozen=True)
class Choice:
    """What a sample is made of: which frames of which identity drive, and which reference image they animate."""

    ref: SampleRef
    driver: int
    target: int
    frames: NDArray[np.int64]
    reference: int
    history: int


class Plan:
    """Chooses the samples of every step."""

    def __init__(self, index: ShardIndex, preset: Preset, seed: int) -> None:
        self._pairs = [ref for ref in index.samples if ref.kind == "pair"]
        self._clips = [ref for ref in index.samples if ref.kind == "clip"]
        if not index.samples:
            raise WorkError("the shards have no training samples; add videos or pairs and run the earlier stages")
        self._preset, self._seed = preset, seed
        share = preset.data.pairs if self._clips else 1.0
        self._share = share if self._pairs else 0.0

    def positions(self, step: int, rank: int, world: int) -> tuple[Phase, range]:
        """The phase of a step and the numbers of the samples that a worker takes of its batch.

        Raises: UsageError for a batch that the workers cannot share equally.
        """
        phase, within = self._preset.phase_at(step)
        part = self._preset.share(phase, world)
        before = 0
        for earlier in self._preset.phases:
            if earlier is phase:
                break
            before += earlier.steps * earlier.batch
        first = before + within * phase.batch + rank * part
        return phase, range(first, first + part)

    def describe(self, step: int, rank: int, world: int) -> list[dict[str, str | int]]:
        """Which samples a worker takes of a step's batch, for people."""
        phase, positions = self.positions(step, rank, world)
        choices = [(position, self.choose(phase, position)) for position in positions]
        return [
            {"position": position, "id": c.ref.id, "shard": c.ref.shard, "driver": c.driver, "target": c.target}
            for position, c in choices
        ]

    def choose(self, phase: Phase, position: int) -> Choice:
        """Pairs and clips interleave in their set ratio; each kind is gone through in a new order every epoch."""
        pairs_before, pairs_after = int(position * self._share), int((position + 1) * self._share)
        is_pair = pairs_after > pairs_before
        refs, count = (self._pairs, pairs_before) if is_pair else (self._clips, position - pairs_before)
        epoch, place = divmod(count, len(refs))
        ref = refs[int(_cached_order(self._seed, epoch, len(refs))[place])]
        rng = np.random.default_rng((self._seed, 1, position))
        # The photo at the end of a pair is for reference only.
        length, stored = int(ref.meta["motion_frames" if is_pair else "frames"]), int(ref.meta["frames"])
        stride = 1 if is_pair else self._preset.data.clip_stride
        stride = max(1, min(stride, (length - 1) // max(1, phase.frames - 1)))
        start = int(rng.integers(max(1, length - stride * (phase.frames - 1))))
        # A sample that is too short for the phase holds its last frame.
        frames = np.minimum(start + stride * np.arange(phase.frames), length - 1)
        driver = target = 0
        if is_pair:
            count = len(ref.meta["identities"])
            driver, target = (int(i) for i in rng.permutation(count)[[0, -1]])
            if not self._preset.data.cross_identity:
                driver = target
        others = np.setdiff1d(np.arange(stored), frames)
        reference = int(rng.choice(others)) if len(others) else int(frames[0])
        history = phase.history if rng.random() < _HISTORY_SHARE else 0
        return Choice(ref, driver, target, frames, reference, history)


def _sample(choice: Choice, records: Records, position: int, normal_size: int) -> Batch:
    """One sample, without a batch axis."""
    driver, target = (records.get(choice.ref, i) for i in (choice.driver, choice.target))
    frames = torch.from_numpy(choice.frames)
    known = (torch.arange(len(frames)) < choice.history).float()
    return Batch(
        torch.tensor(position),
        Driver(*(getattr(driver.driver, field.name)[frames] for field in fields(Driver))),
        target.frames[choice.reference],
        target.keypoints[choice.reference],
        target.frames[frames],
        _mask(target)[frames],
        target.keypoints[frames],
        driver.points[frames],
        _normals(target, normal_size)[frames],
        target.hand_boxes[frames],
        known,
    )


def _mask(record: Record) -> Tensor:
    if record.mask is not None:
        return record.mask
    return torch.zeros(1, dtype=torch.uint8).expand(len(record.frames), *record.frames.shape[-2:])


def _normals(record: Record, size: int) -> Tensor:
    if record.normals is not None:
        return record.normals
    return torch.zeros(1, dtype=torch.uint8).expand(len(record.frames), 2, 4, size, size)


def _stack(samples: list[Batch]) -> Batch:
    def join(name: str) -> Tensor | Driver:
        values = [getattr(sample, name) for sample in samples]
        return Driver.stack(values) if name == "driver" else torch.stack(values)

    return Batch(**{field.name: join(field.name) for field in fields(Batch)})  # type: ignore[arg-type]


class Stream:
    """Batches of a worker, prepared by a thread while the model works."""

    def __init__(self, plan: Plan, records: Records, preset: Preset, rank: int = 0, world: int = 1) -> None:
        self._plan, self._records, self._rank, self._world = plan, records, rank, world
        self._normal_size = preset.model.normal_size
        self._steps = preset.steps
        self.waited = 0.0

    def batch(self, step: int) -> Batch:
        phase, positions = self._plan.positions(step, self._rank, self._world)
        return _stack([_sample(self._plan.choose(phase, p), self._records, p, self._normal_size) for p in positions])

    def batches(self, start: int) -> Iterator[tuple[int, Batch]]:
        """(step, batch) from a step to the end of the run; `waited` sums the seconds in which no batch was ready."""
        with ThreadPoolExecutor(1) as pool:
            queue: deque[Future[Batch]] = deque()
            for step in range(start, self._steps):
                while len(queue) < min(_AHEAD, self._steps - step):
                    queue.append(pool.submit(self.batch, step + len(queue)))
                began = time.monotonic()
                batch = queue.popleft().result()
                self.waited += time.monotonic() - began
                yield step, batch

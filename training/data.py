"""The stream of training batches: what is in batch b of step s follows from the seed alone.

It depends neither on the number of workers nor on where a run was cut off; each worker takes its slice of the batch.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.shards.read import SampleRef, ShardIndex, order
from training.ahead import ahead, threads
from training.batch import Batch, mirrored
from training.config import Phase, Preset
from training.fields import concatenated, each, stack
from training.inputs import Driver, places
from training.latents import Latents
from training.practice import PointBatch, Practice
from training.records import Record, Records
from training.windows import frames_from, references, starts

_AHEAD = 3  # batches that are prepared while the model works
_HISTORY_SHARE = 0.5
_WHOLE = (0.0, 0.0, 1.0, 1.0)
_UNKNOWN = torch.zeros(1, dtype=torch.uint8)
_NOWHERE = torch.zeros(1, dtype=torch.float16)
_cached_order = lru_cache(maxsize=8)(order)


@dataclass(frozen=True)
class Choice:
    """What a sample is made of: which frames of which identity drive, which reference image they animate, and whether
    all of it is mirrored.

    apart: other frames of the driver, one for each; none where there are none, for clips and for points.
    """

    ref: SampleRef
    driver: int
    target: int
    frames: NDArray[np.int64]
    reference: int
    history: int
    mirrored: bool
    apart: NDArray[np.int64]


class Plan:
    """Chooses the samples of every step."""

    def __init__(self, index: ShardIndex, preset: Preset, seed: int) -> None:
        self._pairs = [ref for ref in index.samples if ref.kind == "pair"]
        self._clips = [ref for ref in index.samples if ref.kind == "clip"]
        if not index.samples:
            raise WorkError("the shards have no training samples; add videos or pairs and run the earlier stages")
        self._preset, self.seed = preset, seed
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

    def describe(self, step: int, position: int) -> dict[str, str | int]:
        """What a sample of a step is made of, for people."""
        c = self.choose(self._preset.phase_at(step)[0], position)
        return {"position": position, "id": c.ref.id, "shard": c.ref.shard, "driver": c.driver, "target": c.target}

    def choose(self, phase: Phase, position: int) -> Choice:
        """Pairs and clips interleave in their set ratio; each kind is gone through in a new order every epoch."""
        rng = np.random.default_rng((self.seed, 1, position))
        if phase.place:
            return self._choose_points(position, rng)
        pairs_before, pairs_after = int(position * self._share), int((position + 1) * self._share)
        is_pair = pairs_after > pairs_before
        refs, count = (self._pairs, pairs_before) if is_pair else (self._clips, position - pairs_before)
        ref = self._in_order(refs, count)
        data = self._preset.data
        few = data.latents if phase.generate else 0
        possible = starts(ref, data.clip_stride, phase.frames, few)
        frames = frames_from(ref, data.clip_stride, phase.frames, int(possible[rng.integers(len(possible))]))
        driver = target = 0
        if is_pair:
            count = len(ref.meta["identities"])
            driver, target = (int(i) for i in rng.permutation(count)[[0, -1]])
            if not self._preset.data.cross_identity:
                driver = target
        stills = references(ref, few)
        others = np.setdiff1d(stills, frames)
        reference = int(rng.choice(others)) if len(others) else int(stills[0])
        history = phase.history if rng.random() < _HISTORY_SHARE else 0
        mirrored = not few and rng.random() < data.mirror
        rest = np.setdiff1d(np.arange(int(ref.meta["frames"])), frames) if is_pair else frames[:0]
        apart = rng.choice(rest, len(frames)) if len(rest) else rest
        return Choice(ref, driver, target, frames, reference, history, mirrored, apart)

    def _choose_points(self, position: int, rng: np.random.Generator) -> Choice:
        """Of a pair, since nobody but the renderer knows where a motion comes to lie on somebody else."""
        ref = self._in_order(self._pairs, position)
        people = len(ref.meta["identities"])
        target = int(rng.integers(people))
        other = (target + int(rng.integers(1, people))) % people if people > 1 else target
        driver = other if self._preset.data.cross_identity else target
        frames = rng.integers(int(ref.meta["motion_frames"]), size=1)
        mirrored = bool(rng.random() < self._preset.data.mirror)
        return Choice(ref, driver, target, frames, int(ref.meta["frames"]) - 1, 0, mirrored, frames[:0])

    def _in_order(self, refs: list[SampleRef], number: int) -> SampleRef:
        epoch, place = divmod(number, len(refs))
        return refs[int(_cached_order(self.seed, epoch, len(refs))[place])]

    def check(self) -> None:
        """Raises: WorkError for a phase that has nothing to learn from."""
        if not self._pairs and (phase := next((p for p in self._preset.phases if p.place), None)):
            raise WorkError(
                f"train: phase {phase.name} learns from pairs, and the shards have none; raise the number of pairs and "
                "run `unimotion pairs`, or choose the preset smoke, which has no such phase"
            )


def _only(real: Tensor, points: Tensor) -> Tensor:
    """Points (T, 88, 3) with confidence in real frames only."""
    return torch.cat([points[..., :2], points[..., 2:] * real[:, None, None]], -1)


def _others(driver: Record, target: Record, count: int) -> tuple[Driver, Tensor]:
    """What `Batch.others` says, and its points, of records that begin with the frames of the sample."""
    first, rest = slice(count), slice(count, 2 * count)
    twins = [(target, first), (driver, rest)] if len(driver.points) > count else [(driver, first), (driver, first)]
    crops = concatenated([each(record.driver, itemgetter(frames)) for record, frames in twins], 0)
    return crops, torch.cat([record.points[frames] for record, frames in twins])


class Stream:
    """Batches of a worker, prepared by threads while the model works.

    latents: where they are kept. pin: put batches into memory from which a GPU can fetch them by itself.
    """

    def __init__(
        self,
        plan: Plan,
        records: Records,
        preset: Preset,
        rank: int = 0,
        world: int = 1,
        latents: Latents | None = None,
        pin: bool = False,
    ) -> None:
        self._plan, self._records, self._preset = plan, records, preset
        self._rank, self._world, self._latents, self._pin = rank, world, latents, pin
        self._practice = Practice(records, plan.seed)
        self.waited = 0.0

    def batch(self, step: int) -> Batch | PointBatch:
        """The batch of one step, prepared here and now."""
        return self._batch(step, map)

    def batches(self, steps: Iterable[int]) -> Iterator[tuple[int, Batch | PointBatch]]:
        """(step, batch) of some steps; `waited` sums the seconds in which no batch was ready.

        What goes wrong with a batch is raised where it is its turn.
        """
        # Batches wait for their samples in threads of their own, so that those of the next one fill every gap.
        with threads(_AHEAD) as joiners, threads(self._preset.data.threads) as workers:
            for step, batch in ahead(lambda step: joiners.submit(self._batch, step, workers.map), steps, _AHEAD):
                began = time.monotonic()
                found = batch.result()
                self.waited += time.monotonic() - began
                yield step, found

    def _batch(self, step: int, each_of: Callable[..., Iterable[Batch | PointBatch]]) -> Batch | PointBatch:
        phase, positions = self._plan.positions(step, self._rank, self._world)
        make = self._points if phase.place else self._sample
        batch = stack(list(each_of(partial(make, phase), positions)))
        return each(batch, Tensor.pin_memory) if self._pin else batch

    def _points(self, phase: Phase, position: int) -> PointBatch:
        """One sample of points alone, without a batch axis."""
        c = self._plan.choose(phase, position)
        return self._practice.sample(position, c.ref, c.driver, c.target, int(c.frames[0]), c.reference, c.mirrored)

    def _sample(self, phase: Phase, position: int) -> Batch:
        """One sample, without a batch axis."""
        choice = self._plan.choose(phase, position)
        count, frames = len(choice.frames), choice.frames.tolist()
        both = [*frames, choice.reference]
        target = self._records.get(choice.ref, choice.target, both)
        driving = [*frames, *choice.apart.tolist()]
        driver = self._records.get(choice.ref, choice.driver, driving)
        others, other_points = _others(driver, target, count)
        heads = driver.heads[0].numpy()
        place = places(heads[frames], heads[choice.reference], driver.persons[:count].numpy())
        model = self._preset.model
        mask = _UNKNOWN.expand(count, model.size, model.size) if target.mask is None else target.mask[:count]
        cells = model.cells
        parts, source = _UNKNOWN.expand(count + 1, cells, cells), _NOWHERE.expand(count + 1, 3, cells, cells)
        if target.parts is not None and target.source is not None:
            parts, source = target.parts, target.source
        normals = _UNKNOWN.expand(count, 2, 4, model.normal_size, model.normal_size)
        if choice.ref.kind == "pair" and phase.retarget:  # perception has no use for them, and they are slow
            normals = self._records.normals(choice.ref, choice.target, frames)
        # A sample that is too short repeats its last frame.
        real = torch.from_numpy(np.diff(choice.frames, prepend=-1) > 0).float()
        latents = still = None
        if self._latents and phase.generate:
            latents = self._latents.get(choice.ref, choice.target, frames[0], count)
            still = self._latents.get(choice.ref, choice.target, choice.reference, 1)
        sample = Batch(
            position=torch.tensor(position),
            driver=replace(each(driver.driver, itemgetter(slice(count))), place=torch.from_numpy(place)),
            reference=target.frames[count],
            reference_keypoints=target.keypoints[count],
            target=target.frames[:count],
            mask=mask,
            keypoints=_only(real, target.keypoints[:count]),
            points=_only(real, driver.points[:count]),
            others=others,
            other_points=_only(real.repeat(2), other_points),
            normals=normals * real[:, None, None, None, None].to(normals.dtype),
            hand_boxes=target.hand_boxes[:count],
            known=(torch.arange(count) < choice.history).float(),
            real=real,
            shown=torch.tensor(choice.ref.meta.get("shown") or _WHOLE, dtype=torch.float32),
            exact=torch.tensor(float(choice.ref.kind == "pair")),
            reference_parts=parts[count],
            parts=parts[:count],
            source=source[:count],
            latents=latents,
            reference_latents=still,
        )
        return mirrored(sample) if choice.mirrored else sample

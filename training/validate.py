"""How well the running means of the weights do on held-out samples, at every checkpoint: the same samples each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from pipelines.shards.read import ShardIndex
from training.config import Preset
from training.data import Plan, Stream
from training.parallel import autocast, rows_here
from training.records import Records
from training.step import Learner, trainable


@dataclass(frozen=True)
class Validation:
    """This worker's part of the validation samples, in batches."""

    stream: Stream
    batches: int

    @staticmethod
    def of(index: ShardIndex, records: Records, preset: Preset, rank: int, world: int) -> "Validation | None":
        """None where there is nothing to validate on."""
        last = preset.phases[-1]
        if not index.samples or not preset.validation:
            return None
        # Every worker takes part, so there are whole batches only.
        batches = max(1, preset.validation // last.batch)
        stream = Stream(Plan(index, preset, 0), records, preset, rank, world)
        return Validation(stream, batches)

    @torch.no_grad()
    def loss(self, objective: nn.Module, learner: Learner, preset: Preset, device: torch.device) -> float:
        """Mean loss of the last phase's objective with the running means as weights, over this worker's samples."""
        total = 0.0
        first = preset.steps - preset.phases[-1].steps
        with _means_in_place(learner), autocast(preset.engine, device):
            for number in range(self.batches):
                batch = self.stream.batch(first + number % preset.phases[-1].steps)
                total += float(objective(batch.to(device), preset.phases[-1]).total) / self.batches
        return total


@contextmanager
def _means_in_place(learner: Learner) -> Iterator[None]:
    """The animator's weights are their running means inside."""
    weights = [rows_here(p.detach()) for p in trainable(learner.animator).values()]
    means = [rows_here(learner.ema[name]) for name in trainable(learner.animator)]
    own = [weight.clone() for weight in weights]
    torch._foreach_copy_(weights, means)
    try:
        yield
    finally:
        torch._foreach_copy_(weights, own)

"""How well the running means of the weights do on held-out samples, at every checkpoint: the same samples each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipelines.shards.read import ShardIndex
from training.batch import Batch
from training.config import Preset
from training.data import Plan, Stream
from training.inputs import to_pixels
from training.latents import Latents
from training.model.animator import trainable
from training.parallel import autocast, forget_gathered, rows_here
from training.records import Records
from training.step import Learner

_SHOWN = 4
_SCALE = 128  # pixels per side below which pictures are enlarged


@dataclass(frozen=True)
class Found:
    """loss: over this worker's samples. picture (H, W, 3): a row per sample of reference, driver, output and truth."""

    loss: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Validation:
    """This worker's part of the validation samples, in batches of the last phase's kind."""

    stream: Stream
    preset: Preset
    batches: int

    @staticmethod
    def of(
        index: ShardIndex, records: Records, preset: Preset, rank: int, world: int, latents: Latents | None
    ) -> "Validation | None":
        """None where there is nothing to validate on."""
        if not index.samples or not preset.validation:
            return None
        # Every worker takes part, so there are whole batches only.
        batches = max(1, preset.validation // preset.phases[-1].batch)
        return Validation(Stream(Plan(index, preset, 0), records, preset, rank, world, latents), preset, batches)

    @torch.no_grad()
    def measure(self, objective: nn.Module, learner: Learner, device: torch.device) -> Found:
        """The last phase's objective with the running means as weights."""
        last = self.preset.phases[-1]
        losses: list[float] = []
        shown: Batch | None = None
        steps = [self.preset.steps - last.steps + n % last.steps for n in range(self.batches)]
        with _means_in_place(learner), autocast(self.preset.engine, device):
            for _, batch in self.stream.batches(steps):
                assert isinstance(batch, Batch), "a preset that ends without pictures is refused"
                if shown is None:
                    shown = batch.split(max(1, len(batch.position) // _SHOWN))[0].to(device)
                losses.append(float(objective(batch.to(device), last).total))
            assert shown is not None, "there is at least one batch"
            made = _bare(objective).sample(shown)
        # A pass without gradients leaves the running means gathered.
        forget_gathered(objective)
        return Found(sum(losses) / len(losses), _picture(shown, made))


def _bare(objective: nn.Module) -> Any:
    """The objective inside a wrapper that would average gradients."""
    return getattr(objective, "module", objective)


def _picture(batch: Batch, made: torch.Tensor) -> NDArray[np.uint8]:
    """Of the last frame of every sample."""
    size = made.shape[-1]
    driver = nn.functional.interpolate(batch.driver.body[:, -1, :3].float(), size=(size, size), mode="area").byte()
    columns = torch.stack([batch.reference, driver, to_pixels(made[:, -1].float()), batch.target[:, -1]], 1)
    rows = columns.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1).cpu().numpy()
    enlarge = max(1, _SCALE // size)
    return np.asarray(rows.repeat(enlarge, 0).repeat(enlarge, 1), np.uint8)


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

"""One training step; knows nothing of trackers, clusters or files."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.batch import Batch
from training.config import Phase, Preset
from training.model.animator import Animator, trainable
from training.parallel import autocast, deferred, rows_here, whole
from training.practice import PointBatch


@dataclass
class Learner:
    """What a step changes. step: how many were done. ema: running means of the trainable weights, by name."""

    animator: Animator
    optimizer: torch.optim.AdamW
    ema: dict[str, Tensor]
    step: int = 0

    @staticmethod
    def fresh(animator: Animator, preset: Preset) -> "Learner":
        weights = trainable(animator)
        # Norms, biases and embeddings are not decayed.
        groups = [
            {"params": [p for p in weights.values() if p.ndim >= 2], "weight_decay": preset.weight_decay},
            {"params": [p for p in weights.values() if p.ndim < 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
        return Learner(animator, optimizer, {name: p.detach().clone() for name, p in weights.items()})


def rate_at(phase: Phase, within: int) -> float:
    """Learning rate of a step within its phase: linear warm-up, then cosine decay to `final` of the peak."""
    if within < phase.warm:
        return phase.rate * (within + 1) / phase.warm
    done = (within - phase.warm) / max(1, phase.steps - phase.warm)
    return phase.rate * (phase.final + (1 - phase.final) * (1 + math.cos(math.pi * done)) / 2)


def train_step(objective: nn.Module, learner: Learner, batch: Batch | PointBatch, preset: Preset) -> dict[str, float]:
    """Do one step and return its losses, gradient norm and learning rate.

    objective: `Objective` around the learner's animator, perhaps wrapped for data parallelism.
    Raises: FloatingPointError for a loss that is not finite; the weights are then as before the step.
    """
    phase, within = preset.phase_at(learner.step)
    rate = rate_at(phase, within)
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.optimizer.zero_grad(set_to_none=True)
    values = _backward(objective, batch, phase, preset)
    norm = whole(nn.utils.clip_grad_norm_(trainable(learner.animator).values(), preset.clip_norm))
    if not (math.isfinite(values["loss"]) and torch.isfinite(norm)):
        raise FloatingPointError(f"step {learner.step}: loss {values['loss']}, gradient norm {norm.item()}")
    learner.optimizer.step()
    _average(learner, preset.ema, learner.step - preset.begun(phase))
    learner.step += 1
    return {**values, "gradient_norm": norm.item(), "rate": rate}


def _backward(objective: nn.Module, batch: Batch | PointBatch, phase: Phase, preset: Preset) -> dict[str, float]:
    """Gradients of the batch in as many passes as the engine is told, and the means of its losses."""
    parts: Sequence[Batch | PointBatch] = batch.split(preset.engine.accumulate)
    sums: dict[str, float] = {}
    for number, part in enumerate(parts):
        with deferred(objective) if number + 1 < len(parts) else nullcontext():
            with autocast(preset.engine, part.position.device):
                losses = objective(part, phase)
            (losses.total / len(parts)).backward()
        for name, term in {"loss": losses.total, **losses.terms}.items():
            sums[name] = sums.get(name, 0.0) + term.item() / len(parts)
    return sums


@torch.no_grad()
def _average(learner: Learner, decay: float, steps: int) -> None:
    """steps: for how many the youngest part of the model has learned."""
    # A short memory at first: the mean must not remember the random start.
    decay = min(decay, (1 + steps) / (10 + steps))
    weights = trainable(learner.animator)
    means = [rows_here(learner.ema[name]) for name in weights]
    torch._foreach_lerp_(means, [rows_here(p) for p in weights.values()], 1 - decay)

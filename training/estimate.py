"""What a preset costs, before anyone pays: parameters, memory, arithmetic, hours. Nothing is trained or downloaded.

The network is built without memory (PyTorch's meta device) and one forward pass is traced: its operations are counted,
and so are the tensors that it keeps for the backward pass.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pipelines.errors import UsageError
from pipelines.keypoints import BODY_SLICE, COUNT
from training.config import ModelConfig, Phase, Preset
from training.inputs import Driver
from training.model.animator import Animator, trainable
from training.model.codec import latent_frames
from training.model.copies import Copies, Evidence
from training.model.encoders import PLACE, MotionTokens
from training.model.motion import Guidance
from training.model.retarget import Seen
from training.objective import square_side

# Dense bf16 TFLOP/s and memory in GB, from the makers' data sheets.
DEVICES = {
    "a100": (312.0, 80.0),
    "h100": (989.0, 80.0),
    "h200": (989.0, 141.0),
    "l40s": (362.0, 48.0),
    "rtx4090": (165.0, 24.0),
}
# Share of the peak in bf16: clips of 17 frames at 256 px through the 1.3B reached .22 on an H200, single frames .10.
_MFU = 0.2
_GB = 1e9


@dataclass(frozen=True)
class Cost:
    """parameters, trained: of the network, the frozen autoencoder counted in the first. tokens: of the DiT per step of
    the costliest phase. flops: of that step, and of the whole run. memory: bytes per device, by what they hold.
    hours, money: None where no device (price) was named."""

    parameters: int
    trained: int
    steps: int
    tokens: int
    step_flops: float
    run_flops: float
    memory: dict[str, float]
    device_memory: float | None
    hours: float | None
    money: float | None


@dataclass(frozen=True)
class PhaseCost:
    """Of one step of a phase, over all workers. tokens: of the DiT. flops: forward and backward, without the
    codec where latents are kept. kept: bytes per sample in a pass that the backward pass needs, at full precision."""

    tokens: int
    flops: float
    kept: float


@cache
def phase_costs(preset: Preset) -> dict[str, PhaseCost]:
    """By the phase's name."""
    animator = _blank(preset)
    found = {}
    for phase in preset.phases:
        trace = _trace(animator, phase, 1, preset.data.crop)
        frozen = 0.0 if preset.data.latents else trace.frozen_flops
        flops = phase.batch * (_passes(preset) * trace.flops + trace.untaught_flops + frozen)
        found[phase.name] = PhaseCost(_tokens(preset.model, phase), flops, trace.kept)
    return found


def estimate(preset: Preset, workers: int, device: str | None, price: float | None) -> Cost:
    """workers: devices that train together. device: of `DEVICES`. price: per device and hour.

    Raises: UsageError for an unknown device or a batch that the workers cannot share.
    """
    if device is not None and device not in DEVICES:
        raise UsageError(f"device {device!r}: is not one of {', '.join(DEVICES)}; choose one of these")
    passes = [preset.share(phase, workers) // preset.engine.accumulate for phase in preset.phases]
    animator, costs = _blank(preset), phase_costs(preset)
    costliest = max(costs.values(), key=lambda cost: cost.flops)
    run = sum(costs[phase.name].flops * phase.steps for phase in preset.phases)
    weights = sum(p.numel() for p in animator.parameters())
    trained = sum(p.numel() for p in trainable(animator).values())
    spread = workers if preset.engine.shard else 1
    kept = max(costs[phase.name].kept * size for phase, size in zip(preset.phases, passes, strict=True))
    memory = {
        "weights": 4.0 * weights / spread,
        "gradients": 4.0 * trained / spread,
        "optimiser": 8.0 * trained / spread,
        "running means": 4.0 * trained / spread,
        "activations": kept / (2 if preset.engine.precision == "bf16" else 1),
        # Whole models keep the bf16 copies of their weights until the pass is over; rows are copied block by block.
        "bf16 copies": 2.0 * trained if preset.engine.precision == "bf16" and not preset.engine.shard else 0.0,
    }
    speed, room = DEVICES[device] if device else (None, None)
    hours = run / (speed * 1e12 * _MFU * workers) / 3600 if speed else None
    return Cost(
        weights,
        trained,
        preset.steps,
        costliest.tokens,
        costliest.flops,
        run,
        memory,
        room * _GB if room else None,
        hours,
        hours * workers * price if hours is not None and price is not None else None,
    )


def _blank(preset: Preset) -> Animator:
    with torch.device("meta"):
        animator = Animator(preset.model, weights=False)
    if preset.engine.recompute:
        animator.dit.transformer.enable_gradient_checkpointing()
    return animator


def _passes(preset: Preset) -> float:
    """Backward does twice the work of forward; what is recomputed is done once more."""
    return 4.0 if preset.engine.recompute else 3.0


def describe(preset: str, cost: Cost, workers: int, device: str | None) -> str:
    """The estimate for people."""
    total = sum(cost.memory.values())
    parts = ", ".join(f"{name} {size / _GB:.1f}" for name, size in cost.memory.items())
    lines = [
        f"preset {preset} on {workers} {device or 'device'}{'s' if workers > 1 else ''}",
        f"parameters   {cost.parameters / 1e6:,.1f} M, {cost.trained / 1e6:,.1f} M of them trained",
        f"steps        {cost.steps:,}; at most {cost.tokens:,} DiT tokens and {cost.step_flops / 1e12:,.2f} TFLOP each",
        f"memory       {total / _GB:.1f} GB per device ({parts})",
        f"arithmetic   {cost.run_flops / 1e15:,.2f} PFLOP in all",
    ]
    if cost.device_memory is not None and total > cost.device_memory:
        lines.append(
            f"             more than the {cost.device_memory / _GB:.0f} GB of one; use more devices or a smaller batch"
        )
    if cost.hours is not None:
        lines.append(f"time         {cost.hours:,.1f} hours at {_MFU:.0%} of the peak")
    if cost.money is not None:
        lines.append(f"cost         {cost.money:,.0f}")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Trace:
    """Of a forward pass. frozen_flops: of the autoencoder, and untaught_flops: of what learns in another phase; neither
    has a backward pass. kept: bytes for that pass."""

    flops: float
    frozen_flops: float
    untaught_flops: float
    kept: float


def _trace(animator: Animator, phase: Phase, batch: int, crop: float) -> _Trace:
    """One worker's forward pass of a phase."""
    config, frames = animator.config, phase.frames
    kept: dict[int, tuple[object, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # Holding the storage keeps its number its own.
        kept[storage._cdata] = (storage, storage.nbytes())
        return tensor

    frozen, untaught = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with torch.device("meta"), FlopCounterMode(display=False) as counter, saved_tensors_hooks(pack, lambda t: t):
        reference, points = torch.empty(batch, 3, config.size, config.size), torch.empty(batch, COUNT, 3)
        seen, guidance, outputs = None, None, list[Tensor]()
        if phase.perceive:
            # The driver, and what its tokens are held against, see `Batch.others`.
            looked, _ = animator.motion.look(_driver(config, batch, 3 * frames))
            told = animator.motion.read(looked)
            outputs += [] if told is None else [told]
            if phase.retarget:
                tokens = looked.at(torch.arange(frames))
                seen = animator.motion.see(reference, points)
                with untaught:
                    places = animator.motion.place(seen, tokens)
                guidance = animator.motion.guide(seen, places, tokens)
                outputs += _retargeted(animator, guidance, tokens, frames)
        if phase.place:
            moved = animator.motion.moved(points, torch.empty(batch, PLACE), points)
            outputs += [] if moved is None else [moved]
        if phase.paint:
            outputs += _painted(animator, reference, seen, points, guidance, frames, crop, frozen)
    parameters = {p.untyped_storage()._cdata for p in animator.parameters()}
    outside, once = frozen.get_total_flops(), untaught.get_total_flops()
    held = sum(size for key, (_, size) in kept.items() if key not in parameters)
    return _Trace(counter.get_total_flops() - outside - once, outside, once, held)


def _retargeted(animator: Animator, guidance: Guidance, tokens: MotionTokens, frames: int) -> list[Tensor]:
    """What D and its heads give."""
    heads, features = animator.heads, guidance.features
    if heads is None or features is None:
        return [guidance.points]
    hands = torch.stack([tokens.left_hand, tokens.right_hand], 2)
    heatmaps = heads.heatmaps(features, guidance.points[..., :2])
    return [guidance.points, heatmaps, heads.normals(features, hands, torch.empty(len(hands), frames, 2, 4))]


def _painted(
    animator: Animator,
    reference: Tensor,
    seen: Seen | None,
    points: Tensor,
    guidance: Guidance | None,
    frames: int,
    crop: float,
    frozen: FlopCounterMode,
) -> list[Tensor]:
    """What the picture networks give, as in `Objective`."""
    config, batch = animator.config, len(reference)
    photo = animator.photo_of(reference, seen, points, animator.read_parts(reference, points))
    still = photo.still.repeated(frames)
    layout = animator.layout(still.shares, still.points, still.points)
    target = torch.empty(batch, frames, 3, config.size, config.size)
    rough = animator.shrunk(target)
    outputs = [layout.parts, layout.offsets, layout.visible]
    if guidance is not None:
        with frozen:
            clean, conditions = animator.latents_of(target, rough), animator.conditions(photo, rough)
        known = torch.empty(batch, latent_frames(animator.codec, frames))
        outputs.append(animator.predict_clean(clean, torch.empty(batch), known, guidance, conditions)[0])
    if animator.blender is not None:
        side = square_side(config.size, crop)
        picture, mask = (torch.empty(batch * frames, channels, side, side) for channels in (3, 1))
        copies, evidence = Copies(picture, picture, picture, picture, mask), Evidence(*[mask] * 5)
        outputs.append(animator.blended(copies, evidence, picture).shares)
    return outputs


def _driver(config: ModelConfig, batch: int, frames: int) -> Driver:
    body, part = config.body_size, config.part_size
    return Driver(
        torch.empty(batch, frames, 3, body, body),
        torch.empty(batch, frames, 2),
        torch.empty(batch, frames, 2, 3, part, part),
        torch.empty(batch, frames, 3, part, part),
        torch.empty(batch, frames, 2, dtype=torch.bool),
        torch.empty(batch, frames, dtype=torch.bool),
        torch.empty(batch, frames, 2, 3),
        torch.empty(batch, frames, 3),
        torch.empty(batch, frames, BODY_SLICE.stop, 3),
        torch.empty(batch, frames, COUNT, 3),
    )


def _tokens(config: ModelConfig, phase: Phase) -> int:
    if not phase.generate:
        return 0
    side = config.sketch // config.codec_factor // config.dit_patch
    return phase.batch * (1 + (phase.frames - 1) // config.stride) * side * side

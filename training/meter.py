"""How fast a run goes, and how much of the machine it uses."""

import resource
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch

from training.config import Preset
from training.estimate import DEVICES, phase_costs


def throughput(
    rows: Sequence[Mapping[str, Any]], preset: Preset, workers: int, device: torch.device
) -> dict[str, float]:
    """Rates over some steps of one run: per second samples, DiT tokens and FLOP; the share of time without data; memory
    in GB of this worker; and `mfu`, FLOP/s over the peak, where the device's peak is known."""
    costs = phase_costs(preset)
    samples = tokens = flops = 0.0
    for row in rows:
        phase, _ = preset.phase_at(row["step"])
        samples += phase.batch
        tokens += costs[phase.name].tokens
        flops += costs[phase.name].flops
    seconds = sum(row["seconds"] for row in rows)
    found = {
        "samples_per_second": samples / seconds,
        "tokens_per_second": tokens / seconds,
        "tflops_per_second": flops / seconds / 1e12,
        "ms_per_step": 1000 * statistics.median(row["seconds"] for row in rows),
        "waiting_share": sum(row["waited"] for row in rows) / seconds,
        "memory_gb": _memory(device) / 1e9,
    }
    if peak := _peak(device):
        found["mfu"] = flops / seconds / (peak * workers)
    return found


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used if sys.platform == "darwin" else used * 1024)


@cache
def _peak(device: torch.device) -> float | None:
    """FLOP/s in bf16 of a GPU that is known by name."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device).lower().replace(" ", "")
    return next((speed * 1e12 for known, (speed, _) in DEVICES.items() if known in name), None)

"""Suite `training`: what our step, our data and our sharding cost beside the model itself."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from infra.bench.groups import write_groups
from infra.bench.results import Result
from infra.bench.workers import Worker
from pipelines.shards.read import Reader, ShardIndex
from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import EngineConfig, Preset
from training.data import Plan, Stream
from training.estimate import phase_costs
from training.history import read_history
from training.launch import launch
from training.loop import Job
from training.model.animator import Animator
from training.objective import Objective
from training.presets import PRESETS
from training.records import Records
from training.step import Learner, trainable

_ROUNDS, _STEPS, _WARM = 3, 60, 15
_PHASE = replace(next(phase for phase in PRESETS["smoke"].phases if phase.generate), steps=_STEPS)
_PRESET = replace(PRESETS["smoke"], phases=(_PHASE,), save_every=10**6, validation=0)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        write_groups(Workspace(folder), {"train": 16})
        with Worker(partial(_make_bare, folder)) as worker:
            # By turns: a machine's speed may change within minutes.
            rounds = [(worker.ask(), _under_ray(folder, number)) for number in range(_ROUNDS)]
        rows = [row for _, some in rounds for row in some]
        ours = statistics.median(row["seconds"] for row in rows)
        ratios = [bare / statistics.median(row["seconds"] for row in some) for bare, some in rounds]
        yield Result(
            "training.step_vs_bare_loop",
            statistics.median(ratios),
            "x",
            f"a plain PyTorch loop (forward, backward, clip, AdamW), same model, one thread, batch in memory; "
            f"{1000 * ours:.0f} ms per step of frames, preset smoke; {_ROUNDS} rounds, "
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            "higher",
            0.95,
        )
        yield Result(
            "training.data_wait_share",
            sum(row["waited"] for row in rows) / sum(row["seconds"] for row in rows),
            "share",
            f"of {len(rows)} steps under Ray in which no batch was ready",
            "lower",
            0.03,
        )
        flops = phase_costs(_PRESET)[_PHASE.name].flops / ours
        limit = _matmul()
        yield Result(
            "training.matmul_fraction",
            flops / limit,
            "share",
            f"FLOP/s of the step over those of a 2048 x 2048 fp32 matrix product, one thread: "
            f"{flops / 1e9:.0f} against {limit / 1e9:.0f} GFLOP/s",
            "higher",
        )
        for name, share in _profile(folder).items():
            yield Result(f"training.share_{name}", share, "share", "of the step's processor time", "lower")
    whole, spread = (_held(EngineConfig(shard=shard)) for shard in (False, True))
    yield Result(
        "training.fsdp_memory_vs_ddp",
        spread / whole,
        "x",
        f"bytes of weights, gradients, moments and running means per worker, 2 workers: "
        f"{spread / 1e6:.1f} against {whole / 1e6:.1f} MB",
        "lower",
        0.6,
    )


def _under_ray(folder: str, number: int) -> list[Any]:
    """Steps of one worker of Ray Train, without those that warm caches."""
    name = f"train/bench-{number}"
    launch(Job(folder, name, _PRESET, 0, 1, None), workers=1, max_failures=0, address=None)
    return list(read_history(Workspace(folder), name))[_WARM:]


def _stream(folder: str) -> Stream:
    workspace = Workspace(folder)
    records = Records(Reader(workspace), _PRESET.model, 2**30)
    return Stream(Plan(ShardIndex.load(workspace, "train"), _PRESET, 0), records, _PRESET)


def _make_bare(folder: str) -> Callable[[], float]:
    """Median seconds per step of a loop with nothing around the model."""
    batch, (objective, learner) = _stream(folder).batch(0), _model()

    def loop() -> float:
        seconds = []
        for _ in range(_STEPS):
            began = time.monotonic()
            _bare_step(objective, learner, batch)
            seconds.append(time.monotonic() - began)
        return statistics.median(seconds[_WARM:])

    return loop


def _model() -> tuple[Objective, Learner]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    animator = Animator(_PRESET.model)
    return Objective(animator, _PRESET, 0), Learner.fresh(animator, _PRESET)


def _bare_step(objective: Objective, learner: Learner, batch: Batch) -> None:
    learner.optimizer.zero_grad(set_to_none=True)
    objective(batch, _PHASE).total.backward()
    nn.utils.clip_grad_norm_(trainable(learner.animator).values(), _PRESET.clip_norm)
    learner.optimizer.step()


def _matmul() -> float:
    """FLOP/s of a large fp32 matrix product on one thread."""
    torch.set_num_threads(1)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    seconds = []
    for _ in range(6):
        began = time.monotonic()
        a @ b
        seconds.append(time.monotonic() - began)
    return 2 * 2048**3 / statistics.median(seconds[1:])


def _profile(folder: str) -> dict[str, float]:
    """Where a bare step's time goes, by kind of operation."""
    from torch.profiler import ProfilerActivity, profile

    batch, (objective, learner) = _stream(folder).batch(0), _model()
    _bare_step(objective, learner, batch)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(3):
            _bare_step(objective, learner, batch)
    kinds = {
        "convolutions": ("conv",),
        "matrix_products": ("mm", "linear", "bmm", "baddbmm", "attention"),
        "optimiser": ("_foreach", "adam", "norm_scalar"),
    }
    times = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    total = sum(times.values())
    shares = {
        kind: sum(t for key, t in times.items() if any(word in key.lower() for word in words)) / total
        for kind, words in kinds.items()
    }
    return {**shares, "else": 1 - sum(shares.values())}


def _held(engine: EngineConfig) -> float:
    """Bytes that one of two workers holds between steps."""
    import torch.multiprocessing

    with tempfile.NamedTemporaryFile() as answer:
        torch.multiprocessing.start_processes(_hold, (engine, answer.name), nprocs=2, start_method="spawn")
        return float(answer.read())


def _hold(rank: int, engine: EngineConfig, answer: str) -> None:
    from training.parallel import rows_here, shard

    torch.distributed.init_process_group("gloo", init_method=f"file://{answer}.rendezvous", rank=rank, world_size=2)
    preset: Preset = replace(_PRESET, engine=engine)
    objective, _ = _model()
    animator = objective.animator
    wrapped: nn.Module = (
        shard(objective, animator, engine, torch.device("cpu"))
        if engine.shard
        else nn.parallel.DistributedDataParallel(objective)
    )
    learner = Learner.fresh(animator, preset)
    for parameter in wrapped.parameters():
        parameter.grad = parameter.detach().clone()
    learner.optimizer.step()
    weights = list(animator.parameters())
    moments = [v for state in learner.optimizer.state.values() for name, v in state.items() if name != "step"]
    tensors = [*weights, *(p.grad for p in weights if p.grad is not None), *moments, *learner.ema.values()]
    if rank == 0:
        Path(answer).write_text(str(sum(rows_here(tensor).nbytes for tensor in tensors)), "ascii")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()

"""Teams of local processes joined by gloo, for tests of what workers do together."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing
from torch import nn

from training.config import EngineConfig
from training.model.animator import Animator
from training.parallel import shard


class Gloo:
    """A worker among several, as `training.loop.Team`."""

    device = torch.device("cpu")

    def __init__(self, rank: int, world: int) -> None:
        self.rank, self.world = rank, world

    def wrap(self, module: nn.Module, animator: Animator, engine: EngineConfig) -> nn.Module:
        if engine.shard:
            return shard(module, animator, engine, self.device)
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        vector = torch.tensor(list(values.values()), dtype=torch.float64)
        torch.distributed.all_reduce(vector)
        return dict(zip(values, (vector / self.world).tolist(), strict=True))

    def gather(self, numbers: list[int]) -> list[int]:
        every = [torch.empty(len(numbers), dtype=torch.int64) for _ in range(self.world)]
        torch.distributed.all_gather(every, torch.tensor(numbers))
        found: list[int] = torch.cat(every).tolist()
        return found


def _worker(rank: int, world: int, port: int, folder: str, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(world)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    try:
        torch.save(work(Gloo(rank, world), *given), Path(folder) / str(rank))
    finally:
        torch.distributed.destroy_process_group()


def together(world: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(team, *arguments)` gives in each worker. work: a function of a module."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            _worker, (world, port, folder, work, arguments), nprocs=world, start_method="spawn"
        )
        return [torch.load(Path(folder) / str(rank), weights_only=True) for rank in range(world)]

"""How a model is spread over workers: whole on each (DDP), or in rows over all (FSDP2)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from training.config import EngineConfig
from training.model.animator import Animator


def rows_here(tensor: Tensor) -> Tensor:
    """What this worker holds of a tensor: its rows of a sharded one, all of another."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def first_row(tensor: Tensor) -> int:
    """Which row of the whole tensor `rows_here` begins with. FSDP2 deals rows as `torch.chunk` does."""
    if not isinstance(tensor, DTensor):
        return 0
    mesh, count = tensor.device_mesh, len(tensor)
    return min(mesh.get_local_rank() * -(-count // mesh.size()), count)


def whole(value: Tensor) -> Tensor:
    """A number that every worker has, from one that may be spread over them."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def shard(module: nn.Module, animator: Animator, engine: EngineConfig, device: torch.device) -> nn.Module:
    """Spread the weights, gradients and optimiser state of a module over all workers; changes the module in place.

    module: contains the animator. The DiT's blocks are gathered one by one as they are used, the rest at once.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    lower = torch.bfloat16 if uses_bf16(engine, device) else None
    policy = MixedPrecisionPolicy(param_dtype=lower, reduce_dtype=torch.float32)
    for block in animator.dit.transformer.blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(module, mesh=mesh, mp_policy=policy)
    register_fsdp_forward_method(module, "sample")
    return module


def forget_gathered(module: nn.Module) -> None:
    """Free what was gathered of a sharded module's weights, so that the next pass gathers them as they then are."""
    from torch.distributed.fsdp import FSDPModule

    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def uses_bf16(engine: EngineConfig, device: torch.device) -> bool:
    """CPUs without matrix units multiply bf16 more slowly than fp32."""
    return engine.precision == "bf16" and device.type == "cuda"


def autocast(engine: EngineConfig, device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if uses_bf16(engine, device) else nullcontext()


@contextmanager
def deferred(module: nn.Module) -> Iterator[None]:
    """Gradients of whole models stay on their workers in the passes inside, until a pass outside.

    Rows are added up over the workers in every pass: keeping whole gradients would take the memory that rows save.
    """
    from torch.nn.parallel import DistributedDataParallel

    with module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext():
        yield

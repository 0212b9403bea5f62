"""Start a training run on Ray Train: as many workers as asked for, on this machine or on a cluster."""

import torch
from torch import nn

from pipelines.cluster import connect
from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training.loop import Alone, Job, fit


class _RayTeam:
    """The workers that Ray Train started, joined by torch.distributed."""

    def __init__(self) -> None:
        import ray.train
        import ray.train.torch

        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world: int = context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()

    def wrap(self, module: nn.Module) -> nn.Module:
        import ray.train.torch

        # The warm-up leaves the DiT out.
        options = {"find_unused_parameters": True}
        wrapped: nn.Module = ray.train.torch.prepare_model(module, parallel_strategy_kwargs=options)
        return wrapped

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        if self.world == 1:
            return values
        vector = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(vector)
        return dict(zip(values, (vector / self.world).tolist(), strict=True))


def _train_worker(config: dict[str, Job]) -> None:
    fit(config["job"], _RayTeam())


def launch(job: Job, workers: int, max_failures: int, address: str | None) -> None:
    """Train a job to its end.

    workers: 0 trains in this process without Ray. max_failures: how often dead workers are replaced; the run then goes
    on from its last checkpoint. address: of a Ray cluster, None for one on this machine.
    Raises: WorkError where training cannot go on.
    """
    if workers == 0:
        fit(job, Alone())
        return
    connect(address, workers * job.threads)
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    resources = ray.cluster_resources()
    use_gpu = resources.get("GPU", 0) >= workers
    # A cluster that the data stages started may have fewer CPUs than threads would like; asking for more would hang.
    cpus = min(float(job.threads), resources.get("CPU", 1) / workers)
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker={"CPU": cpus}),
        run_config=RunConfig(
            # Our checkpoints decide where a run goes on, not Ray's: the name only has to be the run's own.
            name=job.run.rsplit("/", 1)[-1],
            storage_path=str(Workspace(job.workspace_url).local_root / "train" / "ray"),
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        causes = [str(cause) for cause in getattr(error, "worker_failures", {}).values()] or [str(error)]
        raise WorkError(f"training failed: {causes[0].strip().splitlines()[-1]}; see {job.run}") from error

"""Start a training run on Ray Train: as many workers as asked for, on this machine or on a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import torch
from torch import nn

from pipelines.cluster import connect, end_with_raylet, watched
from pipelines.errors import UnimotionError, UsageError, WorkError
from pipelines.workspace import Workspace
from training.config import EngineConfig
from training.loop import Alone, Job, divergence, fit
from training.model.animator import Animator
from training.parallel import shard

# Keeps freed memory (bytes) for the next step. By default glibc hands large blocks back, and the kernel clears each
# page anew: 10,000 page faults in a step of `demo` on CPUs. Ray's workers train in a thread, whose own arena would be
# handed back all the same; so there is one arena. What is larger than 32 MiB cannot be kept.
_MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**26),
}


_RELAY_S = 2.0  # between two looks at what workers said


class _RayTeam:
    """The workers that Ray Train started, joined by torch.distributed."""

    def __init__(self) -> None:
        import ray.train
        import ray.train.torch

        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world: int = context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()

    def wrap(self, module: nn.Module, animator: Animator, engine: EngineConfig) -> nn.Module:
        import ray.train.torch

        if engine.shard:
            return shard(module, animator, engine, self.device)
        # The first phases leave D and the DiT out.
        options = {"find_unused_parameters": True, "gradient_as_bucket_view": True}
        wrapped: nn.Module = ray.train.torch.prepare_model(module, parallel_strategy_kwargs=options)
        return wrapped

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        if self.world == 1:
            return values
        vector = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(vector)
        return dict(zip(values, (vector / self.world).tolist(), strict=True))

    def gather(self, numbers: list[int]) -> list[int]:
        if self.world == 1:
            return numbers
        mine = torch.tensor(numbers, device=self.device)
        every = [torch.empty_like(mine) for _ in range(self.world)]
        torch.distributed.all_gather(every, mine)
        found: list[int] = torch.cat(every).tolist()
        return found


class _Ear:
    """Hears from workers what went wrong for good, as Ray would only begin again, and go wrong again; and where they
    are, as what they print stays in files of Ray's."""

    def __init__(self) -> None:
        self._error: UnimotionError | None = None
        self._said: list[str] = []

    def say(self, sentence: str) -> None:
        self._said.append(sentence)

    def said(self) -> list[str]:
        """What was said since the last call."""
        said, self._said = self._said, []
        return said

    def tell(self, error: UnimotionError) -> None:
        self._error = self._error or error

    def heard(self) -> UnimotionError | None:
        return self._error


def _train_worker(config: dict[str, Any]) -> None:
    import ray

    end_with_raylet()
    ear = config["ear"]
    if ray.get(ear.heard.remote()):
        return
    try:
        fit(config["job"], _RayTeam(), ear.say.remote)
    except UnimotionError as error:
        ray.get(ear.tell.remote(error))
        raise


def launch(
    job: Job, workers: int, max_failures: int, address: str | None, say: Callable[[str], None] = lambda _: None
) -> None:
    """Train a job to its end.

    workers: 0 trains in this process without Ray. max_failures: how often dead workers are replaced; the run then goes
    on from its last checkpoint. address: of a Ray cluster, None for one on this machine. say: see `fit`.
    Raises: WorkError where training cannot go on, and at once whatever else is wrong for good.
    """
    workspace = Workspace(job.workspace_url)
    if workers == 0:
        fit(job, Alone(), say)
    else:
        connect(address, workers * job.threads)
        watched(lambda: _fit_on_ray(job, workers, max_failures, say))
    if reason := divergence(workspace, job.run):
        raise WorkError(reason)


@contextmanager
def _relayed(ear: Any, say: Callable[[str], None]) -> Iterator[None]:
    """Pass on what workers say, from a thread of its own, since this one waits for them."""
    import ray
    from ray.exceptions import RayError

    over = Event()

    def relay() -> None:
        while True:
            last = over.wait(_RELAY_S)
            with suppress(RayError):  # the actor is being started again, on a cluster that lost its node
                for sentence in ray.get(ear.said.remote()):
                    say(sentence)
            if last:
                return

    thread = Thread(target=relay, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _fit_on_ray(job: Job, workers: int, max_failures: int, say: Callable[[str], None]) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    workspace = Workspace(job.workspace_url)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if workspace.is_local and len(nodes) > 1:
        raise UsageError(
            f"workspace {workspace.url}: is a folder of one machine, and the cluster has {len(nodes)}; "
            "use a URL that all of them reach, such as s3://bucket/prefix"
        )
    resources = ray.cluster_resources()
    use_gpu = resources.get("GPU", 0) >= workers
    # A cluster that the data stages started may have fewer CPUs than threads would like; asking for more would hang.
    cpus = min(float(job.threads), resources.get("CPU", 1) / workers)
    ear = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Ear).remote()
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"job": job, "ear": ear},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker={"CPU": cpus}),
        run_config=RunConfig(
            worker_runtime_env={"env_vars": _MALLOC},
            # Our checkpoints decide where a run goes on, not Ray's: the name only has to be the run's own.
            name=job.run.rsplit("/", 1)[-1],
            storage_path=str(workspace.local_root / "train" / "ray"),
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    )
    try:
        with _relayed(ear, say):
            trainer.fit()
    except TrainingFailedError as error:
        causes = [str(cause) for cause in getattr(error, "worker_failures", {}).values()] or [str(error)]
        unknown = WorkError(f"training failed: {causes[0].strip().splitlines()[-1]}; see {job.run}")
        raise ray.get(ear.heard.remote()) or unknown from error
    if final := ray.get(ear.heard.remote()):
        raise final

"""The connection to Ray, shared by the data engine and the training launcher: made once per process."""

import logging
import os


def connect(address: str | None, cpus: int) -> None:
    """Connect to a Ray cluster, or start one on this machine that ends with this process.

    address: of a running cluster, None for a local one with `cpus` workers' worth of CPU.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this Ray would copy the working tree and re-create the environment for every worker under `uv run`.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # Ray greets on every start; what goes wrong still shows.
    logging.getLogger("ray").setLevel(logging.ERROR)
    import ray

    if ray.is_initialized():
        return
    if address is None:
        ray.init(
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=512 * 2**20,
        )
    else:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)

"""The connection to Ray, shared by the data engine and the training launcher: made once per process."""

import logging
import os
import shlex
import sys

from pipelines.errors import UsageError

_SHORT, _LONGEST = "/tmp", 32  # where Ray itself goes without TMPDIR; bytes


def connect(address: str | None, cpus: int) -> None:
    """Connect to a Ray cluster, or start one on this machine that ends with this process.

    address: of a running cluster, None for a local one with `cpus` workers' worth of CPU.
    Raises: UsageError for a path of this environment that Ray cannot take.
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
            runtime_env=_interpreter(),
            _temp_dir=_temporary_folder(),
        )
    else:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)


def _temporary_folder() -> str | None:
    """Where a cluster of ours has its sockets and logs; None for below RAY_TMPDIR or TMPDIR, as Ray does by itself.

    The path of a socket has at most 107 bytes, of which Ray's own folders take 70, and Ray quotes it in no command.
    """
    given = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or _SHORT
    return None if len(given) <= _LONGEST and shlex.quote(given) == given else f"{_SHORT}/ray"


def _interpreter() -> dict[str, str] | None:
    """The runtime environment of all workers of a cluster of ours; None where they need none.

    Ray starts workers that have a runtime environment, as all of Ray Train's do, through a shell, and does not
    quote the path of the interpreter: with a space in it they would never start. The nodes of a cluster that
    somebody else started have interpreters of their own.
    Raises: UsageError for a path that Ray cannot take at all.
    """
    if set(sys.executable) & set("'\"\\"):
        raise UsageError(
            f"{sys.executable}: Ray cannot start an interpreter whose path has a quote or a backslash in it; move "
            "the checkout, and delete its .venv"
        )
    quoted = shlex.quote(sys.executable)
    return None if quoted == sys.executable else {"py_executable": quoted}

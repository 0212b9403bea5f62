"""The connection to Ray, shared by the data engine and the training launcher: made once per process.

Where the raylet is dead, Ray's calls wait for ever; where the GCS is, Ray ends this process a minute later without a
word that helps. So whoever waits for Ray looks every second whether both still answer.
"""

import logging
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipelines.errors import UsageError, WorkError, one_line
from pipelines.ray_folders import end_processes, fresh_folder

LOOK_EVERY_S = 1.0
_PATIENCE_S = 5.0  # a network may fail for a moment
_Result = TypeVar("_Result")


@dataclass
class _Connection:
    """folder: of a Ray that we started. servers: what has to answer, host:port by name."""

    folder: Path | None = None
    servers: dict[str, str] = field(default_factory=dict)


_connection = _Connection()


def connect(address: str | None, cpus: int) -> None:
    """Connect to a Ray cluster, or start one on this machine that ends with this process.

    address: of a running cluster, None for a local one with `cpus` workers' worth of CPU. Nothing is joined unasked: no
    cluster of RAY_ADDRESS, and none that happens to run on this machine.
    Raises: UsageError for an address where no Ray answers, and for a path of this environment that Ray cannot take;
    WorkError where Ray does not start.
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
        _start(cpus)
    else:
        _join(address)
    # Behind ray:// neither can be reached from here, and Ray's calls fail where the connection does.
    _connection.servers = {} if (address or "").startswith("ray://") else _servers()


def _start(cpus: int) -> None:
    import ray

    interpreter, folder = _interpreter(), fresh_folder()
    try:
        ray.init(
            "local",
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=512 * 2**20,
            runtime_env=interpreter,
            _temp_dir=str(folder),
        )
    except Exception as error:
        end_processes(folder)
        raise WorkError(f"Ray did not start ({one_line(str(error))}); its logs are in {folder}; try again") from error
    _connection.folder = folder


def _join(address: str) -> None:
    import ray

    advice = "start it, or leave --ray-address and UNIMOTION_RAY_ADDRESS out for this machine alone"
    # Ray itself would try for two minutes, and then end this process.
    has_port = address.rpartition(":")[2].isdigit()
    if has_port and not _answers(address.removeprefix("ray://")):
        raise UsageError(f"{address}: nothing answers at this address of a Ray cluster; {advice}")
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:
        reason = one_line(str(error).strip().partition("\n")[0])
        raise UsageError(
            f"{address}: cannot join this Ray cluster ({reason}); set RAY_AUTH_MODE=token if it wants a token, {advice}"
        ) from error
    _connection.folder = None


def _servers() -> dict[str, str]:
    import ray

    context = ray.get_runtime_context()
    here = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    return {
        "raylet": f"{here['NodeManagerAddress']}:{here['NodeManagerPort']}",
        "GCS server": context.gcs_address,
    }


def ensure_alive() -> None:
    """Give the connection up where Ray is dead, so that `connect` makes another.

    Raises: WorkError where it is.
    """
    import ray

    dead = [name for name, address in _connection.servers.items() if not _answers(address)]
    if not dead:
        return
    if _connection.folder is not None:
        end_processes(_connection.folder)  # the workers of a dead raylet would stay
    ray.shutdown()
    raise WorkError(
        f"the {dead[0]} of Ray has died (killed, or out of memory); run the same command again: it goes on where it was"
    )


def watched(work: Callable[[], _Result]) -> _Result:
    """What a function returns that waits for Ray.

    Raises: what it raises, and WorkError where Ray is dead, whether or not the function has noticed.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # Nobody joins this thread: it may wait for ever.
    threading.Thread(target=run, name="waits for Ray", daemon=True).start()
    while not wait([future], timeout=LOOK_EVERY_S).done:
        ensure_alive()
    if future.exception() is not None:
        ensure_alive()
    return future.result()


def end_with_raylet() -> None:
    """Called in a worker: it ends where the raylet that began it is dead. Ray would leave it alone for ever, and nobody
    else can find it on a cluster that we did not start."""
    raylet = os.getppid()

    def look() -> None:
        while os.getppid() == raylet:
            time.sleep(LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=look, name="looks for the raylet", daemon=True).start()


def _answers(address: str) -> bool:
    """Whether something listens there. The kernel answers for it, however busy it is."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_EVERY_S)


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

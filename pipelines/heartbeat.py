"""A sign of life of a process: a file that others look at, on this host or on another that shares the folder.

What the file holds says which process it is, and its time of change, moved on every few seconds, when it lived.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.errors import explain_os_error

_EVERY_S = 10.0
_LOST_AFTER_S = 60.0


@dataclass(frozen=True)
class Process:
    """A process that is told from all others, those that get its number after it has ended among them.

    host: name, for people. kernel: where its number counts, see `_kernel`; None where nobody knows. pid: its number.
    born: when it started, see `_born`.
    """

    host: str
    kernel: str | None
    pid: int
    born: int | None

    def is_known_here(self) -> bool:
        """Whether this process can look for it by its number."""
        return self.kernel is not None and self.kernel == _kernel()

    def has_ended(self) -> bool:
        """Of a process that is known here."""
        return _born(self.pid) != self.born


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Keep a heartbeat of this process in a file as long as one is inside.

    After an error the file stays behind, for whoever closes what it watched over.
    Raises: WorkError where the file cannot be written for a reason that will not pass.
    """
    me = Process(socket.gethostname(), _kernel(), os.getpid(), _born(os.getpid()))
    partial = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(me), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise explain_os_error(error, str(path)) or error from error
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, over), name=f"heartbeat {path.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    path.unlink(missing_ok=True)


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        with suppress(OSError):  # it may be removed by who took us for dead, or the network may be down for a while
            os.utime(path)


def lost(path: Path) -> Process | None:
    """The process of a heartbeat where it has ended without removing it; None where it lives, or there is no such file.

    A process of this very host is looked for, however old its heartbeat: it may have been suspended with the machine.
    """
    try:
        process = Process(**json.loads(path.read_text("utf-8")))
        gone = process.has_ended() if process.is_known_here() else _age_s(path) > _LOST_AFTER_S
    except FileNotFoundError:
        return None
    return process if gone else None


def _age_s(path: Path) -> float:
    """Since the last beat, by the clock of the file system: those of two hosts may differ by more than a minute."""
    now = path.with_name(".now")
    now.touch()
    return now.stat().st_mtime - path.stat().st_mtime


def _kernel() -> str | None:
    """The boot of a machine, and the namespace (of a container) in which the numbers of processes count; on Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _born(pid: int) -> int | None:
    """Clock ticks from the boot to the start of a process; None where there is none, or nothing but its exit code."""
    try:
        # The name of the program, in brackets, may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in ("Z", "X") else int(fields[18])

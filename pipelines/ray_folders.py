"""Where the Ray that we start keeps its sockets and logs: one folder for each start, with a short path.

Its lock is held for as long as the process lives that started Ray. A folder whose lock is free is what a dead one left:
it is deleted when Ray is started the next time, and until then the logs can be read.
"""

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipelines.errors import UsageError

_PREFIX, _LOCK = "unimotion-ray-", "lock"
_LONGEST_BELOW = "/session_2000-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_LONGEST_SOCKET = 107  # bytes: what the kernel takes
_LONGEST_ROOT = _LONGEST_SOCKET - len(_LONGEST_BELOW) - len(f"/{_PREFIX}01234567")
_held: list[FileLock] = []  # until this process ends


def fresh_folder() -> Path:
    """A new folder for a Ray that is about to start; what dead ones left is deleted.

    Raises: UsageError where no folder for temporary files can be used.
    """
    root = _root()
    _sweep(root)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except OSError as error:
        raise UsageError(
            f"{root}: Ray needs a folder there and cannot make one ({error.strerror}); set TMPDIR to another"
        ) from error
    _held.append(lock)
    return folder


def end_processes(folder: Path) -> None:
    """Kill what writes to a file in the folder of a Ray that came to grief, as all of its processes do: their logs."""
    found = list(_processes(folder))
    for process in found:
        process.kill()
    psutil.wait_procs(found, timeout=10)


def _root() -> Path:
    """The folder for temporary files, or /tmp where Ray could not use that one."""
    wanted = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    # Ray puts the path unquoted into command lines.
    fits = len(os.fsencode(wanted)) <= _LONGEST_ROOT and shlex.quote(wanted) == wanted
    return Path(wanted if fits else "/tmp")


def _sweep(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            about = folder.lstat()
            if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode) or not (folder / _LOCK).exists():
                continue
            with FileLock(folder / _LOCK, timeout=0):
                end_processes(folder)
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, Timeout):
            continue  # its process lives, or another one deletes it just now


def _processes(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            written = [Path(file.path) for file in process.open_files() if file.mode != "r"]
            if process.pid != os.getpid() and any(path.is_relative_to(folder) for path in written):
                yield process
        except psutil.Error:
            continue  # it ended, or is somebody else's

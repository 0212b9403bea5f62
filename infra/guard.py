"""Run commands until the standard input closes, or one of them ends; then end them with all that they have started.

Whoever starts this holds the other end of the standard input, and that closes however it dies, `kill -9` included.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

_GRACE_S = 8.0
_LOOK_EVERY_S = 0.5


def main(commands: list[list[str]]) -> int:
    """Exit code 0 where the standard input closed, 1 where a command ended."""
    # Who starts us in the background may have it ignored, which our commands would inherit, and Dagster's servers take
    # SIGTERM for SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    leaders: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            # A group of its own, for all that it starts.
            leaders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        while all(leader.poll() is None for leader in leaders):
            if select.select([sys.stdin], [], [], _LOOK_EVERY_S)[0]:
                return 0
        return 1
    finally:
        _end([leader.pid for leader in leaders])


def _end(groups: list[int]) -> None:
    """Ask them, and kill what is deaf, in whatever group it is by now, or was started meanwhile."""
    family = psutil.Process().children(recursive=True)
    _signal(groups, signal.SIGTERM)
    _, deaf = psutil.wait_procs(family, timeout=_GRACE_S)
    for process in {*deaf, *psutil.Process().children(recursive=True)}:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _signal(groups, signal.SIGKILL)


def _signal(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

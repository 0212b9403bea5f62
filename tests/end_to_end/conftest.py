"""Commands as users run them: the installed console command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    complaints: list[str]  # the lines that begin with the name of the command
    everything: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def unimotion(*arguments: str | Path, workspace: Path, timeout: float = 600, **environment: str) -> Outcome:
    command = [str(Path(sys.executable).parent / "unimotion"), *map(str, arguments), "--workspace", str(workspace)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, **environment}
    )
    complaints = [line for line in done.stderr.splitlines() if line.startswith("unimotion: ")]
    return Outcome(done.returncode, done.stdout, complaints, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def command() -> Callable[..., Outcome]:
    return unimotion

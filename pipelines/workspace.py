"""Where things are: a folder or an object store, read and written through one small class.

Files are handed to the code as local paths, since video decoders, tar readers and Parquet all want one: on a local
workspace that is the file itself, elsewhere a cached copy. Files are published whole or not at all.
"""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from pipelines.errors import DataError, UsageError, WorkError, explain_os_error
from pipelines.names import check_writable, is_url, path_of

_TEMPORARY = ".part-"


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Workspace:
    """The folder or bucket that holds everything the project makes.

    url: a path (`workspace`) or any fsspec URL (`s3://bucket/prefix`). A path is made absolute, since workers
    on Ray have folders of their own.
    """

    url: str

    def __post_init__(self) -> None:
        if not is_url(self.url):
            object.__setattr__(self, "url", str(path_of(self.url).absolute()))

    @cached_property
    def _filesystem(self) -> tuple[Any, str]:
        if not is_url(self.url):  # fsspec would take `::` in it for a chain of URLs
            return fsspec.filesystem("file"), self.url
        filesystem, root = fsspec.core.url_to_fs(self.url)
        return filesystem, root.rstrip("/")

    @property
    def is_local(self) -> bool:
        return isinstance(self._filesystem[0], fsspec.implementations.local.LocalFileSystem)

    @cached_property
    def local_root(self) -> Path:
        """Folder for state that needs a real file system (journals, locks, databases, caches)."""
        if self.is_local:
            return Path(self._filesystem[1])
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        return cache / "unimotion" / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Create the workspace and prove that it can be written to.

        Raises: UsageError where it cannot.
        """
        try:
            check_writable(self.url)
            self.local_root.mkdir(parents=True, exist_ok=True)
            with self.publish(".writable") as path:
                path.write_bytes(b"")
        except DataError as error:
            raise UsageError(f"--workspace {error}") from error
        except (OSError, WorkError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(
                f"workspace {self.url}: cannot be written to ({reason}); choose another --workspace"
            ) from error

    def exists(self, relative: str) -> bool:
        filesystem, root = self._filesystem
        return bool(filesystem.exists(f"{root}/{relative}"))

    def remove(self, relative: str) -> None:
        """Delete a published file; one that is already gone is fine."""
        filesystem, root = self._filesystem
        (self.local_root / relative).unlink(missing_ok=True)
        if not self.is_local and filesystem.exists(f"{root}/{relative}"):
            filesystem.rm_file(f"{root}/{relative}")

    def children(self, relative: str) -> list[str]:
        """Sorted names directly below a folder, temporary files left out; empty where there is no such folder."""
        filesystem, root = self._filesystem
        try:
            names = (
                entry.rstrip("/").rsplit("/", 1)[-1] for entry in filesystem.ls(f"{root}/{relative}", detail=False)
            )
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith("."))

    def local(self, relative: str) -> Path:
        """A local path with the content of a published file, fetched once where the workspace is remote.

        Raises: WorkError where there is no such file.
        """
        path = self.local_root / relative
        if self.is_local:
            if not path.exists():
                raise WorkError(f"{path}: is missing; run the stage that makes it again")
            return path
        if not path.exists():
            filesystem, root = self._filesystem
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
            try:
                filesystem.get_file(f"{root}/{relative}", str(partial))
            except FileNotFoundError as error:
                raise WorkError(f"{self.url}/{relative}: is missing; run the stage that makes it again") from error
            partial.replace(path)
        return path

    @contextmanager
    def publish(self, relative: str) -> Iterator[Path]:
        """Give a temporary path to write; on leaving without an error the file appears under its name at once.

        The temporary name keeps the suffix, since writers choose formats by it.
        Raises: WorkError where no further write can succeed (disk full, no permission).
        """
        target = self.local_root / relative
        temporary = target.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}{target.suffix}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            if not self.is_local:
                filesystem, root = self._filesystem
                filesystem.makedirs(f"{root}/{relative}".rsplit("/", 1)[0], exist_ok=True)
                filesystem.put_file(str(target), f"{root}/{relative}")
        except OSError as error:
            fatal = explain_os_error(error, str(target))
            if fatal is None:
                raise
            raise fatal from error
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def exclusive(self, relative: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a folder for one process, waiting for another that holds it; sweep what a killed one left half-written.

        on_wait: called once where there is a wait. Waiting, not failing: the other may be the orphan of a killed
        `make`, and what it finishes needs not be done again.
        """
        folder = self.local_root / relative
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire()
        except OSError as error:
            raise explain_os_error(error, str(folder)) or error from error
        try:
            for leftover in folder.rglob(f"{_TEMPORARY}*"):
                leftover.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

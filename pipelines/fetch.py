"""Bring a remote file into the workspace, once and whole, going on where an earlier try stopped."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.errors import DataError, TransientError
from pipelines.manifest import digest_of
from pipelines.names import is_url
from pipelines.remote import WEB, ForbiddenError, PassingError, RefusedError, open_stream
from pipelines.urls import scheme_of, without_credentials
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class FetchLimits:
    """max_bytes: a larger file is refused, before the download where its size is told.
    stall_s: seconds without a byte after which a connection is given up.
    file_s: seconds for one file, all tries together; what came is kept for the next run.
    attempts: tries in a row that bring nothing; the pauses between them grow from one second to a minute."""

    max_bytes: int = 20_000_000_000
    stall_s: float = 60.0
    file_s: float = 7200.0
    attempts: int = 5

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.stall_s, self.file_s, self.attempts) <= 0:
            raise ValueError("every limit must be more than nothing")


def fetch(
    workspace: Workspace, url: str, folder: str, limits: FetchLimits | None = None, access: str | None = None
) -> str | None:
    """Copy a remote URL into a folder of the workspace; None for a local path, which is read where it is.

    url: names the file. access: the same URL with its credentials, where these are kept apart; errors show none.
    What has come lies under a name of its own until it is whole. Others who want the same URL wait.
    Raises: DataError where the file cannot be had or is too large; TransientError where the next run may get it.
    """
    if not is_url(url):
        return None
    limits = limits or FetchLimits()
    access, url = access or url, without_credentials(url)
    digest = digest_of("url", url)
    relative = f"{folder}/{digest}{Path(url.split('?', 1)[0]).suffix[:8]}"
    if workspace.exists(relative):
        return relative
    partial = workspace.local_root / folder / f".partial-{digest}"
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(partial, limits.file_s):
            if not workspace.exists(relative):
                _download(access, url, partial, limits)
                with workspace.publish(relative) as path:
                    partial.replace(path)
                _tag_of(partial).unlink(missing_ok=True)
    except Timeout:
        raise TransientError(f"{url}: another process is still fetching it; run the same command again") from None
    except ForbiddenError as error:
        # Links expire and rights are granted; an open link that is forbidden stays so.
        kind = DataError if access == url and scheme_of(url) in WEB else TransientError
        raise kind(f"{url}: cannot be fetched ({error}); renew the link or the credentials and ingest again") from None
    except RefusedError as error:
        _discard(partial)
        raise DataError(f"{url}: cannot be fetched ({error}); correct the URL") from None
    return relative


@contextmanager
def _alone(partial: Path, timeout: float) -> Iterator[None]:
    lock = partial.with_name(f"{partial.name}.lock")
    with FileLock(lock, timeout=timeout):
        try:
            yield
        finally:
            # So that millions of files leave no locks; who waits for it sees that its name is gone and asks anew.
            lock.unlink(missing_ok=True)


def _download(access: str, url: str, partial: Path, limits: FetchLimits) -> None:
    deadline = time.monotonic() + limits.file_s
    failures, furthest = 0, _size(partial)
    while True:
        try:
            return _go_on(access, url, partial, limits, deadline)
        except PassingError as error:
            size = _size(partial)
            failures, furthest = (0, size) if size > furthest else (failures + 1, furthest)
            # Workers that one outage stopped come back at different times.
            spread = 0.5 + int(partial.name[-4:], 16) / 2**17
            pause = max(min(2.0 ** max(0, failures - 1), 60.0) * spread, min(error.wait, limits.stall_s))
            if failures >= limits.attempts or time.monotonic() + pause > deadline:
                raise TransientError(
                    f"{url}: cannot be fetched now ({error}); run the same command again to go on at byte {size}"
                ) from None
            time.sleep(pause)


def _go_on(access: str, url: str, partial: Path, limits: FetchLimits, deadline: float) -> None:
    """One try. The tag of what is being fetched lies beside it: only with the same tag do the parts fit together."""
    tag_file = _tag_of(partial)
    # The last byte is asked for again: nothing at all would be refused where the file is whole already.
    start = max(0, _size(partial) - 1) if tag_file.exists() else 0
    with open_stream(access, start, limits.stall_s) as stream:
        if stream.size is not None and stream.size > limits.max_bytes:
            raise _too_large(url, partial, stream.size, limits)
        if stream.start not in (0, start):
            raise PassingError("another part came than was asked for")
        if stream.start and stream.tag != tag_file.read_text("utf-8"):
            tag_file.unlink()
            raise PassingError("it changed meanwhile")
        with partial.open("r+b" if stream.start else "wb") as file:
            if not stream.start:
                tag_file.unlink(missing_ok=True)
                if stream.tag:
                    tag_file.write_text(stream.tag, "utf-8")
            file.seek(stream.start)
            while block := stream.read():
                file.write(block)
                file.flush()
                if file.tell() > limits.max_bytes:
                    raise _too_large(url, partial, file.tell(), limits)
                if time.monotonic() > deadline:
                    raise TransientError(
                        f"{url}: is not here after {limits.file_s:g} s ({file.tell()} bytes came); "
                        "raise videos.fetch.file_s, or run the same command again to go on"
                    )
            if stream.size is not None and file.tell() != stream.size:
                raise PassingError(f"{file.tell()} of {stream.size} bytes came")
            # While it still has a name under which a killed run finds it again.
            os.fsync(file.fileno())


def _too_large(url: str, partial: Path, size: int, limits: FetchLimits) -> DataError:
    _discard(partial)
    return DataError(
        f"{url}: has {size} bytes or more, which is over the limit of {limits.max_bytes}; raise videos.fetch.max_bytes"
    )


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag_of(partial).unlink(missing_ok=True)


def _tag_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.tag")


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0

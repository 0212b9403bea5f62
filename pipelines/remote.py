"""Read and list what lies elsewhere: web servers over HTTP, buckets through fsspec.

HTTP is spoken with the standard library, since fsspec's own reads every refusal as "not found", follows redirects
without a say and holds what a server that knows no ranges sends in memory. Whatever comes from outside is hostile: no
call waits for ever, and a URL can name only the schemes below, so that neither fsspec's chained URLs nor a redirect
reach anything else.
"""

import base64
import glob
import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar

import fsspec

from pipelines.errors import UsageError, WorkError
from pipelines.urls import scheme_of, without_credentials

T = TypeVar("T")
# Schemes that fsspec reads, with the package that each needs beside it.
BUCKETS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "hf": "huggingface_hub"}
BUCKETS |= {"file": "", "memory": ""}
WEB = ("https", "http")
BLOCK = 2**20
_LISTING_S = 1800.0
_PASSING_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})
_FORBIDDEN_CODES = frozenset({401, 403, 407})


class PassingError(Exception):
    """It did not work now. wait: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class RefusedError(Exception):
    """It will not work however often one tries."""


class ForbiddenError(RefusedError):
    """It will not work with these credentials."""


@dataclass(frozen=True)
class Stream:
    """A remote file from byte `start` on. size: of the whole file, None where the server does not say.

    tag: differs where the content does; empty where the server gives nothing to tell by.
    read: the next bytes, at most `BLOCK`, none at the end. Raises: PassingError.
    """

    size: int | None
    tag: str
    start: int
    read: Callable[[], bytes]


@contextmanager
def open_stream(url: str, start: int, stall_s: float) -> Iterator[Stream]:
    """Open a remote file at byte `start`, or at 0 where the server cannot.

    stall_s: longest wait for any answer, in seconds.
    Raises: PassingError, RefusedError; UsageError where a package is missing.
    """
    opened = _open_web if scheme_of(url) in WEB else _open_bucket
    with opened(url, start, stall_s) as stream:
        yield stream


def list_files(url: str) -> list[str]:
    """URLs of the files below a folder of a bucket, or that match a pattern (`s3://bucket/*/x.mp4`), sorted.

    Raises: UsageError where a package is missing; WorkError where the bucket does not answer or lets nobody in.
    """
    shown = without_credentials(url)
    try:
        filesystem, path = _filesystem(url)
        find = filesystem.glob if glob.has_magic(path) else filesystem.find
        found = _ask(url, _LISTING_S, lambda: find(path, detail=True))
    except (PassingError, RefusedError) as error:
        raise WorkError(f"{shown}: cannot be listed ({error}); correct it or try again") from None
    return sorted(filesystem.unstrip_protocol(name) for name, info in found.items() if info["type"] == "file")


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call that may hang; a thread of its own is left to itself then. Raises: TimeoutError."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    return future.result(timeout=seconds)


def _filesystem(url: str) -> tuple[Any, str]:
    scheme = scheme_of(url)
    if scheme not in BUCKETS:
        raise RefusedError(f"only {', '.join([*WEB, *BUCKETS])} can be read")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError:
        raise UsageError(
            f"{without_credentials(url)}: reading {scheme}:// needs the package {BUCKETS[scheme]}; "
            f"pip install {BUCKETS[scheme]} and run the same command again"
        ) from None
    except ValueError:
        raise RefusedError("it is no usable URL") from None
    return filesystem, path


def _ask(url: str, seconds: float, call: Callable[[], T]) -> T:
    """A call to a bucket's library, whose errors are of every kind."""
    try:
        return _within(seconds, call)
    except FileNotFoundError:
        raise RefusedError("there is nothing of that name") from None
    except PermissionError:
        raise ForbiddenError("access is denied") from None
    except TimeoutError:
        raise PassingError(f"no answer for {seconds:g} s") from None
    except Exception as error:
        # The message of a library may quote the URL.
        safe = f": {error}" if without_credentials(url) == url else ""
        raise PassingError(f"{type(error).__name__}{safe}") from None


@contextmanager
def _open_bucket(url: str, start: int, stall_s: float) -> Iterator[Stream]:
    filesystem, path = _filesystem(url)
    info = _ask(url, stall_s, lambda: filesystem.info(path))
    if info["type"] != "file":
        raise RefusedError("it is a folder")
    tag = _ask(url, stall_s, lambda: filesystem.ukey(path))
    file = _ask(url, stall_s, lambda: filesystem.open(path, "rb"))
    with closing(file):
        start = start if start < info["size"] else 0
        file.seek(start)
        yield Stream(info["size"], str(tag), start, lambda: _ask(url, stall_s, lambda: file.read(BLOCK)))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https, and from http to http; the base class refuses what is neither and more than ten in a row."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if scheme_of(newurl) not in ("https", req.type):
            raise urllib.error.HTTPError(req.full_url, code, "refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open_web(url: str, start: int, stall_s: float) -> Iterator[Stream]:
    try:
        request = _request(url, start)
        opener = urllib.request.build_opener(_Redirects)
        response = _within(stall_s, lambda: opener.open(request, timeout=stall_s))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # the file is shorter now
            with _open_web(url, 0, stall_s) as stream:
                yield stream
            return
        raise _verdict(error) from None
    except TimeoutError:
        raise PassingError(f"no answer for {stall_s:g} s") from None
    except urllib.error.URLError as error:
        raise PassingError(str(error.reason)) from None
    except (ValueError, http.client.InvalidURL):
        raise RefusedError("it is no usable URL") from None
    except (OSError, http.client.HTTPException) as error:
        raise PassingError(type(error).__name__) from None

    def read() -> bytes:
        try:
            return bytes(response.read1(BLOCK))
        except TimeoutError:
            raise PassingError(f"no byte for {stall_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(f"the connection broke: {type(error).__name__}") from None

    with closing(response):
        at, size = _place(response)
        yield Stream(size, _tag(response.headers, size), at, read)


def _request(url: str, start: int) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    plain = urllib.parse.urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    request = urllib.request.Request(urllib.parse.quote(plain, safe="%/:=&?~+!$,;'@()*[]"))
    request.add_header("User-Agent", "unimotion")
    request.add_header("Accept-Encoding", "identity")
    if start:
        request.add_header("Range", f"bytes={start}-")
    if at:
        # Stays behind on a redirect, which may lead to another host.
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _verdict(error: urllib.error.HTTPError) -> PassingError | RefusedError:
    if error.code in _PASSING_CODES:
        wait = error.headers.get("Retry-After", "")
        return PassingError(f"HTTP {error.code}", float(wait) if wait.isascii() and wait.isdigit() else 0.0)
    if error.code in _FORBIDDEN_CODES:
        return ForbiddenError(f"HTTP {error.code}, access is denied")
    if 300 <= error.code < 400:
        return RefusedError("it redirects in a circle, or to a scheme that is refused")
    return RefusedError(f"HTTP {error.code}")


def _place(response: Any) -> tuple[int, int | None]:
    """First byte of an answer and size of the whole file."""
    if response.status != 206:
        return 0, response.length
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found is None:
        raise PassingError("HTTP 206 that does not say which part it is")
    at, total = int(found[1]), found[2]
    if total != "*":
        return at, int(total)
    return at, None if response.length is None else at + response.length


def _tag(headers: Any, size: int | None) -> str:
    """RFC 9110, 8.8: only a strong ETag vouches for single bytes; a date does so for files that change seldom."""
    etag = headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    return f"{validator} {size}" if validator else ""

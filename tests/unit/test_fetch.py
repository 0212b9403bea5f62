"""Downloads from a real server with the faults of real ones: each ends whole, or with a sentence that says why not."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pipelines.errors import DataError, TransientError, UsageError, WorkError
from pipelines.fetch import FetchLimits, fetch
from pipelines.remote import list_files
from pipelines.workspace import Workspace
from tests.faulty_web import Web, serve, write_certificate

CONTENT = random.Random(0).randbytes(3_000_000)
QUICK = FetchLimits(stall_s=0.5, file_s=20, attempts=2)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(Web(CONTENT)) as made:
        yield made


def bring(workspace: Workspace, url: str, limits: FetchLimits = QUICK, access: str | None = None) -> bytes:
    relative = fetch(workspace, url, "videos/files", limits, access)
    assert relative is not None
    return workspace.local(relative).read_bytes()


def left(workspace: Workspace) -> list[str]:
    folder = workspace.local_root / "videos/files"
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_whole_file_once_and_nothing_left_beside_it(workspace: Workspace, web: Web) -> None:
    assert bring(workspace, web.url()) == bring(workspace, web.url()) == CONTENT
    assert len(web.requests) == 1
    assert left(workspace) == []


def test_local_path_stays_where_it_is(workspace: Workspace) -> None:
    assert fetch(workspace, "/videos/a.mp4", "videos/files") is None


def test_broken_connections_go_on_where_they_broke(workspace: Workspace, web: Web) -> None:
    web.breaks = [1_000_000, 500_000, 1]
    assert bring(workspace, web.url()) == CONTENT
    assert [request.get("Range") for request in web.requests][:3] == [None, "bytes=999999-", "bytes=1499998-"]
    assert web.sent < len(CONTENT) + 10


def test_server_without_ranges_starts_again(workspace: Workspace, web: Web) -> None:
    web.ranges, web.breaks = False, [1_000_000]
    assert bring(workspace, web.url()) == CONTENT


@pytest.mark.parametrize("etag", ['"two"', ""])
def test_file_that_changed_is_not_patched_together(workspace: Workspace, web: Web, etag: str) -> None:
    web.breaks = [1_000_000]
    with pytest.raises(TransientError, match="1000000 of 3000000 bytes came"):
        bring(workspace, web.url(), FetchLimits(file_s=0.4))
    web.content, web.etag = CONTENT[::-1], etag
    assert bring(workspace, web.url()) == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_it_starts_again(workspace: Workspace, web: Web, etag: str) -> None:
    web.etag, web.breaks = etag, [1_000_000]
    assert bring(workspace, web.url()) == CONTENT
    assert web.requests[1].get("Range") is None


def test_file_that_shrank(workspace: Workspace, web: Web) -> None:
    web.breaks = [1_000_000]
    with pytest.raises(TransientError):
        bring(workspace, web.url(), FetchLimits(file_s=0.4))
    web.content = b"short"
    assert bring(workspace, web.url()) == b"short"


def test_file_that_went_away_leaves_nothing(workspace: Workspace, web: Web) -> None:
    web.breaks = [1_000_000]
    with pytest.raises(TransientError):
        bring(workspace, web.url(), FetchLimits(file_s=0.4))
    assert left(workspace)
    web.codes = [404]
    with pytest.raises(DataError, match="HTTP 404"):
        bring(workspace, web.url())
    assert left(workspace) == []


def test_part_of_a_file_of_untold_size_never_looks_whole(workspace: Workspace, web: Web) -> None:
    web.total_told, web.breaks = False, [1_000_000, 1_000_000]
    assert bring(workspace, web.url()) == CONTENT


def test_busy_server_is_asked_again_when_it_says(workspace: Workspace, web: Web) -> None:
    web.codes, web.retry_after = [503], "1"
    started = time.monotonic()
    assert bring(workspace, web.url(), FetchLimits()) == CONTENT
    assert time.monotonic() - started >= 1


def test_server_that_stays_busy_is_left_for_the_next_run(workspace: Workspace, web: Web) -> None:
    web.codes = [503, 503]
    with pytest.raises(TransientError, match=r"v\.mp4: cannot be fetched now \(HTTP 503\); run the same command again"):
        bring(workspace, web.url())
    assert bring(workspace, web.url()) == CONTENT


@pytest.mark.parametrize(("code", "what"), [(404, "HTTP 404"), (410, "HTTP 410"), (403, "access is denied")])
def test_final_answers_are_not_asked_for_twice(workspace: Workspace, web: Web, code: int, what: str) -> None:
    web.codes = [code]
    with pytest.raises(DataError, match=what):
        bring(workspace, web.url())
    assert len(web.requests) == 1


def test_nobody_listens(workspace: Workspace) -> None:
    with pytest.raises(TransientError, match="refused"):
        bring(workspace, "http://127.0.0.1:9/v.mp4")


def test_wrong_length_never_looks_whole(workspace: Workspace, web: Web) -> None:
    web.length = len(CONTENT) + 7
    for what in ("3000000 of 3000007 bytes came", "it changed meanwhile"):
        with pytest.raises(TransientError, match=what):
            bring(workspace, web.url(), FetchLimits(file_s=0.4))
    assert not [name for name in workspace.children("videos/files") if name.endswith(".mp4")]


def test_large_file_is_refused_before_the_download(workspace: Workspace, web: Web) -> None:
    with pytest.raises(DataError, match=r"has 3000000 bytes or more, .* limit of 100; raise videos\.fetch\.max_bytes"):
        bring(workspace, web.url(), FetchLimits(max_bytes=100))
    assert left(workspace) == []


def test_endless_file_is_cut_off(workspace: Workspace, web: Web) -> None:
    web.told, web.endless = False, True
    with pytest.raises(DataError, match="over the limit of 5000000"):
        bring(workspace, web.url(), FetchLimits(max_bytes=5_000_000))
    assert left(workspace) == []


def test_silent_server(workspace: Workspace, web: Web) -> None:
    web.piece, web.pause_s = 1_000_000, 3.0
    with pytest.raises(TransientError, match=r"no byte for 0\.2 s"):
        bring(workspace, web.url(), FetchLimits(stall_s=0.2, file_s=0.4))


def test_slow_server_is_given_its_time_and_no_more(workspace: Workspace, web: Web) -> None:
    web.piece, web.pause_s = 1000, 0.05
    with pytest.raises(TransientError, match=r"is not here after 0\.5 s .* raise videos\.fetch\.file_s"):
        bring(workspace, web.url(), FetchLimits(stall_s=5, file_s=0.5))
    web.pause_s, web.piece = 0.0, 2**16
    assert bring(workspace, web.url()) == CONTENT
    assert web.requests[1]["Range"].startswith("bytes=")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "s3://bucket/x", "data:,x"])
def test_redirects_to_other_schemes_are_refused(workspace: Workspace, web: Web, target: str) -> None:
    web.location = target
    with pytest.raises(DataError, match="it redirects in a circle, or to a scheme that is refused"):
        bring(workspace, web.url())


def test_redirects_keep_the_range_and_lose_the_password(workspace: Workspace, web: Web) -> None:
    web.location, web.breaks = web.url("moved.mp4"), [1_000_000]
    assert bring(workspace, web.url(), QUICK, web.url(user="me:hunter2@")) == CONTENT
    moved = [request for request in web.requests if request["path"] == "/moved.mp4"]
    assert moved[-1]["Range"] == "bytes=999999-"
    assert all("Authorization" not in request for request in moved)


def test_https_is_verified_and_not_left(
    workspace: Workspace, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    with serve(Web(CONTENT, certificate=write_certificate(tmp_path / "pem"))) as safe:
        with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
            bring(workspace, safe.url(), FetchLimits(file_s=0.4))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pem"))
        for safe.location in ("file:///etc/passwd", web.url()):
            with pytest.raises(DataError, match="it redirects in a circle, or to a scheme that is refused"):
                bring(workspace, safe.url())
        safe.location = safe.url("moved.mp4")
        assert bring(workspace, safe.url()) == CONTENT
        web.location = safe.url("moved.mp4")
        assert bring(workspace, web.url()) == CONTENT


def test_circle_of_redirects(workspace: Workspace, web: Web) -> None:
    web.location = "/round"
    with pytest.raises(DataError, match="redirects in a circle"):
        bring(workspace, web.url())


@pytest.mark.parametrize(
    "url",
    ["ssh://host/x.mp4", "simplecache::http://host/x.mp4", "s3://a::http://b/x", "http://[::1/x", "http://a b:x/\n"],
)
def test_unusable_urls(workspace: Workspace, url: str) -> None:
    with pytest.raises((DataError, UsageError)):
        bring(workspace, url)


def test_password_is_sent_and_never_said(workspace: Workspace, web: Web) -> None:
    web.password = "Basic bWU6aHVudGVyMg=="
    access = web.url("v.mp4?token=hunter3", user="me:hunter2@")
    with pytest.raises(TransientError, match="renew the link or the credentials") as caught:
        bring(workspace, web.url(), QUICK, access.replace("hunter2", "wrong"))
    assert "hunter" not in str(caught.value)
    assert "wrong" not in str(caught.value)
    assert bring(workspace, web.url(), QUICK, access) == CONTENT


def test_two_at_once_fetch_it_once(workspace: Workspace, web: Web) -> None:
    web.pause_s = 0.005
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(bring(workspace, web.url()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4
    assert web.sent == len(CONTENT)


def test_killed_in_the_middle_loses_no_more_than_a_block(workspace: Workspace, web: Web) -> None:
    web.pause_s = 0.02
    code = f"""
from pipelines.fetch import fetch
from pipelines.workspace import Workspace
fetch(Workspace({workspace.url!r}), {web.url()!r}, "videos/files")
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while web.sent < 1_500_000 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sent, web.pause_s, web.sent = web.sent, 0.0, 0
    assert workspace.children("videos/files") == []
    assert bring(workspace, web.url()) == CONTENT
    assert web.sent <= len(CONTENT) - sent + 2**20
    assert left(workspace) == []


def test_limits_must_be_usable() -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        FetchLimits(attempts=0)


@pytest.fixture
def bucket() -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    for name in ("a/x.mp4", "b/x.mp4", "b/y.MOV", "b/notes.txt"):
        memory.pipe(f"/bucket/{name}", CONTENT)
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def test_bucket_is_listed_and_fetched(workspace: Workspace, bucket: str) -> None:
    names = [name.removeprefix("memory://").lstrip("/") for name in list_files(f"{bucket}/*/x.mp4")]
    assert names == ["bucket/a/x.mp4", "bucket/b/x.mp4"]
    assert len(list_files(bucket)) == 4
    assert bring(workspace, f"{bucket}/a/x.mp4") == CONTENT


@pytest.mark.parametrize("content", [CONTENT, CONTENT[::-1], b"short"])
def test_bucket_goes_on_after_a_stop_unless_the_file_changed(workspace: Workspace, bucket: str, content: bytes) -> None:
    with pytest.raises(TransientError, match=r"1048576 bytes came"):
        bring(workspace, f"{bucket}/a/x.mp4", FetchLimits(file_s=1e-9))
    if content != CONTENT:
        fsspec.filesystem("memory").pipe("/bucket/a/x.mp4", content)
    assert bring(workspace, f"{bucket}/a/x.mp4") == content


def test_what_a_bucket_refuses(workspace: Workspace, bucket: str) -> None:
    with pytest.raises(DataError, match="over the limit"):
        bring(workspace, f"{bucket}/a/x.mp4", FetchLimits(max_bytes=10))
    with pytest.raises(DataError, match="nothing of that name"):
        bring(workspace, f"{bucket}/gone.mp4")
    with pytest.raises(DataError, match="is a folder"):
        bring(workspace, f"{bucket}/a")


def test_missing_package_is_named() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match=r"s3://bucket/x: reading s3:// needs the package s3fs; pip install s3fs"):
        list_files("s3://bucket/x")


def test_bucket_of_unknown_kind() -> None:
    with pytest.raises(WorkError, match=r"ssh://host/x: cannot be listed \(only https, http, s3,"):
        list_files("ssh://host/x")

"""A published file is whole or absent, on a folder and on an object store alike."""

import errno
import threading
from pathlib import Path

import pytest

from pipelines.errors import UsageError, WorkError
from pipelines.workspace import Workspace, file_sha256


@pytest.fixture(params=["folder", "memory"])
def any_workspace(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = str(tmp_path / "w") if request.param == "folder" else f"memory://{tmp_path.name}"
    made = Workspace(url)
    made.prepare()
    return made


def test_publish_then_read(any_workspace: Workspace) -> None:
    with any_workspace.publish("a/b.txt") as path:
        path.write_text("hello")
        assert not any_workspace.exists("a/b.txt")
    assert any_workspace.exists("a/b.txt")
    assert any_workspace.local("a/b.txt").read_text() == "hello"
    assert any_workspace.children("a") == ["b.txt"]
    any_workspace.remove("a/b.txt")
    assert not any_workspace.exists("a/b.txt")


def test_remote_file_is_fetched_once_more_after_the_cache_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    with Workspace(f"memory://{tmp_path.name}").publish("x.bin") as path:
        path.write_bytes(b"\x00\x01")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    assert Workspace(f"memory://{tmp_path.name}").local("x.bin").read_bytes() == b"\x00\x01"


def test_an_error_while_writing_leaves_nothing(any_workspace: Workspace) -> None:
    def fail_half_way() -> None:
        with any_workspace.publish("a/b.txt") as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert not any_workspace.exists("a/b.txt")
    assert [p for p in any_workspace.local_root.rglob("*") if p.is_file() and p.name.startswith(".part-")] == []


def test_missing_file_is_named(any_workspace: Workspace) -> None:
    with pytest.raises(WorkError, match=r"nothing\.txt: is missing; run the stage"):
        any_workspace.local("nothing.txt")


def test_full_disk_is_one_sentence(workspace: Workspace) -> None:
    with pytest.raises(WorkError, match="the disk is full; free some space"), workspace.publish("a.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_unwritable_workspace_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written to"):
        Workspace(str(tmp_path / "file" / "workspace")).prepare()


def test_exclusive_sweeps_leftovers_and_waits_for_another_run(workspace: Workspace) -> None:
    folder = workspace.local_root / "stage"
    folder.mkdir()
    (folder / ".part-dead.mp4").write_bytes(b"half a video")
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with workspace.exclusive("stage", waiting.set):
            order.append("second")

    with workspace.exclusive("stage", pytest.fail):
        assert not (folder / ".part-dead.mp4").exists()
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(timeout=30)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

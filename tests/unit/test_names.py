"""What people call their files is taken for what it is."""

import os
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.names import is_url, path_of
from pipelines.workspace import Workspace

ODD = ("a b", "ü", "it's", 'a"b', "#d", "e%20f", "100%", "-x", "q?x", "a::b", "c:d", "n\nl", "[x]", "~a", "x" * 200)


@pytest.mark.parametrize("text", ["cam1:front.mp4", "/a/b://c.mp4", "~/b://c", "./b://c", "data:x"])
def test_a_name_with_a_colon_is_no_url(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize("text", ["s3://bucket/x", "https://host/x", "1http://me:secret@host"])
def test_what_lies_elsewhere_is_one(text: str) -> None:
    assert is_url(text)


def test_a_tilde_is_a_home_only_where_somebody_has_that_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("~/a.mp4") == tmp_path / "a.mp4"
    assert path_of("~nobody of that name.mp4") == Path("~nobody of that name.mp4")


@pytest.mark.parametrize("name", ODD)
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    workspace = Workspace(str(tmp_path / name))
    workspace.prepare()
    with workspace.publish("a/b.txt") as path:
        path.write_text("x")
    assert (tmp_path / name / "a" / "b.txt").read_text() == "x"
    assert (workspace.exists("a/b.txt"), workspace.children("a")) == (True, ["b.txt"])


def test_a_workspace_whose_name_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/w\xe9")
    with pytest.raises(UsageError, match=r"--workspace .*/w\\xe9: its name is not UTF-8; rename it"):
        Workspace(folder).prepare()
    assert not Path(folder).exists()

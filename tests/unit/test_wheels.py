import io
import tarfile
from pathlib import Path

import pytest

from pipelines.errors import WorkError
from pipelines.wheels import SourceArchive, build_model, models_of, read_members
from pipelines.workspace import Workspace


def test_what_a_killed_process_left_of_a_model_goes(workspace: Workspace) -> None:
    for name in ("whole.tflite", ".part-0123.tflite"):
        with workspace.publish(f"models/wheels/{name}") as path:
            path.write_bytes(b"model")
    with models_of(workspace) as local:
        assert local.local("models/wheels/whole.tflite").read_bytes() == b"model"
        assert local.children("models/wheels") == ["whole.tflite"]
        assert not list(local.local_root.rglob(".part-*"))


def source_archive(folder: Path, marker: Path) -> None:
    """A package whose set-up writes a file where it is run."""
    script = f"open({str(marker)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='tiny', version='1.0')"
    folder.mkdir()
    with tarfile.open(folder / "tiny-1.0.tar.gz", "w:gz") as archive:
        for name, text in (("setup.py", script), ("PKG-INFO", "Name: tiny\nVersion: 1.0\n")):
            about = tarfile.TarInfo(f"tiny-1.0/{name}")
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text.encode()))


def test_a_changed_source_archive_is_refused_before_its_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    source_archive(tmp_path / "index", ran)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(WorkError, match=r"tiny==1\.0: its SHA-256 is not the pinned one"):
        read_members(SourceArchive("tiny", "1.0", "0" * 64), ["tiny-1.0/PKG-INFO"])
    assert not ran.exists()


def test_a_model_that_comes_out_otherwise_is_not_kept(workspace: Workspace) -> None:
    with pytest.raises(WorkError, match=r"models/made\.bin: came out otherwise than pinned"):
        build_model(workspace, "models/made.bin", "0" * 64, lambda: b"other")
    assert not workspace.exists("models/made.bin")

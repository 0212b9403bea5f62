"""`animate` leaves files alone that it was not told to replace; what it makes is tested end to end."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.people import PeopleConfig
from pipelines.errors import DataError, UsageError, WorkError
from pipelines.workspace import Workspace
from training.animate import animate
from training.reel import write_image


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "photo.png").write_bytes(b"photo")
    (folder / "dance.mp4").write_bytes(b"dance")
    return folder


def attempt(files: Path, out: Path, driving: str = "dance.mp4", overwrite: bool = False) -> None:
    workspace = Workspace(str(files.parent / "workspace"))
    workspace.prepare()
    no_model = files.parent / "empty"
    no_model.mkdir(exist_ok=True)
    people, clips = PeopleConfig(), ClipsConfig()
    animate(workspace, files / "photo.png", files / driving, out, str(no_model), people, clips, overwrite=overwrite)


def state(files: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(files.iterdir())}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["itself", "other spelling", "symbolic link", "hard link", "side by side"])
def test_an_input_is_never_written_to(files: Path, kind: str, overwrite: bool) -> None:
    out, driving = files / "out.mp4", "dance.mp4"
    if kind == "itself":
        out = files / "dance.mp4"
    elif kind == "other spelling":
        out = files / ".." / "mine" / "dance.mp4"
    elif kind == "symbolic link":
        out.symlink_to(files / "dance.mp4")
    elif kind == "hard link":
        os.link(files / "dance.mp4", out)
    else:
        out, driving = files / "fresh.mp4", "fresh.side-by-side.mp4"
        (files / driving).write_bytes(b"dance")
    before = state(files)
    with pytest.raises(UsageError, match=rf"^--out .*is the same file as .*{driving}; choose another name$"):
        attempt(files, out, driving, overwrite)
    assert state(files) == before


def test_what_exists_stays_unless_it_is_said(files: Path) -> None:
    (files / "out.mp4").write_bytes(b"kept from yesterday")
    before = state(files)
    with pytest.raises(
        UsageError, match=r"^--out .*out\.mp4: exists already; choose another name, or add --overwrite$"
    ):
        attempt(files, files / "out.mp4")
    # The next thing that is missing is the model.
    with pytest.raises(WorkError, match="is not a model"):
        attempt(files, files / "out.mp4", overwrite=True)
    assert state(files) == before


def test_a_side_by_side_that_exists_stays_too(files: Path) -> None:
    (files / "new.side-by-side.mp4").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"new\.side-by-side\.mp4: exists already"):
        attempt(files, files / "new.mp4")


def test_a_link_to_nothing_is_not_replaced(files: Path) -> None:
    (files / "new.mp4").symlink_to(files / "on the disk that is not mounted.mp4")
    with pytest.raises(UsageError, match=r"new\.mp4: exists already"):
        attempt(files, files / "new.mp4")


def test_a_folder_is_not_replaced(files: Path) -> None:
    (files / "folder.mp4").mkdir()
    with pytest.raises(UsageError, match=r"folder\.mp4: is a folder; choose another name"):
        attempt(files, files / "folder.mp4", overwrite=True)


def test_what_is_not_there_cannot_be_animated(files: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        attempt(files, files / "new.mp4", "gone.mp4")


def test_a_still_is_made_only_of_a_still(files: Path) -> None:
    with pytest.raises(UsageError, match=r"new\.png: must end in \.mp4, since a video drives$"):
        attempt(files, files / "new.png")
    with pytest.raises(UsageError, match=r"new\.gif: must end in \.mp4, or where a photo drives in \.png, \.jpg"):
        attempt(files, files / "new.gif")
    Image.new("RGB", (8, 8)).save(files / "pose.png")
    with pytest.raises(WorkError, match="is not a model"):
        attempt(files, files / "new.jpg", "pose.png")


def test_numbers_of_people_that_somebody_else_drew_stay(files: Path) -> None:
    Image.new("RGB", (8, 8)).save(files / "new.people.png")
    with pytest.raises(UsageError, match=r"new\.people\.png: exists already"):
        attempt(files, files / "new.mp4")
    # What an earlier command drew may be drawn again: whoever was told to choose a number chooses it now.
    write_image(Workspace(str(files)), files / "new.people.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(WorkError, match="is not a model"):
        attempt(files, files / "new.mp4")

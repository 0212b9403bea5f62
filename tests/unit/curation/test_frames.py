"""Folders of pictures become videos, once; what is wrong with a picture is said."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pipelines.curation.frames import assemble, frames_url, is_frames
from pipelines.curation.ingest import probe
from pipelines.errors import DataError
from pipelines.workspace import Workspace


def write_pictures(folder: Path, count: int = 12, size: tuple[int, int] = (64, 48)) -> Path:
    """Smooth pictures that grow brighter, numbered without leading zeros, so that names do not sort by number."""
    folder.mkdir(parents=True, exist_ok=True)
    across = np.linspace(0, 100, size[0])[None, :, None]
    for number in range(1, count + 1):
        picture = np.broadcast_to(across + 10 * number, (size[1], size[0], 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def test_pictures_become_a_video_in_the_order_of_their_numbers(workspace: Workspace, tmp_path: Path) -> None:
    url = frames_url(write_pictures(tmp_path / "ü 1" / "images"), 30)
    assert is_frames(url)
    path = workspace.local(assemble(workspace, url, "videos/files"))
    found = probe(path, 1.0)
    assert (found["frames"], found["fps"], found["width"], found["height"]) == (12, 30, 64, 48)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for number, frame in enumerate(frames, start=1):
        truth = np.asarray(Image.open(tmp_path / "ü 1" / "images" / f"{number}.png"))
        assert np.abs(frame.astype(int) - truth).mean() < 2


def test_a_folder_whose_name_is_not_utf8_is_named_by_its_bytes(workspace: Workspace, tmp_path: Path) -> None:
    url = frames_url(write_pictures(Path(os.fsdecode(os.fsencode(tmp_path) + b"/danc\xe9")), 2), 30)
    assert url.endswith("/danc%E9?fps=30")
    assert probe(workspace.local(assemble(workspace, url, "videos/files")), 1.0)["frames"] == 2


def test_it_is_done_once(workspace: Workspace, tmp_path: Path) -> None:
    url = frames_url(write_pictures(tmp_path / "images"), 25)
    written = workspace.local(assemble(workspace, url, "videos/files")).stat().st_mtime_ns
    assert workspace.local(assemble(workspace, url, "videos/files")).stat().st_mtime_ns == written


def test_odd_sizes_lose_their_last_row(workspace: Workspace, tmp_path: Path) -> None:
    url = frames_url(write_pictures(tmp_path / "images", 2, (65, 49)), 30)
    found = probe(workspace.local(assemble(workspace, url, "videos/files")), 1.0)
    assert (found["width"], found["height"]) == (64, 48)


def test_what_is_wrong_with_pictures(workspace: Workspace, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "images", 2)
    write_pictures(tmp_path / "other", 3, (32, 48))
    (tmp_path / "other" / "3.png").rename(folder / "3.png")
    with pytest.raises(DataError, match=r"3\.png: is 32 x 48 pixels where the first picture is 64 x 48"):
        assemble(workspace, frames_url(folder, 30), "videos/files")
    (folder / "3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"3\.png: is not a readable image"):
        assemble(workspace, frames_url(folder, 30), "videos/files")
    for url in ("frames:///a", "frames:///a?fps=nan", "frames:///a?fps=0", "frames:///a?fps=999", "frames://a?fps=30"):
        with pytest.raises(DataError, match="is no folder of pictures with a rate"):
            assemble(workspace, url, "videos/files")
    with pytest.raises(DataError, match="gone: holds no pictures"):
        assemble(workspace, frames_url(tmp_path / "gone", 30), "videos/files")
    assert workspace.children("videos/files") == []

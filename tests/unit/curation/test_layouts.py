"""A tiny folder laid out as each public set is."""

from pathlib import Path

import pytest

from pipelines import manifest as manifests
from pipelines.curation.frames import frames_url
from pipelines.curation.ingest import STAGE, VideosConfig
from pipelines.curation.layouts import LAYOUTS, read_layout
from pipelines.curation.listing import list_sources, write_batch
from pipelines.engine import Engine
from pipelines.errors import UsageError
from pipelines.stage import run_stage
from pipelines.workspace import Workspace
from tests.unit.curation.test_frames import write_pictures


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_humanvid(tmp_path: Path) -> None:
    link = "https://videos.pexels.com/video-files/{0}/{0}-hd_1920_1080_25fps.mp4"
    folder = fill(
        tmp_path,
        {
            "pexels-horizontal-urls-new.txt": f"{link.format(1)}\n{link.format(2)}\n",
            "pexels-vertical-urls-new.txt": f"{link.format(3)}\r\n\r\n",
            "old_invalid_urls/pexels-vertical-urls.txt": link.format(5),
            "data/test_set/pexels-test-urls.txt": link.format(4),
            "camera/horizontal/1-hd_1920_1080_25fps.txt": "0 0.0 0.0 0.0 0.0 0.0 0.0 1.0\n",
            "videos/2-hd_1920_1080_25fps.mp4": "fetched",
        },
    )
    assert [(entry["url"], entry["source"]) for entry in read_layout("humanvid", folder)] == [
        (link.format(1), "HumanVid, horizontal list"),
        (str(folder / "videos/2-hd_1920_1080_25fps.mp4"), "HumanVid, horizontal list"),
        (link.format(3), "HumanVid, vertical list"),
        (link.format(4), "HumanVid, test list"),
    ]


def test_ubc(tmp_path: Path) -> None:
    link = "https://shop.example.org/images/I/{}.mp4"
    folder = fill(
        tmp_path,
        {
            "fashion_train.txt": f"{link.format('A1b+2CdEfGh')}\n{link.format('92AbCdEfGhI')}\n",
            "fashion_test.txt": f"{link.format('91AbCdEfGhI')}\n",
            "train/92AbCdEfGhI.mp4": "fetched",
        },
    )
    assert [(entry["url"], entry["source"]) for entry in read_layout("ubc", folder)] == [
        (link.format("91AbCdEfGhI"), "UBC Fashion, test list"),
        (link.format("A1b+2CdEfGh"), "UBC Fashion, train list"),
        (str(folder / "train/92AbCdEfGhI.mp4"), "UBC Fashion, train list"),
    ]


def test_openhumanvid(tmp_path: Path) -> None:
    one, two, gone = "0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d", "00112233001122330011223300112233", "ffee" * 8
    folder = fill(
        tmp_path,
        {
            f"part_001/0a/1b/{one}": "a clip without a suffix",
            f"part_001/00/11/{two}.mp4": "one with",
            "OpenHumanVid_part_001.csv": f"clip_id,path,caption\n{one},clips/part_001/0a/1b/{one},a man\n{gone},x,y\n",
            "README.md": "no clip",
        },
    )
    found = [Path(str(entry["url"])).name for entry in read_layout("openhumanvid", folder)]
    assert found == [f"{two}.mp4", one]


def test_tiktok_from_pictures_to_a_video(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "TikTok_dataset"
    for number in ("00001", "00002"):
        write_pictures(folder / number / "images", 15 + int(number))
        write_pictures(folder / number / "masks", 2)
    fill(folder, {"00003/images/notes.txt": "no pictures"})
    rows = list_sources([str(folder)], None, None, layout="tiktok")
    assert [(row["url"], row["source"]) for row in rows] == [
        (frames_url(folder / "00001" / "images", 30), "TikTok dances"),
        (frames_url(folder / "00002" / "images", 30), "TikTok dances"),
    ]
    batch = write_batch(workspace, rows)
    result = run_stage(STAGE, workspace, VideosConfig(), Engine(1), batch, quiet=True)
    assert result.counts.kept == 2
    videos = manifests.read(workspace, f"videos/{batch}").rows()
    assert {(row["frames"], row["fps"], row["licence"]) for row in videos} == {
        (16, 30.0, "not stated; treat as research only"),
        (17, 30.0, "not stated; treat as research only"),
    }


@pytest.mark.parametrize("name", LAYOUTS)
def test_folder_of_another_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"is not laid out like {name}, which has "):
        read_layout(name, tmp_path)


def test_hostile_list(tmp_path: Path) -> None:
    fill(tmp_path, {"fashion_train.txt": "https://host/a.mp4\nfile:///etc/passwd\n"})
    with pytest.raises(UsageError, match=r"fashion_train\.txt: line 2 is no link"):
        read_layout("ubc", tmp_path)


def test_unknown_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--layout kinetics: is not known; choose among humanvid, openhumanvid"):
        read_layout("kinetics", tmp_path)

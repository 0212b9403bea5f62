"""The benchmark of real people, on one photo and one clip of the labels in the repository."""

import json
from pathlib import Path

import pytest

from tests.real.draw import draw_all
from tests.real.run import Report, figures, measure, tables

LABELS = Path(__file__).resolve().parents[1] / "real" / "labels"
PHOTO = "coco_000000000785.jpg"


@pytest.fixture(scope="module")
def report(clips: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("labelled")
    content = json.loads((LABELS / "photos.json").read_text("utf-8"))
    content["images"] = [image for image in content["images"] if image["file_name"] == PHOTO]
    number = content["images"][0]["id"]
    content["annotations"] = [label for label in content["annotations"] if label["image_id"] == number]
    (folder / "photos.json").write_text(json.dumps(content))
    (folder / PHOTO).symlink_to(photos / PHOTO)
    (folder / "eat.mkv").symlink_to(clips / "asl" / "eat.mkv")
    (folder / "clips.csv").write_text("clip,verdict,hands,people\neat.mkv,kept,0.3,1\n")
    return measure([folder])


def test_a_skier_and_a_signer_are_found_and_kept(report: Report) -> None:
    found = figures(report)
    assert report.counts.people == report.counts.animated == report.counts.heads == (1, 1)
    assert report.counts.hands == (2, 2)
    assert found["body"] is not None
    assert found["body"] > 0.9
    assert found["kept"] == found["people_in_clips"] == 1
    assert found["hands_found"] == 1
    assert found["speed"] is not None
    assert 0.01 < found["speed"] < 10
    assert "1 photos and frames with 1 people to find, 1 clips of 2 s." in tables(report)


def test_what_was_found_is_drawn(report: Report, tmp_path: Path) -> None:
    draw_all(report.photos, report.judged, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clip000_eat_mkv.png",
        "photo000_coco_000000000785_jpg.png",
    ]

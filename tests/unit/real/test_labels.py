"""Labels as others publish them become the same people; what cannot be read is said in words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.errors import UsageError
from tests.real.labels import Clip, read_material

LABELS = Path(__file__).resolve().parents[2] / "real" / "labels"


def write(folder: Path, names: list[str], *labels: dict[str, Any], image: str = "a.jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jpg").touch()
    content = {
        "images": [{"id": 7, "file_name": image, "width": 400, "height": 300}],
        "annotations": [{"image_id": 7, "category_id": 1, "id": k} | label for k, label in enumerate(labels)],
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }
    (folder / "coco.json").write_text(json.dumps(content))


def test_points_are_taken_by_name_and_boxes_as_corners(tmp_path: Path) -> None:
    label = {"bbox": [10, 20, 100, 200], "keypoints": [1, 2, 2, 3, 4, 2, 5, 6, 1], "hbox": [30, 20, 40, 50]}
    label |= {"lefthand_box": [1, 1, 9, 9], "lefthand_valid": False, "righthand_box": [5, 6, 7, 8]}
    write(tmp_path, ["Right-Shoulder", "Head top", "left_wrist"], label)
    (picture,) = read_material([tmp_path]).pictures
    (person,) = picture.people
    assert (picture.name, picture.size) == ("a.jpg", (400, 300))
    assert person.box.tolist() == [10, 20, 110, 220]
    assert np.argwhere(person.points[:, 2]).tolist() == [[kp.BODY.index("right_shoulder")]]
    assert person.points[kp.BODY.index("right_shoulder")].tolist() == [1, 2, 1]
    assert {name: box.tolist() for name, box in person.parts.items()} == {
        "head": [30, 20, 70, 70],
        "right_hand": [5, 6, 12, 14],
    }


def test_crowds_are_left_out_and_a_missing_box_is_around_the_points(tmp_path: Path) -> None:
    points = [10, 10, 2, 110, 60, 2]
    write(
        tmp_path, ["nose", "left_hip"], {"iscrowd": 1, "bbox": [0, 0, 9, 9], "keypoints": points}, {"keypoints": points}
    )
    (picture,) = read_material([tmp_path]).pictures
    assert [person.box.tolist() for person in picture.people] == [[0, 0, 120, 70]]


def test_a_picture_is_found_by_the_end_of_its_path_and_the_fuller_label_counts(tmp_path: Path) -> None:
    for folder in ("b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").touch()
    box = {"bbox": [0, 0, 100, 100]}
    write(tmp_path / "x", ["nose", "left_hip"], box | {"keypoints": [1, 1, 2, 0, 0, 0]}, image="set/c/1.png")
    write(tmp_path / "y", ["nose", "left_hip"], box | {"keypoints": [1, 1, 2, 5, 5, 2]}, image="c/1.png")
    write(tmp_path / "z", ["nose", "left_hip"], box | {"keypoints": [1, 1, 2, 0, 0, 0]}, image="c/2.png")
    material = read_material([tmp_path])
    assert [picture.path for picture in material.pictures] == [(tmp_path / "c" / "1.png").resolve()]
    assert material.pictures[0].people[0].told == 2
    assert material.missing == ("c/2.png",)


def test_frames_of_videos_are_named_by_their_second(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").touch()
    write(tmp_path, ["nose"], {"bbox": [0, 0, 9, 9], "keypoints": [1, 1, 2]}, image="v.mp4#t=1.5")
    (picture,) = read_material([tmp_path]).pictures
    assert (picture.path.name, picture.time) == ("v.mp4", 1.5)


def test_clips_come_from_globs_with_what_is_expected(tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mkv", "c.mp4"):
        (tmp_path / name).touch()
    lines = "clip,verdict,hands,people\n*.mkv,kept,0.5,1\nc.mp4,rejected,,\nd.mp4,any,,\n"
    (tmp_path / "clips.csv").write_text(lines)
    material = read_material([tmp_path])
    folder = tmp_path.resolve()
    assert material.clips == (
        Clip("a.mkv", folder / "a.mkv", "kept", "", 0.5, 1),
        Clip("b.mkv", folder / "b.mkv", "kept", "", 0.5, 1),
        Clip("c.mp4", folder / "c.mp4", "rejected"),
    )
    assert material.missing == ("d.mp4",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "a.json: is not JSON"),
        ("clips.csv", "clip,verdict\na.mkv,maybe\n", "clips.csv: line 2 has not a clip and a verdict"),
        ("clips.csv", "clip,verdict,hands\na.mkv,kept,most\n", "clips.csv: line 2 has no number"),
        ("a.json", "[1]", "holds no COCO keypoint file"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=said):
        read_material([tmp_path])


def test_the_labels_of_the_repository_lie_in_their_pictures() -> None:
    for file, least in (("photos.json", 9), ("frames.json", 10)):
        content = json.loads((LABELS / file).read_text("utf-8"))
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        assert len(sizes) >= least
        for label in content["annotations"]:
            width, height = sizes[label["image_id"]]
            for x, y, flag in np.reshape(label["keypoints"], (-1, 3)):
                assert flag == 0 or (0 <= x <= width and 0 <= y <= height)
            for key in ("bbox", "head_box", "lefthand_box", "righthand_box"):
                if key in label:
                    x, y, wide, high = label[key]
                    assert x >= 0
                    assert y >= 0
                    assert x + wide <= width
                    assert y + high <= height

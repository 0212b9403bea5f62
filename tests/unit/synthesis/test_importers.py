"""Motion files of every dialect give back the pose that they were written from; bad ones say what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.synthesis.body import Pose
from pipelines.synthesis.importers import read_motion
from pipelines.synthesis.skeleton import LIMITS, Skeleton
from tests.unit.synthesis.motion_files import dialect, placed, write_bvh

LIMBS = {
    **{f"{bone}.{side}": f"{end}.{side}" for side in "LR" for bone, end in (
        ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist"), ("wrist", "finger3-1"), ("upperleg01", "lowerleg01"),
        ("lowerleg01", "foot"), ("foot", "toe2-1"), ("clavicle", "shoulder01"))},
    "spine05": "spine04", "spine03": "spine02", "spine01": "neck01", "neck01": "neck02", "neck03": "head",
    "head": "eye.L",
}  # fmt: skip
FINGERS = {f"finger{f}-{j}.{side}": f"finger{f}-{j + 1}.{side}" for side in "LR" for f in range(1, 6) for j in (1, 2)}


def moving(skeleton: Skeleton, frames: int = 8) -> Pose:
    """Poses drawn within the limits of the joints, between which the hips travel."""
    rng = np.random.default_rng(4)
    middle = {name: (low + high) / 2 for name, (low, high) in LIMITS.items()}
    angles = {name: middle[name] + rng.normal(0, (high - low) / 8, frames) for name, (low, high) in LIMITS.items()}
    pose = skeleton.pose(angles | {"facing": np.zeros(frames), "tilt": np.zeros(frames)}, {})
    return Pose(pose.rotations, np.linspace([0, 0, 0], [0.5, -1, 0], frames).astype(np.float32), {})


def angles(skeleton: Skeleton, ours: Pose, found: Pose, bones: dict[str, str]) -> dict[str, float]:
    """The largest angle between the directions of each bone, degrees."""
    here, there = placed(skeleton, ours)[1], placed(skeleton, found)[1]
    worst = {}
    for bone, end in bones.items():
        a, b = here[end] - here[bone], there[end] - there[bone]
        worst[bone] = float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(1))).max())
    return worst


@pytest.mark.parametrize("name", ["mixamo", "humanik", "rokoko", "xsens", "smpl", "biped", "unreal"])
def test_dialects_give_back_the_pose(skeleton: Skeleton, tmp_path: Path, name: str) -> None:
    pose, names, path = moving(skeleton), dialect(name), tmp_path / "moves.bvh"
    write_bvh(path, skeleton, pose, names)
    found = read_motion(path, skeleton, 30)
    bones = dict(LIMBS)
    if "index1.L" in names:
        bones |= FINGERS
    else:
        # Nothing tells where a hand without fingers points.
        bones = {bone: end for bone, end in bones.items() if not bone.startswith("wrist")}
    worst = angles(skeleton, pose, found.pose, bones)
    assert {bone: angle for bone, angle in worst.items() if angle > 2} == {}
    assert found.fps == pytest.approx(30, abs=0.01)
    steps = np.diff(found.pose.translation[:, :2], axis=0)
    assert np.allclose(steps, np.diff(pose.translation[:, :2], axis=0), atol=0.02)

"""Motion files of every dialect give back the pose that they were written from; bad ones say what is wrong."""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipelines.errors import DataError
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.importers import amass, read_motion
from pipelines.synthesis.movement.importers.names import roles
from pipelines.synthesis.movement.skeleton import LIMITS, Skeleton
from tests.unit.synthesis.motion_files import Y_UP, dialect, joints_of, placed, write_bvh

LIMBS = {
    **{f"{bone}.{side}": f"{end}.{side}" for side in "LR" for bone, end in (
        ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist"), ("wrist", "finger3-1"), ("upperleg01", "lowerleg01"),
        ("lowerleg01", "foot"), ("foot", "toe2-1"), ("clavicle", "shoulder01"))},
    "spine05": "spine04", "spine03": "spine02", "spine01": "neck01", "neck01": "neck02", "neck03": "head",
    "head": "eye.L",
}  # fmt: skip
# Not bones: across the palm, which tells the roll of the hand.
PALMS = {f"finger5-1.{side}": f"finger2-1.{side}" for side in "LR"}
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
        assert max(angles(skeleton, pose, found.pose, PALMS).values()) < 0.1
        bones |= FINGERS
    else:
        # Nothing tells where a hand without fingers points.
        bones = {bone: end for bone, end in bones.items() if not bone.startswith("wrist")}
    worst = angles(skeleton, pose, found.pose, bones)
    assert {bone: angle for bone, angle in worst.items() if angle > 0.1} == {}
    assert found.fps == pytest.approx(30, abs=0.01)
    steps = np.diff(found.pose.translation[:, :2], axis=0)
    assert np.allclose(steps, np.diff(pose.translation[:, :2], axis=0), atol=0.02)


@pytest.mark.parametrize(
    "change",
    [{"order": "XYZ"}, {"order": "YXZ"}, {"y_up": False}, {"unit": 1.0}, {"unit": 39.37}, {"fps": 120.0}],
    ids=str,
)
def test_order_of_channels_axes_units_and_rates(skeleton: Skeleton, tmp_path: Path, change: dict[str, object]) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.bvh"
    write_bvh(path, skeleton, pose, dialect("mixamo"), **change)  # type: ignore[arg-type]
    found = read_motion(path, skeleton, 30)
    stride = 4 if "fps" in change else 1
    kept = Pose({bone: turns[::stride] for bone, turns in pose.rotations.items()}, pose.translation[::stride], {})
    assert max(angles(skeleton, kept, found.pose, LIMBS | FINGERS).values()) < 0.1
    assert found.fps == pytest.approx(30, abs=0.01)
    assert np.allclose(np.ptp(found.pose.translation, 0)[:2], np.ptp(kept.translation, 0)[:2], atol=0.02)


def test_a_rest_pose_that_nobody_can_take_is_replaced_by_a_frame(skeleton: Skeleton, tmp_path: Path) -> None:
    """LAFAN's offsets put all bones on one axis; the truth is then in the frames."""
    straight = skeleton.pose({"facing": np.zeros(1), **{k: np.zeros(1) for k in LIMITS if k.endswith("arm_raise")}}, {})
    pose = moving(skeleton)
    joined = {bone: np.concatenate([straight.rotations[bone], turns]) for bone, turns in pose.rotations.items()}
    pose = Pose(joined, np.concatenate([pose.translation[:1], pose.translation]), {})
    path, names = tmp_path / "lafan.bvh", dialect("humanik")
    write_bvh(
        path, skeleton, pose, {joint: name for joint, name in names.items() if joint[-3:-2] not in "123"}, along_x=True
    )
    found = read_motion(path, skeleton, 30)
    bones = {bone: end for bone, end in LIMBS.items() if not bone.startswith(("wrist", "clavicle"))}
    assert {bone: angle for bone, angle in angles(skeleton, pose, found.pose, bones).items() if angle > 8} == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Frames: ", "Frames:"),
        ("Frame Time: ", "Frame Time:"),
        ("End Site", "End site"),
        ("HIERARCHY\nROOT", "Hierarchy\nRoot"),
        ("MOTION\n", "Motion\r\n"),
    ],
)
def test_what_exporters_write_otherwise_is_read(skeleton: Skeleton, tmp_path: Path, old: str, new: str) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.bvh"
    write_bvh(path, skeleton, pose, dialect("mixamo"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert max(angles(skeleton, pose, read_motion(path, skeleton, 30).pose, LIMBS | FINGERS).values()) < 0.1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(skeleton: Skeleton, tmp_path: Path, encoding: str) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.bvh"
    write_bvh(path, skeleton, pose, dialect("mixamo"))
    path.write_text(path.read_text(), encoding=encoding)
    assert max(angles(skeleton, pose, read_motion(path, skeleton, 30).pose, LIMBS | FINGERS).values()) < 0.1


@pytest.mark.parametrize(("seconds", "rate"), [("0.016667", 30), ("0.0083333", 30), ("0.008333", 30), ("0.04", 25)])
def test_rounded_frame_times_are_thinned_as_what_they_mean(
    skeleton: Skeleton, tmp_path: Path, seconds: str, rate: float
) -> None:
    path = tmp_path / "moves.bvh"
    write_bvh(path, skeleton, moving(skeleton), dialect("mixamo"))
    path.write_text(edited(path.read_text(), "Frame Time: 0.03333333", f"Frame Time: {seconds}"))
    assert read_motion(path, skeleton, 30).fps == pytest.approx(rate, rel=1e-3)


def test_the_lowest_ankle_stands_on_the_floor(skeleton: Skeleton, tmp_path: Path) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.bvh"
    write_bvh(path, skeleton, pose, dialect("mixamo"))
    found = read_motion(path, skeleton, 30).pose
    _, place = placed(skeleton, found)
    ankles = np.stack([place["foot.L"], place["foot.R"]])
    assert ankles[..., 2].min() == pytest.approx(skeleton.heads["foot.L"][2], abs=0.02)
    assert np.allclose(found.translation[0, :2], 0)


def test_fingers_and_sides_of_all_dialects_are_known() -> None:
    for name in ("mixamo", "humanik", "rokoko", "xsens", "smpl", "biped", "unreal"):
        names = dialect(name)
        found, spine, neck, missing = roles(list(names.values()))
        assert missing == []
        assert {role: called for role, called in names.items() if not role.startswith(("spine", "neck"))} == found, name
        assert spine == tuple(called for role, called in names.items() if role.startswith("spine"))
        assert neck == tuple(called for role, called in names.items() if role.startswith("neck"))


def write_amass(path: Path, skeleton: Skeleton, pose: Pose, joints: tuple[str, ...], **changes: object) -> None:
    """Poses of our skeleton as SMPL's axis-angles, in AMASS's world (z up)."""
    ours = {"spine1": "spine1", "spine2": "spine3", "spine3": "spine5", "neck1": "neck2"}
    turned, rest, _ = joints_of(skeleton, pose)
    smpl = amass._rest_pose()
    world = {}
    for joint in joints:
        name = ours.get(joint, joint)
        if name not in turned:
            world[joint] = world[amass._parent(joint)]
            continue
        world[joint] = Y_UP @ turned[name] @ aligned(joint, rest, smpl).T @ Y_UP.T
    turns = []
    for joint in joints:
        above = Y_UP.T if joint == "hips" else world[amass._parent(joint)].transpose(0, 2, 1)
        local = above @ world[joint]
        turns.append(Rotation.from_matrix(local).as_rotvec())
    arrays = {"poses": np.concatenate(turns, 1), "trans": pose.translation, "mocap_framerate": np.array(30.0)}
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})


def aligned(joint: str, rest: dict[str, np.ndarray], smpl: dict[str, np.ndarray]) -> np.ndarray:
    """The rotation from the direction that a bone has in SMPL's T to that in ours."""
    base, _, side = joint.partition(".")
    ends = {"thigh": "shin", "shin": "foot", "arm": "forearm", "forearm": "hand", "hand": "middle1"}
    end = ends.get(base) or (f"{base[:-1]}{int(base[-1]) + 1}" if side and base[-1] in "12" else None)
    if end is None and side and base[-1] == "3":
        return aligned(f"{base[:-1]}2.{side}", rest, smpl)
    if end is None:
        return np.eye(3)
    mine = rest[f"{end}.{side}"] - rest[joint]
    theirs = Y_UP.T @ (smpl[f"{end}.{side}"] - smpl[joint])
    return Rotation.align_vectors(theirs[None], mine[None])[0].as_matrix()


SMPLH, SMPLX = (*amass.BODY_JOINTS, *amass.HAND_JOINTS), (*amass.BODY_JOINTS, *amass.FACE_JOINTS, *amass.HAND_JOINTS)
STEPS = {bone: end for bone, end in (LIMBS | FINGERS).items() if bone.startswith(
    ("upper", "lower", "wrist", "finger", "foot", "head"))}  # fmt: skip


@pytest.mark.parametrize("joints", [SMPLH, SMPLX], ids=["SMPL-H", "SMPL-X"])
def test_amass_gives_back_the_pose(skeleton: Skeleton, tmp_path: Path, joints: tuple[str, ...]) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.npz"
    write_amass(path, skeleton, pose, joints)
    found = read_motion(path, skeleton, 30)
    worst = angles(skeleton, pose, found.pose, STEPS)
    assert {bone: angle for bone, angle in worst.items() if angle > 0.1} == {}
    scale = np.ptp(found.pose.translation[:, 1]) / np.ptp(pose.translation[:, 1])
    assert 1.0 < scale < 1.2  # our legs are longer than theirs


@pytest.mark.parametrize("up", [np.eye(3), np.diag([1.0, -1, -1])], ids=["y", "camera"])
def test_poses_in_another_world_than_that_of_amass_stand(skeleton: Skeleton, tmp_path: Path, up: np.ndarray) -> None:
    """BEAT2 has AMASS's keys, and y up."""
    pose, path = moving(skeleton), tmp_path / "moves.npz"
    write_amass(path, skeleton, pose, SMPLX)
    with np.load(path) as file:
        turns, moved = file["poses"], file["trans"]
    turns[:, :3] = (Rotation.from_matrix(up @ Y_UP) * Rotation.from_rotvec(turns[:, :3])).as_rotvec()
    rate = {"mocap_frame_rate": np.array(30)}
    np.savez(path, poses=turns, trans=moved @ (up @ Y_UP).T, betas=np.zeros(300), model="smplx2020", **rate)
    found = read_motion(path, skeleton, 30).pose
    assert max(angles(skeleton, pose, found, STEPS).values()) < 0.1
    assert np.ptp(found.translation[:, 2]) < 0.2 * np.ptp(found.translation[:, 1])


def test_who_lies_for_a_while_in_the_world_of_amass_still_lies(skeleton: Skeleton, tmp_path: Path) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.npz"
    write_amass(path, skeleton, pose, SMPLX)
    with np.load(path) as file:
        turns = file["poses"]
        lying = Rotation.from_euler("x", -90, degrees=True) * Rotation.from_rotvec(turns[4:, :3])
        turns[4:, :3] = lying.as_rotvec()
        np.savez(path, poses=turns, trans=file["trans"], mocap_framerate=np.array(30))
    _, place = placed(skeleton, read_motion(path, skeleton, 30).pose)
    trunk = place["head"] - place["root"]
    assert (trunk[:4, 2] > 0.4).all()
    assert (np.abs(trunk[4:, 2]) < 0.3).all()


@pytest.mark.parametrize("up", [np.eye(3), np.diag([1.0, -1, -1]), Y_UP.T], ids=["y", "camera", "z"])
def test_parameters_of_smplx_in_any_world(skeleton: Skeleton, tmp_path: Path, up: np.ndarray) -> None:
    pose, path = moving(skeleton), tmp_path / "moves.npz"
    write_amass(path, skeleton, pose, SMPLX)
    with np.load(path) as file:
        turns = file["poses"].reshape(pose.frames, -1, 3)
    first = Rotation.from_matrix(up @ Y_UP) * Rotation.from_rotvec(turns[:, 0])
    jaw = np.tile([0.175, 0, 0], (pose.frames, 1))
    np.savez(
        path, global_orient=first.as_rotvec(), body_pose=turns[:, 1:22], left_hand_pose=turns[:, 25:40],
        right_hand_pose=turns[:, 40:].reshape(pose.frames, 45), jaw_pose=jaw, leye_pose=0 * jaw, reye_pose=0 * jaw,
        expression=np.zeros((pose.frames, 10)), transl=np.zeros((pose.frames, 3)),
    )  # fmt: skip
    found = read_motion(path, skeleton, 30)
    assert max(angles(skeleton, pose, found.pose, STEPS).values()) < 0.1
    assert np.allclose(found.pose.actions["jawOpen"], 0.5)
    assert found.fps == 30


BAD_AMASS = [
    ({"poses": np.zeros((4, 72))}, r"poses has shape \(4, 72\); 156"),
    ({"poses": np.full((4, 156), np.nan)}, "poses holds numbers that are not finite"),
    ({"poses": np.array([{}], object)}, "not a readable npz"),
    ({"trans": np.zeros((3, 3))}, r"trans has shape \(3, 3\), but there are 4 frames"),
    ({"mocap_framerate": None}, "has no mocap_framerate"),
    ({"mocap_framerate": np.array(0.0)}, "mocap_framerate is 0"),
    ({"poses": None}, "neither poses .* but mocap_framerate, trans"),
    ({"poses": None, "body_pose": np.zeros((4, 63)), "left_hand_pose": np.zeros((4, 6))}, "left_hand_pose has shape"),
    ({"poses": np.zeros((20_001, 156)), "trans": np.zeros((20_001, 3))}, "more than 20,000 frames"),
]


@pytest.mark.parametrize(("change", "message"), BAD_AMASS, ids=[message for _, message in BAD_AMASS])
def test_bad_npz_is_one_sentence(skeleton: Skeleton, tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "bad.npz"
    arrays = {"poses": np.zeros((4, 156)), "trans": np.zeros((4, 3)), "mocap_framerate": np.array(30.0), **change}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message) as error:
        read_motion(path, skeleton, 30)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_zip_that_unpacks_to_gigabytes_is_refused(
    skeleton: Skeleton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amass, "MOST_BYTES", 10_000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, poses=np.zeros((1000, 156)))
    with zipfile.ZipFile(path) as archive:
        assert sum(member.compress_size for member in archive.infolist()) < 10_000
    with pytest.raises(DataError, match="unpacks to more"):
        read_motion(path, skeleton, 30)


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LeftForeArm", "Tentacle", "recognised as forearm.L among .*Hips, .*Tentacle"),
        ("MOTION", "MOTIONLESS", "no HIERARCHY and MOTION"),
        ("HIERARCHY", "HIER", "no HIERARCHY"),
        ("Frames: 8", "Frames: 1000000000000", "1,000,000,000,000 frames .* are promised"),
        ("Frames: 8", "Frames: 9", "9 frames of .* are promised"),
        ("Frames: 8", "Frames: eight", "header is damaged"),
        ("Frame Time: 0.03", "Frame Time: 0.000000", "Frame Time"),
        ("Zrotation", "Wrotation", "hierarchy or header is damaged"),
        ("{", "{ {", "hierarchy or header is damaged"),
        ("CHANNELS 3", "CHANNELS 4000000000", "hierarchy or header is damaged"),
        ("End Site", "JOINT", "hierarchy or header is damaged"),
        ("OFFSET 0", "OFFSET nowhere", "hierarchy or header is damaged"),
        ("OFFSET 0", "OFFSET 0 nan 0 #", "hierarchy or header is damaged"),
    ],
)
def test_bad_bvh_is_one_sentence(skeleton: Skeleton, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "bad.bvh"
    write_bvh(path, skeleton, moving(skeleton), dialect("mixamo"))
    path.write_text(edited(path.read_text(), old, new))
    with pytest.raises(DataError, match=message) as error:
        read_motion(path, skeleton, 30)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("end", [" 1.0 nan", " x", ""])
def test_torn_or_poisoned_numbers_are_refused(skeleton: Skeleton, tmp_path: Path, end: str) -> None:
    path = tmp_path / "bad.bvh"
    write_bvh(path, skeleton, moving(skeleton), dialect("mixamo"))
    words = path.read_text().rstrip().rsplit(" ", end.count(" ") or 40)
    path.write_text(words[0] + end)
    with pytest.raises(DataError, match="numbers"):
        read_motion(path, skeleton, 30)


def test_other_suffixes_are_named(skeleton: Skeleton, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"moves\.fbx: .* use \.bvh or \.npz"):
        read_motion(tmp_path / "moves.fbx", skeleton, 30)


LINES = (
    "", "{", "}", "End Site", "JOINT x", "CHANNELS 3 X Y Z", "OFFSET 1e300 0 0", "OFFSET nan 0 0", "Frames: -1", "nan",
    "CHANNELS 1 Zrotation", "MOTION",
)  # fmt: skip


def read_or_refused(skeleton: Skeleton, path: Path) -> None:
    try:
        pose = read_motion(path, skeleton, 30).pose
    except DataError as error:
        refusal = str(error)
    else:
        refusal = str(path)
        assert all(np.isfinite(values).all() for values in (pose.translation, *pose.rotations.values()))
    assert refusal.startswith(str(path))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(LINES)), min_size=1, max_size=3))
def test_lines_changed_at_random_are_read_or_refused(skeleton: Skeleton, changes: list[tuple[int, str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bad.bvh"
        write_bvh(path, skeleton, moving(skeleton, 2), dialect("xsens"))
        lines = path.read_text().split("\n")
        for number, line in changes:
            lines[number % len(lines)] = line
        path.write_text("\n".join(lines))
        read_or_refused(skeleton, path)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=5))
def test_bytes_changed_at_random_are_read_or_refused(skeleton: Skeleton, changes: list[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bad.npz"
        write_amass(path, skeleton, moving(skeleton, 2), SMPLH)
        content = bytearray(path.read_bytes())
        for place, value in changes:
            content[place % len(content)] = value
        path.write_bytes(content)
        read_or_refused(skeleton, path)

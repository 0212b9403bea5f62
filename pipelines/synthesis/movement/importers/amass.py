"""Motion in SMPL's parameters: AMASS (SMPL-H and SMPL-X) and files of SMPL-X parameters, npz both.

Axis-angles per joint in SMPL's order (Loper et al., 2015; SMPL-X: Pavlakos et al., 2019), y-up rest pose: a T with
palms down, facing +z. Their body files are licensed, so the rest pose here is the T that its authors describe, limbs
along the axes; that is some degrees from theirs. Hands are relative to a flat hand. Expressions are not used: their
axes have no names.
"""

import zipfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from pipelines.errors import DataError
from pipelines.synthesis.movement.importers.retarget import SIDES, Array, Source, stride_of

MOST_BYTES = 1_000_000_000
BODY_JOINTS = (
    "hips", "thigh.L", "thigh.R", "spine1", "shin.L", "shin.R", "spine2", "foot.L", "foot.R", "spine3", "toe.L",
    "toe.R", "neck1", "collar.L", "collar.R", "head", "arm.L", "arm.R", "forearm.L", "forearm.R", "hand.L", "hand.R",
)  # fmt: skip
FACE_JOINTS = ("jaw", "eye.L", "eye.R")
HAND_JOINTS = tuple(
    f"{finger}{joint}.{side}" for side in SIDES
    for finger in ("index", "middle", "little", "ring", "thumb") for joint in (1, 2, 3)
)  # fmt: skip
_PARENT = {
    "hips": "", "thigh": "hips", "shin": "thigh", "foot": "shin", "toe": "foot", "spine1": "hips", "spine2": "spine1",
    "spine3": "spine2", "neck1": "spine3", "head": "neck1", "collar": "spine3", "arm": "collar", "forearm": "arm",
    "hand": "forearm", "jaw": "head", "eye": "head",
}  # fmt: skip
# Metres from the middle of the hips, y up, facing +z; the left half.
_REST = {
    "hips": (0, 0.08, 0), "spine1": (0, 0.2, 0), "spine2": (0, 0.33, 0), "spine3": (0, 0.39, 0), "neck1": (0, 0.6, 0),
    "head": (0, 0.67, 0), "thigh": (0.07, 0, 0), "shin": (0.07, -0.4, 0), "foot": (0.07, -0.82, 0),
    "toe": (0.07, -0.88, 0.13), "collar": (0.08, 0.52, 0), "arm": (0.18, 0.54, 0), "forearm": (0.44, 0.54, 0),
    "hand": (0.69, 0.54, 0), "jaw": (0, 0.66, 0.02), "eye": (0.03, 0.73, 0.07),
}  # fmt: skip
# Knuckles relative to the wrist, and the way each finger points.
_KNUCKLES = {
    "index": ((0.095, 0, 0.022), (1, 0, 0)), "middle": ((0.095, 0, 0), (1, 0, 0)),
    "ring": ((0.09, 0, -0.02), (1, 0, 0)), "little": ((0.08, 0, -0.038), (1, 0, 0)),
    "thumb": ((0.02, -0.01, 0.025), (0.72, -0.2, 0.66)),
}  # fmt: skip
_PHALANX = 0.027
_UPRIGHT = 0.8  # of a trunk along an axis: who lies or crawls for a while turns round meanwhile
WIDE_JAW, FAR_GAZE = 0.35, 0.5  # radians at which the actions reach 1
# The parts of a file of parameters, in an order that has parents first.
_PARAMETERS = {
    "global_orient": BODY_JOINTS[:1], "body_pose": BODY_JOINTS[1:], "jaw_pose": FACE_JOINTS[:1],
    "leye_pose": FACE_JOINTS[1:2], "reye_pose": FACE_JOINTS[2:], "left_hand_pose": HAND_JOINTS[:15],
    "right_hand_pose": HAND_JOINTS[15:],
}  # fmt: skip
_RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
_WANTED = {"poses", "trans", "transl", *_PARAMETERS, *_RATES}
_PAIRED = {"thigh", "shin", "foot", "toe", "collar", "arm", "forearm", "hand", "eye"}


def read_smpl(path: Path, most_fps: float, most_frames: int) -> Source:
    """Raises: DataError where the file is no usable motion, naming the key."""
    arrays, others = _read(path)
    if "poses" in arrays:
        fps = _rate(path, arrays, None)
        poses = _amass(path, arrays["poses"])
        moved = _moved(path, "trans", arrays, poses)
        up = _up_of_amass(poses["hips"])
    elif "body_pose" in arrays:
        fps = _rate(path, arrays, 30.0)
        poses = _parameters(path, arrays)
        moved = _moved(path, "transl", arrays, poses)
        up = _trunk_up(poses["hips"])
    else:
        found = ", ".join(sorted({*arrays, *others}))[:300] or "nothing"
        raise DataError(f"{path}: holds neither poses (AMASS) nor body_pose (SMPL-X), but {found}")
    stride = stride_of(fps, most_fps)
    poses = {joint: turns[::stride] for joint, turns in poses.items()}
    if len(poses["hips"]) > most_frames:
        raise DataError(f"{path}: has more than {most_frames:,} frames at {most_fps:g} per second; cut it")
    upright = _to_y_up(up)
    return _source(fps / stride, poses, moved[::stride] @ upright.as_matrix().T, upright)


def _read(path: Path) -> tuple[dict[str, Array], set[str]]:
    """The numbers that are needed, and the names of what else is there: that is never unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise DataError(f"{path}: unpacks to more than {MOST_BYTES // 10**6} MB; cut it into shorter files")
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: np.asarray(file[key], np.float64) for key in file.files if key in _WANTED}
            others = set(file.files) - set(arrays)
    except DataError:
        raise
    except Exception as error:  # what numpy makes of a damaged header is of many kinds
        raise DataError(f"{path}: is not a readable npz of numbers ({error}); export it again") from error
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise DataError(f"{path}: {key} holds numbers that are not finite; repair or leave out the file")
    return arrays, others


def _rate(path: Path, arrays: dict[str, Array], default: float | None) -> float:
    found = next((arrays[key] for key in _RATES if key in arrays), None)
    if found is None and default is None:
        raise DataError(f"{path}: has no {_RATES[0]}; add the frames per second under that key")
    fps = float(found.ravel()[0]) if found is not None and found.size else float(default or 0)
    if not 0.1 < fps < 10_000:
        raise DataError(f"{path}: {_RATES[0]} is {fps:g}; correct the frames per second")
    return fps


def _amass(path: Path, poses: Array) -> dict[str, Array]:
    """Axis-angles (T, 3) by joint."""
    joints = {156: (*BODY_JOINTS, *HAND_JOINTS), 165: (*BODY_JOINTS, *FACE_JOINTS, *HAND_JOINTS)}
    width = poses.shape[1] if poses.ndim == 2 else 0
    if width not in joints or not len(poses):
        raise DataError(
            f"{path}: poses has shape {poses.shape}; 156 numbers per frame (SMPL-H) or 165 (SMPL-X) are needed"
        )
    return dict(zip(joints[width], poses.reshape(len(poses), -1, 3).transpose(1, 0, 2), strict=True))


def _parameters(path: Path, arrays: dict[str, Array]) -> dict[str, Array]:
    """Axis-angles (T, 3) by joint; a part that the file does not have is at rest."""
    frames = arrays["body_pose"].size // (3 * 21)
    turns: dict[str, Array] = {}
    for key, joints in _PARAMETERS.items():
        values = arrays.get(key, np.zeros((frames, 3 * len(joints))))
        if not frames or values.size != frames * 3 * len(joints):
            raise DataError(
                f"{path}: {key} has shape {values.shape}; {len(joints)} axis-angles for each of {frames} frames are "
                "needed (hands as full poses, not as components)"
            )
        turns |= dict(zip(joints, values.reshape(frames, -1, 3).transpose(1, 0, 2), strict=True))
    return turns


def _moved(path: Path, key: str, arrays: dict[str, Array], poses: dict[str, Array]) -> Array:
    """Translations (T, 3)."""
    frames = len(poses["hips"])
    moved = arrays.get(key, np.zeros((frames, 3)))
    if moved.size != 3 * frames:
        raise DataError(f"{path}: {key} has shape {moved.shape}, but there are {frames} frames of poses")
    return moved.reshape(frames, 3)


def _up_of_amass(turns: Array) -> Array:
    """z is up in AMASS's world, unless people stand along y all the time, as in BEAT2, which has its keys."""
    y = _trunk(turns)[1]
    return np.array([0.0, np.sign(y), 0.0]) if abs(y) > _UPRIGHT else np.array([0.0, 0.0, 1.0])


def _trunk(turns: Array) -> Array:
    """The mean direction (3,) of the body's own y, from the hips upwards."""
    return np.asarray(Rotation.from_rotvec(turns).apply([0.0, 1.0, 0.0]).mean(0))


def _trunk_up(turns: Array) -> Array:
    """Which way people are upright in a world whose axes are not told: y up, y down (cameras) or z up."""
    mean = _trunk(turns)
    axis = np.zeros(3)
    axis[np.abs(mean).argmax()] = np.sign(mean[np.abs(mean).argmax()])
    return axis


def _to_y_up(up: Array) -> Rotation:
    """From a world where `up` (3,) is a coordinate axis; about x where that suffices, so that cameras look at faces."""
    if up[0] == 0:
        return Rotation.from_rotvec([np.arctan2(-up[2], up[1]), 0, 0])
    return Rotation.from_rotvec([0, 0, np.arctan2(up[0], up[1])])


def _source(fps: float, poses: dict[str, Array], moved: Array, upright: Rotation) -> Source:
    rest = _rest_pose()
    world: dict[str, Array] = {}
    places: dict[str, Array] = {}
    for joint, turns in poses.items():
        own = Rotation.from_rotvec(turns).as_matrix()
        if joint == "hips":
            world[joint] = upright.as_matrix() @ own
            places[joint] = moved
        else:
            parent = _parent(joint)
            world[joint] = world[parent] @ own
            places[joint] = places[parent] + world[parent] @ (rest[joint] - rest[parent])
    return Source(
        fps=fps,
        rotations={joint: turned for joint, turned in world.items() if joint not in FACE_JOINTS},
        rest={joint: place for joint, place in rest.items() if joint not in FACE_JOINTS},
        hips=(places["thigh.L"] + places["thigh.R"]) / 2,
        ankles=np.stack([places["foot.L"], places["foot.R"]], 1),
        spine=("spine1", "spine2", "spine3"),
        neck=("neck1",),
        actions=_actions(poses),
    )


def _parent(joint: str) -> str:
    base, dot, side = joint.partition(".")
    if base in _PARENT:
        parent = _PARENT[base]
        return parent + dot + side if parent in _PAIRED else parent
    return f"{base[:-1]}{int(base[-1]) - 1}{dot}{side}" if base[-1] != "1" else f"hand.{side}"


def _rest_pose() -> dict[str, Array]:
    """Positions (3,) of all joints."""
    rest = {}
    for name, place in _REST.items():
        for side in (".L", ".R") if name in _PAIRED else ("",):
            rest[name + side] = np.array(place) * (-1 if side == ".R" else 1, 1, 1)
    for finger, (knuckle, way) in _KNUCKLES.items():
        for side, sign in (("L", 1), ("R", -1)):
            for joint in (1, 2, 3):
                reach = np.array(knuckle) + (joint - 1) * _PHALANX * np.array(way)
                rest[f"{finger}{joint}.{side}"] = rest[f"hand.{side}"] + reach * (sign, 1, 1)
    return rest


def _actions(poses: dict[str, Array]) -> dict[str, Array]:
    """ARKit's actions from jaw and eyes, where the file has them."""
    actions = {}
    if "jaw" in poses:
        actions["jawOpen"] = np.clip(poses["jaw"][:, 0] / WIDE_JAW, 0, 1)
    for side, word, outwards in (("L", "Left", 1), ("R", "Right", -1)):
        if f"eye.{side}" not in poses:
            continue
        down, left, _ = poses[f"eye.{side}"].T / FAR_GAZE
        for name, value in (("Down", down), ("Up", -down), ("Out", outwards * left), ("In", -outwards * left)):
            actions[f"eyeLook{name}{word}"] = np.clip(value, 0, 1)
    return actions

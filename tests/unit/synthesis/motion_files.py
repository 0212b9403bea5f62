"""Motion files in the usual dialects, written from poses of our own skeleton, so that importers have a truth."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.skeleton import Skeleton

Array = np.ndarray
# Our bone of each joint that files have, parents first.
BONES = {
    "hips": "root", "spine1": "spine05", "spine2": "spine04", "spine3": "spine03", "spine4": "spine02",
    "spine5": "spine01", "neck1": "neck01", "neck2": "neck02", "neck3": "neck03", "head": "head",
    **{f"{joint}.{side}": f"{bone}.{side}" for side in "LR" for joint, bone in (
        ("collar", "clavicle"), ("arm", "upperarm01"), ("forearm", "lowerarm01"), ("hand", "wrist"),
        ("thigh", "upperleg01"), ("shin", "lowerleg01"), ("foot", "foot"))},
    **{f"{finger}{joint}.{side}": f"finger{number}-{joint}.{side}" for side in "LR"
       for number, finger in enumerate(("thumb", "index", "middle", "ring", "little"), start=1)
       for joint in (1, 2, 3)},
}  # fmt: skip
PARENTS = {
    "spine1": "hips", "spine2": "spine1", "spine3": "spine2", "spine4": "spine3", "spine5": "spine4",
    "neck1": "spine5", "neck2": "neck1", "neck3": "neck2", "head": "neck3",
    **{f"{joint}.{side}": parent if parent in {"hips", "spine5"} else f"{parent}.{side}" for side in "LR"
       for joint, parent in (("collar", "spine5"), ("arm", "collar"), ("forearm", "arm"), ("hand", "forearm"),
                             ("thigh", "hips"), ("shin", "thigh"), ("foot", "shin"))},
    **{f"{finger}{joint}.{side}": f"{finger}{joint - 1}.{side}" if joint > 1 else f"hand.{side}" for side in "LR"
       for finger in ("thumb", "index", "middle", "ring", "little") for joint in (1, 2, 3)},
}  # fmt: skip
T_POSE = {
    f"{side}_{joint}": value
    for side in ("left", "right")
    for joint, value in (("arm_raise", 90.0), ("elbow", 0.0), ("hip_out", 4.0))
}
Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # from ours: x, z up, -y becomes z


def placed(skeleton: Skeleton, pose: Pose) -> tuple[dict[str, Array], dict[str, Array]]:
    """Rotations (T, 3, 3) in the world and positions (T, 3) of all bones."""
    turned = {"root": pose.rotations["root"].astype(float)}
    place = {"root": pose.translation.astype(float)}
    for bone, parent in skeleton.parents.items():
        place[bone] = place[parent] + turned[parent] @ (skeleton.heads[bone] - skeleton.heads[parent])
        turned[bone] = turned[parent] @ pose.rotations[bone] if bone in pose.rotations else turned[parent]
    return turned, place


def joints_of(skeleton: Skeleton, pose: Pose) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """What a file holds: rotations relative to a T, positions of the T, and the path of the hips."""
    rest_turned, rest = placed(skeleton, skeleton.pose({k: np.array([v]) for k, v in T_POSE.items()}, {}))
    turned, place = placed(skeleton, pose)
    relative = {joint: turned[bone] @ rest_turned[bone][0].T for joint, bone in BONES.items()}
    return relative, {joint: rest[bone][0] for joint, bone in BONES.items()}, place["root"]


def write_bvh(
    path: Path, skeleton: Skeleton, pose: Pose, names: dict[str, str], fps: float = 30.0, order: str = "ZXY",
    unit: float = 100.0, y_up: bool = True, along_x: bool = False,
) -> None:  # fmt: skip
    """names: joint -> name in the file; joints without one are left out. along_x: every bone lies along x in the pose
    of the offsets, as in LAFAN."""
    relative, rest, moved = joints_of(skeleton, pose)
    axes = Y_UP if y_up else np.eye(3)
    relative = {joint: axes @ turn @ axes.T for joint, turn in relative.items()}
    rest = {joint: unit * axes @ place for joint, place in rest.items()}
    own = {joint: np.eye(3) for joint in names}  # a joint's axes in the T
    columns: list[Array] = []

    def parent_of(joint: str) -> str:
        parent = PARENTS[joint]
        while parent not in names:
            parent = PARENTS[parent]
        return parent

    for joint in [name for name in BONES if name in names and along_x]:
        ways = [rest[other] - rest[joint] for other in names if other != "hips" and parent_of(other) == joint]
        way = next((way for way in ways if np.linalg.norm(way) > 1e-6), None)
        if way is None:
            own[joint] = own[parent_of(joint)]
        else:
            own[joint] = Rotation.align_vectors(way[None], np.eye(3)[:1])[0].as_matrix()
    relative = {joint: relative[joint] @ own[joint] for joint in names}

    def write(joint: str, depth: int) -> str:
        pad, root = "  " * depth, joint == "hips"
        offset = rest[joint] if root else own[parent_of(joint)].T @ (rest[joint] - rest[parent_of(joint)])
        local = relative[joint] if root else relative[parent_of(joint)].transpose(0, 2, 1) @ relative[joint]
        if root:
            columns.append(unit * moved @ axes.T + rest["hips"])
        columns.append(Rotation.from_matrix(local).as_euler(order, degrees=True))
        channels = ["Xposition Yposition Zposition"] if root else []
        channels += [f"{axis}rotation" for axis in order]
        text = f"{pad}{'ROOT' if root else 'JOINT'} {names[joint]}\n{pad}{{\n"
        text += f"{pad}OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}\n"
        text += f"{pad}CHANNELS {6 if root else 3} {' '.join(channels)}\n"
        children = [other for other in names if other != "hips" and parent_of(other) == joint]
        text += "".join(write(child, depth + 1) for child in children)
        if not children:
            text += f"{pad}End Site\n{pad}{{\n{pad}OFFSET 0 {unit * 0.02:.3f} 0\n{pad}}}\n"
        return text + f"{pad}}}\n"

    text = "HIERARCHY\n" + write("hips", 0)
    values = np.concatenate(columns, 1)
    text += f"MOTION\nFrames: {pose.frames}\nFrame Time: {1 / fps:.8f}\n"
    text += "\n".join(" ".join(f"{value:.5f}" for value in row) for row in values)
    path.write_text(text + "\n")


def dialect(name: str) -> dict[str, str]:
    """joint -> name, in the usual ways of naming."""
    sided = {
        "mixamo": ("Left", "Right", ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot"), "mixamorig:"),
        "humanik": ("Left", "Right", ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot"), ""),
        "rokoko": ("Left", "Right", ("Shoulder", "Arm", "ForeArm", "Hand", "Thigh", "Shin", "Foot"), ""),
        "xsens": ("Left", "Right", ("Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"), ""),
        "smpl": ("L_", "R_", ("Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"), ""),
        "biped": ("L ", "R ", ("Clavicle", "UpperArm", "Forearm", "Hand", "Thigh", "Calf", "Foot"), "Bip01 "),
        "unreal": ("_l", "_r", ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "calf", "foot"), ""),
    }
    left, right, words, prefix = sided[name]
    trunk = {"spine1": "Spine", **{f"spine{i}": f"Spine{i - 1}" for i in range(2, 6)},
             "neck1": "Neck", "neck2": "Neck1", "neck3": "Neck2", "head": "Head"}  # fmt: skip
    if name == "xsens":
        trunk |= {"spine1": "Chest", **{f"spine{i}": f"Chest{i}" for i in range(2, 6)}}
    names = {"hips": "Pelvis" if name in {"smpl", "biped", "unreal"} else "Hips", **trunk}
    for side, mark in (("L", left), ("R", right)):

        def put(word: str, mark: str = mark) -> str:
            return f"{word}{mark}" if name == "unreal" else f"{mark}{word}"

        parts = ("collar", "arm", "forearm", "hand", "thigh", "shin", "foot")
        names |= {f"{part}.{side}": put(word) for part, word in zip(parts, words, strict=True)}
        for number, finger in enumerate(("thumb", "index", "middle", "ring", "little"), start=1):
            phalanges = ("Metacarpal", "Proximal", "Distal") if finger == "thumb" else ("Proximal", "Medial", "Distal")
            for joint in (1, 2, 3):
                called = "Pinky" if finger == "little" else finger.title()
                word = {
                    "mixamo": f"Hand{called}{joint}",
                    "humanik": f"Hand{called}{joint}",
                    "rokoko": f"Finger{number}{phalanges[joint - 1]}",
                    "smpl": f"{called}{joint}",
                    "unreal": f"{called.lower()}_0{joint}",
                }.get(name)
                if word:
                    names[f"{finger}{joint}.{side}"] = put(word)
    return {joint: prefix + called for joint, called in names.items()}

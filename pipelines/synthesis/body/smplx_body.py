"""SMPL-X behind the body protocol: the user's own model file, posed by our motions and dressed like Anny.

Pavlakos et al., "Expressive Body Capture" (2019): vertices are a template, moved by shape, expression and pose
correctives, then skinned linearly. The rest comes from Anny by correspondence: Anny takes the file's rest pose and is
stretched onto its joints; each vertex of the file learns from the nearest place of that surface where on Anny's
template it lies, which bones move it there, and how phenotypes and facial actions move it. The last two become
coefficients of shape and expression by ridge regression: an identity looks as alike on both bodies as the file's
directions allow. The jaw opens and eyes turn by their joints.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from pipelines.synthesis.body.landmarks import lay_out_charts
from pipelines.synthesis.body.model import PARTS, AnnyBody, BodyModel, Pose, Posed
from pipelines.synthesis.body.smplx_file import JOINTS, read_smplx
from pipelines.synthesis.body.stretch import stretched
from pipelines.synthesis.body.surface_match import Match, match, vertex_normals
from pipelines.synthesis.movement.importers.amass import BODY_JOINTS, FACE_JOINTS, FAR_GAZE, HAND_JOINTS, WIDE_JAW
from pipelines.synthesis.movement.importers.retarget import SIDES, Array, alignments, local_rotations
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.synthesis.scenes.scene import Floats

JOINT_NAMES = (*BODY_JOINTS, *FACE_JOINTS, *HAND_JOINTS)
MEAN = {"age": 2 / 3}
_AXES = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up, facing +z, to ours
_TRUNK = {"hips": "root", "spine1": "spine04", "spine2": "spine03", "spine3": "spine01", "neck1": "neck02",
          "head": "head"}  # fmt: skip
_SHAPES = 40
# Directions that move vertices by less than this (root mean square, metres) are not trusted with the fit.
_SHAPE_NOISE, _EXPRESSION_NOISE = 0.003, 0.0005
_UV_SIDE = 0.75  # of the texture's height: leaves room for the face, the eyes, and the mouth that there is none of
_BY_JOINTS = ("jawOpen", "eyeLook")


class SmplxBody(BodyModel):
    """A SMPL-X model file of the user.

    Raises: UsageError where the file is not one, naming the key.
    """

    def __init__(self, path: Path) -> None:
        file = read_smplx(path)
        guide = AnnyBody()
        skeleton = Skeleton.of(guide)
        self.guide, self.bones, self.bone_parents, self.actions = guide, guide.bones, guide.bone_parents, guide.actions
        self.faces = file.faces.astype(np.int32)
        self._template = (file.template @ _AXES.T).astype(np.float32)
        self._shapes = np.einsum("ab,vbs->vas", _AXES, file.shapes[..., :_SHAPES]).astype(np.float32)
        self._expressions = np.einsum("ab,vbs->vas", _AXES, file.expressions).astype(np.float32)
        self._correctives = np.asarray(file.correctives.reshape(-1, len(self._template), 3) @ _AXES.T, np.float32)
        self._skinning, self._regressor = file.weights.astype(np.float32), file.regressor.astype(np.float32)
        self._parents = file.parents
        rest = dict(zip(JOINT_NAMES, file.regressor @ self._template, strict=True))
        aligned = alignments(rest, skeleton)
        self._aligned = {joint: (bone, turn.T) for bone, (joint, turn) in aligned.items()}
        self._rest_pose = _pose_of({bone: turn for bone, (_, turn) in aligned.items()}, skeleton)
        mean = guide.pose(MEAN, self._rest_pose).vertices[0]
        surface, scale = stretched(mean, guide, skeleton, self._rest_pose, rest, np.ptp(self._template[:, 2]))
        eye = file.weights[:, [JOINT_NAMES.index(f"eye.{side}") for side in SIDES]].sum(1) > 0.5
        places = _correspondences(self._template, self.faces, eye, surface, guide)
        self.template = places.carry(guide.template)
        self.weights = places.carry(guide.weights)
        self.face_part = np.where(eye[self.faces].all(1), PARTS.index("eye"), PARTS.index("body")).astype(np.uint8)
        room = file.uv * _UV_SIDE + (0, 1 - _UV_SIDE)
        uv, uv_faces = lay_out_charts(room, file.uv_faces, self.template, self.faces, self.face_part)
        self.uv, self.uv_faces = uv.astype(np.float32), uv_faces.astype(np.int32)
        hips = (skeleton.heads["upperleg01.L"] + skeleton.heads["upperleg01.R"]) / 2
        self._hips = scale * (hips - skeleton.heads["root"])
        self._fit_shape(places, mean, scale)
        self._fit_expressions(places, scale)
        self._point_joints, self._point_weights = self._points(surface)

    def _fit_shape(self, places: Match, mean: Floats, scale: float) -> None:
        """Ridge regression (S, V * 3) from displacements of the mean in the rest pose to coefficients of shape."""
        count = len(self._template)
        moves = np.tile(np.eye(3), (count, 1))  # where the whole body is does not matter
        basis = np.concatenate([self._shapes.reshape(count * 3, -1), moves], 1)
        self._to_shape = _ridge(basis, _SHAPE_NOISE)[:-3]
        self._places, self._mean, self._scale = places, mean, scale

    def _fit_expressions(self, places: Match, scale: float) -> None:
        """Coefficients (E,) of expression for each action that is not a joint's."""
        still = self.guide.pose(MEAN, Pose({}, np.zeros((1, 3), np.float32), {})).vertices[0]
        face = np.flatnonzero(self.weight_of(("head",)) > 0.5)
        solve = _ridge(self._expressions[face].reshape(len(face) * 3, -1), _EXPRESSION_NOISE)
        self._to_expression = {}
        for name in self.actions:
            if not name.startswith(_BY_JOINTS):
                acting = Pose({}, np.zeros((1, 3), np.float32), {name: np.ones(1, np.float32)})
                moved = places.carry(self.guide.pose(MEAN, acting).vertices[0] - still)
                self._to_expression[name] = solve @ (scale * moved[face].ravel())

    def _points(self, surface: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The joint (88,) that each named point is, else -1, and the weights (88, V) of vertices for the others."""
        joint_of = {bone: JOINT_NAMES.index(joint) for joint, (bone, _) in self._aligned.items()}
        bones, vertices, weights = self.guide.point_terms()
        joints = np.array([joint_of[self.bones[bone]] if bone >= 0 else -1 for bone in bones])
        _, nearest = cKDTree(self._template).query(surface[vertices])
        sums = np.zeros((len(bones), len(self._template)), np.float32)
        for row in np.flatnonzero(joints < 0):
            np.add.at(sums[row], nearest[row], weights[row])
        return joints, sums

    def shape_of(self, phenotypes: dict[str, float]) -> Array:
        """Coefficients of shape (S,) that come nearest to Anny's figure of these phenotypes."""
        figure = self.guide.pose(phenotypes, self._rest_pose).vertices[0]
        return np.asarray(self._to_shape @ (self._scale * self._places.carry(figure - self._mean)).ravel())

    def pose(self, phenotypes: dict[str, float], pose: Pose) -> Posed:
        """Pose one identity; its hips are where Anny's would be. Raises: KeyError for an unknown bone or action."""
        world = self._joint_rotations(pose)
        expression = np.zeros((pose.frames, self._expressions.shape[-1]))
        for name, values in pose.actions.items():
            if not name.startswith(_BY_JOINTS):
                expression += values[:, None] * self._to_expression[name]
        vertices, joints = self.skin(self.shape_of(phenotypes), expression, world)
        hips = joints[:, [JOINT_NAMES.index(f"thigh.{side}") for side in SIDES]].mean(1)
        shift = (pose.translation + world[:, 0] @ self._hips - hips)[:, None]
        placed, joints = (vertices + shift).astype(np.float32), joints + shift
        regressed = np.einsum("pv,tvd->tpd", self._point_weights, placed, optimize=True)
        points = np.where(self._point_joints[:, None] >= 0, joints[:, self._point_joints], regressed)
        return Posed(placed, points.astype(np.float32))

    def skin(self, shape: Array, expression: Array, world: Array) -> tuple[Floats, Floats]:
        """Vertices (T, V, 3) and joints (T, 55, 3) in our axes, the pelvis where the template has it.

        shape (S,); expression (T, E); world (T, 55, 3, 3): rotations of joints relative to the rest pose.
        """
        frames, count = len(world), len(self._template)
        shape, expression, world = shape.astype(np.float32), expression.astype(np.float32), world.astype(np.float32)
        acted = (expression @ self._expressions.reshape(count * 3, -1).T).reshape(frames, count, 3)
        figure = self._template + self._shapes @ shape + acted
        at = self._regressor @ figure
        local = world.copy()
        local[:, 1:] = world[:, self._parents[1:]].swapaxes(-1, -2) @ world[:, 1:]
        axes = _AXES.astype(np.float32)
        feature = axes.T @ local[:, 1:] @ axes - np.eye(3, dtype=np.float32)
        figure = figure + np.tensordot(feature.reshape(frames, -1), self._correctives, 1)
        joints = at.copy()
        for joint in range(1, JOINTS):
            parent = self._parents[joint]
            reach = (world[:, parent] @ (at[:, joint] - at[:, parent])[..., None])[..., 0]
            joints[:, joint] = joints[:, parent] + reach
        moved = joints - (world @ at[..., None])[..., 0]
        affine = np.concatenate([world, moved[..., None]], -1).reshape(frames, JOINTS, 12)
        blended = (self._skinning @ affine).reshape(frames, count, 3, 4)
        return (blended[..., :3] @ figure[..., None])[..., 0] + blended[..., 3], joints

    def _joint_rotations(self, pose: Pose) -> Array:
        """Rotations (T, 55, 3, 3) of the file's joints in the world, relative to its rest pose."""
        if unknown := set(pose.rotations) - set(self.bones) or set(pose.actions) - set(self.actions):
            raise KeyError(f"the body has no {min(unknown)!r}")
        still = np.tile(np.eye(3), (pose.frames, 1, 1))
        turned: dict[str, Array] = {}
        for bone, parent in zip(self.bones, self.bone_parents, strict=True):
            above = turned[self.bones[parent]] if parent >= 0 else still
            turned[bone] = above @ pose.rotations[bone] if bone in pose.rotations else above
        made: dict[str, Array] = {joint: turned[bone] for joint, bone in _TRUNK.items()}
        made |= {joint: turned[bone] @ back for joint, (bone, back) in self._aligned.items()}
        made |= {f"toe.{side}": made[f"foot.{side}"] for side in SIDES}
        made |= {joint: made["head"] @ turn for joint, turn in _face_turns(pose).items()}
        return np.stack([made[joint] for joint in JOINT_NAMES], 1)


def _pose_of(world: dict[str, Array], skeleton: Skeleton) -> Pose:
    """One frame in which bones have these rotations (3, 3) in the world, and the trunk none."""
    trunk = {bone: np.eye(3)[None] for bone in ("root", "spine01")}
    local = local_rotations(trunk | {bone: turn[None] for bone, turn in world.items()}, skeleton)
    return Pose(
        {bone: turn.astype(np.float32) for bone, turn in local.items()}, np.zeros((1, 3), np.float32), {}
    )  # fmt: skip


def _face_turns(pose: Pose) -> dict[str, Array]:
    """Rotations (T, 3, 3) of jaw and eyes relative to the head."""

    def action(name: str) -> Array:
        return np.asarray(pose.actions.get(name, np.zeros(pose.frames)), np.float64)

    turns = {"jaw": Rotation.from_rotvec(np.outer(WIDE_JAW * action("jawOpen"), [1, 0, 0])).as_matrix()}
    for side, word, outwards in (("L", "Left", 1), ("R", "Right", -1)):
        down = action(f"eyeLookDown{word}") - action(f"eyeLookUp{word}")
        left = outwards * (action(f"eyeLookOut{word}") - action(f"eyeLookIn{word}"))
        turns[f"eye.{side}"] = Rotation.from_rotvec(
            FAR_GAZE * (np.outer(down, [1, 0, 0]) + np.outer(left, [0, 0, 1]))
        ).as_matrix()
    return turns


def _correspondences(
    template: Array, faces: NDArray[np.int32], eye: NDArray[np.bool_], surface: Floats, guide: AnnyBody
) -> Match:
    """For each vertex of the template the nearest place of the surface: on an eye or on the body."""
    points = template.astype(np.float32)
    normals = vertex_normals(points, faces)
    corners, weights = np.zeros((len(points), 3), np.int64), np.zeros((len(points), 3), np.float32)
    for rows, part in ((np.flatnonzero(eye), "eye"), (np.flatnonzero(~eye), "body")):
        own = guide.faces[guide.face_part == PARTS.index(part)]
        found = match(points[rows], normals[rows], surface, own)
        corners[rows], weights[rows] = found.corners, found.weights
    return Match(corners, weights)


def _ridge(basis: Array, noise: float) -> Array:
    """The matrix (K, N) that gives coefficients of `basis` (N, K) for what is to be explained, (N,)."""
    gram = basis.T @ basis + len(basis) / 3 * noise**2 * np.eye(basis.shape[1])
    return np.asarray(np.linalg.solve(gram, basis.T))

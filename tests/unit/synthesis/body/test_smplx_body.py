"""A SMPL-X file poses like SMPL-X and has Anny's regions, points, figures and looks; bad files say what is wrong."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipelines import keypoints
from pipelines import manifest as manifests
from pipelines.curation import ingest, people
from pipelines.engine import Engine, pin_threads
from pipelines.errors import UsageError
from pipelines.stage import run_stage
from pipelines.synthesis import motions, pairs
from pipelines.synthesis.body.bodies import open_body
from pipelines.synthesis.body.model import PARTS, AnnyBody, Pose
from pipelines.synthesis.body.parts import face_parts
from pipelines.synthesis.body.smplx_body import _AXES, JOINT_NAMES, MEAN, SmplxBody
from pipelines.synthesis.body.smplx_file import SmplxFile, read_smplx
from pipelines.synthesis.movement.skeleton import LIMITS, Skeleton
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from pipelines.workspace import Workspace, file_sha256
from tests.unit.synthesis.conftest import front_camera, plain_scene
from tests.unit.synthesis.smplx_format import drawn_figure, write_smplx_format


@pytest.fixture(scope="module")
def anny() -> AnnyBody:
    pin_threads()
    return AnnyBody()


@pytest.fixture(scope="module")
def file(anny: AnnyBody, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smplx") / "SMPLX_NEUTRAL.npz"
    write_smplx_format(path, anny)
    return path


@pytest.fixture(scope="module")
def body(file: Path) -> SmplxBody:
    made = open_body(str(file))
    assert isinstance(made, SmplxBody)
    return made


@pytest.fixture(scope="module")
def kept(anny: AnnyBody) -> np.ndarray:
    """The vertices of Anny that the file has."""
    return np.unique(anny.faces[np.isin(anny.face_part, [PARTS.index("body"), PARTS.index("eye")])])


def moving(skeleton: Skeleton, **actions: float) -> Pose:
    """Three poses, the last of which has the actions."""
    rng = np.random.default_rng(0)
    angles = {name: rng.uniform(*limits, 3) / 2 for name, limits in LIMITS.items()}
    return skeleton.pose(angles, {name: np.array([0, 0, value]) for name, value in actions.items()})


def parameters(seed: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape, expression and axis-angles (T, 55, 3) of all joints."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=10), rng.normal(size=(frames, 10)), rng.normal(0, 0.4, (frames, 55, 3))


def in_the_world(turns: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Rotations (T, 55, 3, 3) in our axes of axis-angles (T, 55, 3)."""
    local = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(*turns.shape, 3)
    world = local.copy()
    for joint in range(1, 55):
        world[:, joint] = world[:, parents[joint]] @ local[:, joint]
    return np.asarray(_AXES @ world @ _AXES.T)


def posed_by_the_book(file: SmplxFile, shape: np.ndarray, expression: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """SMPL-X as its paper has it, one frame, with 4 x 4 transforms: vertices (V, 3) in the file's axes."""
    figure = file.template + file.shapes @ shape + file.expressions @ expression
    joints = file.regressor @ figure
    local = Rotation.from_rotvec(turns).as_matrix()
    correction = (local[1:] - np.eye(3)).reshape(-1) @ file.correctives
    figure = figure + correction.reshape(-1, 3)
    chain = []
    for joint, parent in enumerate(file.parents):
        step = np.eye(4)
        step[:3, :3] = local[joint]
        step[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        chain.append(chain[parent] @ step if joint else step)
    for joint, transform in enumerate(chain):
        transform[:3, 3] -= transform[:3, :3] @ joints[joint]
    homogeneous = np.concatenate([figure, np.ones((len(figure), 1))], 1)
    return np.einsum("vj,jab,vb->va", file.weights, np.stack(chain), homogeneous, optimize=True)[:, :3]


def test_it_poses_as_the_paper_says(body: SmplxBody, file: Path) -> None:
    model = read_smplx(file)
    shape, expression, turns = parameters(0, 2)
    found, _ = body.skin(shape, expression, in_the_world(turns, model.parents))
    for frame in range(2):
        expected = posed_by_the_book(model, shape, expression[frame], turns[frame])
        assert np.abs(found[frame] @ _AXES - expected).max() < 2e-5


def test_it_poses_as_the_authors_library_does(body: SmplxBody, file: Path) -> None:
    smplx = pytest.importorskip("smplx", reason="smplx is licensed for research only, so that it is no dependency")
    import torch

    shape, expression, turns = parameters(1, 2)
    model = smplx.create(
        str(file), "smplx", ext="npz", use_pca=False, flat_hand_mean=True, num_betas=10, num_expression_coeffs=10,
        batch_size=2,
    )  # fmt: skip
    parts = {"global_orient": turns[:, :1], "body_pose": turns[:, 1:22], "jaw_pose": turns[:, 22:23],
             "leye_pose": turns[:, 23:24], "reye_pose": turns[:, 24:25], "left_hand_pose": turns[:, 25:40],
             "right_hand_pose": turns[:, 40:]}  # fmt: skip
    given = {name: torch.tensor(values.reshape(2, -1)).float() for name, values in parts.items()}
    with torch.no_grad():
        made = model(
            betas=torch.tensor(np.tile(shape, (2, 1))).float(), expression=torch.tensor(expression).float(), **given
        )
    found, joints = body.skin(shape, expression, in_the_world(turns, read_smplx(file).parents))
    assert np.abs(found @ _AXES - made.vertices.numpy()).max() < 1e-5
    assert np.abs(joints @ _AXES - made.joints[:, :55].numpy()).max() < 1e-5


def test_places_and_regions_are_annys(body: SmplxBody, anny: AnnyBody, kept: np.ndarray) -> None:
    apart = np.linalg.norm(body.template - anny.template[kept], axis=1)
    assert np.median(apart) < 0.001
    assert apart.max() < 0.01
    assert (body.vertex_labels() == anny.vertex_labels()[kept]).mean() > 0.995
    used = np.isin(anny.face_part, [PARTS.index("body"), PARTS.index("eye")])
    assert (face_parts(body) == face_parts(anny)[used]).mean() > 0.99
    assert (body.face_part == anny.face_part[used]).all()


@pytest.mark.parametrize("figure", [None, 3, 5])
def test_points_are_where_annys_are(body: SmplxBody, anny: AnnyBody, skeleton: Skeleton, figure: int | None) -> None:
    """Within 4 cm at worst and 2 cm on average: the rest poses differ, and ten directions do not hold every figure."""
    who = MEAN if figure is None else drawn_figure(np.random.default_rng(figure))
    pose = moving(skeleton)
    apart = np.linalg.norm(body.pose(who, pose).points - anny.pose(who, pose).points, axis=-1)
    assert apart.max() < 0.04
    for rows in keypoints.PARTS.values():
        assert apart[:, rows].mean() < 0.02


def test_figures_differ_as_annys_do(body: SmplxBody, anny: AnnyBody) -> None:
    def height(model: SmplxBody | AnnyBody, value: float) -> float:
        points = model.pose({**MEAN, "height": value}, Pose({}, np.zeros((1, 3), np.float32), {})).points[0]
        return float(points[keypoints.BODY.index("nose"), 2] - points[keypoints.BODY.index("left_heel"), 2])

    ours, theirs = height(anny, 0.8) - height(anny, 0.2), height(body, 0.8) - height(body, 0.2)
    assert ours > 0.1
    assert theirs == pytest.approx(ours, rel=0.15)
    assert np.allclose(body.shape_of(MEAN), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("action", "point", "axis", "least"),
    [
        ("jawOpen", "face.chin", 2, -0.01),
        ("eyeBlinkLeft", "face.left_lid_upper", 2, -0.004),
        ("mouthSmileLeft", "face.left_mouth_corner", 0, 0.003),
        ("browInnerUp", "face.left_brow_inner", 2, 0.002),
    ],
)
def test_faces_act(body: SmplxBody, action: str, point: str, axis: int, least: float) -> None:
    acting = Pose({}, np.zeros((2, 3), np.float32), {action: np.array([0, 1], np.float32)})
    still, acted = body.pose(MEAN, acting).points
    assert (acted - still)[keypoints.NAMES.index(point), axis] / least > 1


def test_eyes_look_where_they_are_told(body: SmplxBody) -> None:
    acting = Pose({}, np.zeros((2, 3), np.float32), {"eyeLookOutLeft": np.array([0, 1], np.float32)})
    still, acted = body.pose(MEAN, acting).vertices
    eye = np.flatnonzero(body.weight_of(("eye.L",)) > 0.5)
    front = eye[still[eye, 1].argmin()]
    assert (acted - still)[front, 0] > 0.003


def test_the_root_is_where_it_is_told_and_strangers_are_refused(body: SmplxBody) -> None:
    there = Pose({}, np.array([[0, 0, 0], [0.5, -1, 0.2]], np.float32), {})
    first, second = body.pose(MEAN, there).points
    assert np.allclose(second - first, [0.5, -1, 0.2], atol=1e-5)
    with pytest.raises(KeyError, match="tail"):
        body.pose(MEAN, Pose({"tail": np.eye(3, dtype=np.float32)[None]}, np.zeros((1, 3), np.float32), {}))
    with pytest.raises(KeyError, match="wag"):
        body.pose(MEAN, Pose({}, np.zeros((1, 3), np.float32), {"wag": np.ones(1, np.float32)}))


def test_an_identity_looks_alike_on_both_bodies(file: Path, skeleton: Skeleton) -> None:
    pose = skeleton.pose({"left_arm_raise": np.array([70.0])}, {})
    who, camera = sample_identity(np.random.default_rng(1)), front_camera()
    drawn = []
    for name in ("anny", str(file)):
        person = Studio.open(64, name).dress(who)
        drawn.append(RasterEngine().render(plain_scene(person.surface(person.pose(pose).vertices[0]), camera)))
    first, second = (layers.mask > 0 for layers in drawn)
    assert (first & second).sum() / (first | second).sum() > 0.85
    both = first & second
    assert np.abs(drawn[0].rgb[both].mean(0) - drawn[1].rgb[both].mean(0)).max() < 12


@pytest.mark.parametrize("key", ["v_template", "posedirs", "kintree_table", "vt"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    arrays = {name: np.zeros(1) for name in ("v_template", "f", "weights", "shapedirs", "posedirs", "J_regressor",
                                             "kintree_table", "vt", "ft") if name != key}  # fmt: skip
    np.savez(tmp_path / "half.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=rf"half\.npz: has no {key}; use"):
        open_body(str(tmp_path / "half.npz"))


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("weights", np.zeros((8, 24)), r"weights has shape \(8, 24\), but SMPL-X needs \(8, 55\)"),
        ("v_template", np.full((8, 3), np.nan), "v_template holds numbers that are not finite"),
        ("v_template", np.array([{}] * 8, object), "not a readable npz"),
        ("shapedirs", np.zeros((8, 3, 10)), "shapedirs has 10 directions"),
        ("f", np.full((4, 3), 9), "f names vertices that are not there"),
        ("kintree_table", np.full((2, 55), 60), "kintree_table"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, key: str, values: np.ndarray, message: str) -> None:
    arrays = {
        "v_template": np.zeros((8, 3)), "f": np.zeros((4, 3), int), "weights": np.zeros((8, 55)),
        "shapedirs": np.zeros((8, 3, 20)), "posedirs": np.zeros((8, 3, 486)), "J_regressor": np.zeros((55, 8)),
        "kintree_table": np.zeros((2, 55), int), "vt": np.zeros((8, 2)), "ft": np.zeros((4, 3), int),
        key: values,
    }  # fmt: skip
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        open_body(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 torn"])
def test_unreadable_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.npz: (no such file|is not a readable)"):
        open_body(str(path))


def test_joints_have_the_order_of_the_format() -> None:
    assert JOINT_NAMES[:4] == ("hips", "thigh.L", "thigh.R", "spine1")
    assert (JOINT_NAMES[22], JOINT_NAMES[25], JOINT_NAMES[54]) == ("jaw", "index1.L", "thumb3.R")


def test_pairs_are_drawn_with_the_users_body(file: Path, workspace: Workspace) -> None:
    for folder, stage in (("videos/monday", ingest.STAGE), ("people/monday", people.STAGE), ("motions", motions.STAGE)):
        manifests.write(workspace, folder, manifests.build([], stage.schema), "", retry=0)
    config = pairs.PairsConfig(
        train_groups=1, validation_groups=0, test_groups=0, identities=2, frames=1, size=32, engine="raster",
        texture=64, body=str(file),
    )  # fmt: skip
    result = run_stage(pairs.STAGE, workspace, config, Engine(), quiet=True)
    assert result.counts.kept == 1
    assert not run_stage(pairs.STAGE, workspace, config, Engine(), quiet=True).recomputed
    assert pairs.body_content(config) == file_sha256(file)
    assert pairs.body_content(dataclasses.replace(config, body="anny")) is None

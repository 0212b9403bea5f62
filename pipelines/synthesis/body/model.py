"""The body: phenotypes, a pose and facial actions become vertices and the 88 named points.

Pose convention (Anny's `local-ref`): a bone's rotation is given in world-aligned axes of the reference pose (x to the
person's left, -y forward, z up), and acts on it and its descendants about its head, before the parents' rotations.
The root's is the pose of the whole body. Rotations do not depend on the phenotype, so a pose fits every identity.
"""

import json
import os
import tempfile
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints
from pipelines.errors import WorkError
from pipelines.synthesis.scenes.scene import Floats

ASSET = Path(__file__).parent / "assets" / "body.npz"
PARTS = ("body", "eye", "tongue", "teeth", "hair", "skirt")
FIXED_PHENOTYPES = {"cupsize": 0.5, "firmness": 0.5}


@dataclass(frozen=True)
class Pose:
    """Motion parameters of T frames. rotations: bone -> (T, 3, 3), the root's included; translation (T, 3) of the root,
    metres; actions: ARKit name -> (T,) in [0, 1]."""

    rotations: dict[str, Floats]
    translation: Floats
    actions: dict[str, Floats]

    @property
    def frames(self) -> int:
        return len(self.translation)


@dataclass(frozen=True)
class Posed:
    """Posed bodies. vertices (T, V, 3) and points (T, 88, 3), both in metres in the world."""

    vertices: Floats
    points: Floats


class BodyModel(ABC):
    """A parametric body whose mesh has fixed topology.

    faces (F, 3); face_part (F,) index into `PARTS`; uv (R, 2), uv_faces (F, 3): texture chart corners;
    template (V, 3): where on Anny's template each vertex is, which is where appearance is painted and fitted;
    bones, bone_parents, weights (V, bones): Anny's, by which regions are named; actions: names that are expressed;
    guide: the body on whose skeleton motions are made.
    """

    faces: NDArray[np.int32]
    face_part: NDArray[np.uint8]
    uv: Floats
    uv_faces: NDArray[np.int32]
    template: Floats
    bones: list[str]
    bone_parents: list[int]
    weights: Floats
    actions: list[str]
    guide: "AnnyBody"

    @abstractmethod
    def pose(self, phenotypes: dict[str, float], pose: Pose) -> Posed:
        """Pose one identity. Raises: KeyError for an unknown bone or action."""

    def template_heads(self) -> dict[str, Floats]:
        """Joint positions (3,) on the template, by bone."""
        return self.guide.template_heads()

    def points_at_rest(self) -> Floats:
        """The 88 points on the template, (88, 3)."""
        return self.guide.points_at_rest()

    def weight_of(self, prefixes: tuple[str, ...]) -> Floats:
        """How much of each vertex is moved by the bones whose names start so, (V,) in [0, 1]."""
        chosen = [i for i, bone in enumerate(self.bones) if bone.startswith(prefixes)]
        return np.asarray(self.weights[:, chosen].sum(1), np.float32)

    def vertex_labels(self) -> NDArray[np.str_]:
        """`left_hand`, `right_hand`, `face` or `body` for each vertex, by the bones that move it."""
        hands = self.weight_of(("wrist", "finger", "metacarpal")) > 0.5
        points = self.points_at_rest()[keypoints.FACE_SLICE]
        front = (self.template[:, 1] < points[:, 1].max() + 0.02) & (self.template[:, 2] > points[:, 2].min() - 0.01)
        labels = np.full(len(self.template), "body", dtype="<U10")
        labels[hands & (self.template[:, 0] > 0)] = "left_hand"
        labels[hands & (self.template[:, 0] < 0)] = "right_hand"
        labels[front & (self.weight_of(("head", "eye")) > 0.5)] = "face"
        return labels


def quantise(name: str, values: NDArray[Any], steps: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Rows as integers of row-wise steps: `name` int16 and `name.step` float32.

    Steps are rounded up to seven bits, so that what linear algebra leaves open in their last digits is in no file.
    """
    steps = np.maximum(steps, np.abs(values).reshape(len(values), -1).max(1) / 32767)
    mantissa, exponent = np.frexp(steps)
    steps = np.ldexp(np.ceil(mantissa * 128) / 128, exponent).astype(np.float32)
    shaped = steps.reshape(-1, *[1] * (values.ndim - 1))
    return {name: np.rint(values / shaped).astype(np.int16), f"{name}.step": steps}


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise WorkError(
            f"{path}: is not a readable body file; run `python -m pipelines.synthesis.body.build_body_asset`"
        ) from error
    for name in [name for name in arrays if name.endswith(".step")]:
        target, step = name.removesuffix(".step"), arrays.pop(name)
        arrays[target] = arrays[target] * step.reshape(-1, *[1] * (arrays[target].ndim - 1))
    return arrays


class AnnyBody(BodyModel):
    """Anny (code Apache-2.0, data CC0) from the compact file; the forward pass is the library's.

    Raises: WorkError where the file cannot be read.
    """

    def __init__(self, path: Path = ASSET) -> None:
        # The library compiles kernels on import where it may; keep them out of the home directory.
        os.environ.setdefault("WARP_CACHE_PATH", str(Path(tempfile.gettempdir()) / "unimotion-warp"))
        import anny
        import torch
        from anny.models.model_data import ModelData, ModelMetadata

        arrays = _read(path)
        metadata = json.loads(str(arrays.pop("metadata")))
        self.faces = arrays["faces"].astype(np.int32)
        self.face_part = arrays.pop("face_part")
        self.uv = arrays.pop("uv")
        self.uv_faces = arrays.pop("uv_faces").astype(np.int32)
        self.template = arrays["template_vertices"]
        self._point_bones = torch.from_numpy(arrays.pop("point_bones").astype(np.int64))
        self._point_vertices = torch.from_numpy(arrays.pop("point_vertices").astype(np.int64))
        self._point_weights = torch.from_numpy(arrays.pop("point_weights"))
        whole = ("faces", "vertex_bone_indices", "base_mesh_vertex_indices")
        tensors = {k: torch.from_numpy(v.astype(np.int64 if k in whole else np.float32)) for k, v in arrays.items()}
        self._model = anny.Anny.from_model_data(
            ModelData(metadata=ModelMetadata(**metadata), **tensors),
            skinning_method="lbs",
            pose_parameterization="local-ref",
            bone_orientation="cached",
            root_identity_orientation=False,
            phenotypes="all",
        )
        self.bones = self._model.bone_labels
        self.bone_parents = self._model.bone_parents
        self.actions = self._model.facial_action_labels
        self.weights = self._model.dense_vertex_bone_weights.numpy()
        self.guide = self

    def pose(self, phenotypes: dict[str, float], pose: Pose) -> Posed:
        """Pose one identity. Raises: KeyError for an unknown bone or action."""
        import torch

        transforms = np.tile(np.eye(4, dtype=np.float32), (pose.frames, len(self.bones), 1, 1))
        for bone, rotation in pose.rotations.items():
            transforms[:, self._bone(bone), :3, :3] = rotation
        transforms[:, 0, :3, 3] = pose.translation
        actions = np.zeros((pose.frames, len(self.actions)), np.float32)
        for name, value in pose.actions.items():
            actions[:, self.actions.index(name)] = value
        with torch.no_grad():
            made = self._model(
                pose_parameters=torch.from_numpy(transforms),
                phenotype_kwargs={**FIXED_PHENOTYPES, **phenotypes},
                facial_actions=torch.from_numpy(actions),
            )
            vertices = made["vertices"]
            regressed = (vertices[:, self._point_vertices] * self._point_weights[..., None]).sum(2)
            heads = made["bone_poses"][:, self._point_bones.clamp_min(0), :3, 3]
            points = torch.where(self._point_bones[:, None] >= 0, heads, regressed)
        return Posed(vertices.numpy(), points.numpy())

    def reference_heads(self) -> dict[str, Floats]:
        """Joint positions (3,) of the mean adult in the reference pose, by bone."""
        import torch

        with torch.no_grad():
            made = self._model(phenotype_kwargs={**FIXED_PHENOTYPES, "age": 2 / 3})
        return dict(zip(self.bones, made["bone_poses"][0, :, :3, 3].numpy(), strict=True))

    def template_heads(self) -> dict[str, Floats]:
        """Joint positions (3,) on the template, by bone."""
        return dict(zip(self.bones, self._model.template_bone_heads.numpy(), strict=True))

    def _bone(self, name: str) -> int:
        try:
            return self.bones.index(name)
        except ValueError:
            raise KeyError(f"the body has no bone {name!r}") from None

    def point_terms(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """How the 88 points follow: bones (88,), the one whose head is the point, else -1; then vertices (88, 64) and
        their weights (88, 64)."""
        return self._point_bones.numpy(), self._point_vertices.numpy(), self._point_weights.numpy()

    def points_at_rest(self) -> Floats:
        """The 88 points on the template, (88, 3)."""
        weights = self._point_weights.numpy()[..., None]
        points = (self.template[self._point_vertices.numpy()] * weights).sum(1)
        bones = self._point_bones.numpy()
        heads: Floats = self._model.template_bone_heads.numpy()
        return np.asarray(np.where(bones[:, None] >= 0, heads[np.maximum(bones, 0)], points), np.float32)

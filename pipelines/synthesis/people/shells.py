"""Cloth as a second layer over the body: the body's triangles inside a field, cut exactly along its edge.

Cutting triangles (marching triangles, Hilton et al. 1996, on a fixed mesh) makes hems and collars as clean as the mesh
is smooth, whatever the texture's size; a narrow strip back to the skin gives them thickness.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import Floats

_CLOSEST = 0.02  # a cut keeps this share of an edge away from its ends: no needles


@dataclass(frozen=True)
class Shell:
    """Points are `(1 - share) * a + share * b` of body vertices.

    a, b (P,) body vertices, share (P,); outer (P,): 0 for the hem's inner edge, which touches the skin, else 1.
    twin (P,): itself, or for a hem's points the one on the cloth at the same place, which says where outwards is.
    corner_point (K,) and uv (K, 2) of the corners; faces (F, 3) of corners; origin (F,): the body's face each is from.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    share: Floats
    outer: Floats
    twin: NDArray[np.int64]
    corner_point: NDArray[np.int64]
    uv: Floats
    faces: NDArray[np.int64]
    origin: NDArray[np.int64]

    def values(self, of_vertices: Floats) -> Floats:
        """Values (V, ...) of the body's vertices at the points, (P, ...)."""
        share = self.share.reshape(-1, *[1] * (of_vertices.ndim - 1))
        first = of_vertices[self.a]
        return np.asarray(first + share * (of_vertices[self.b] - first), np.float32)


def cut_shell(
    faces: NDArray[np.int32],
    uv_faces: NDArray[np.int32],
    uv: Floats,
    field: Floats,
    chosen: NDArray[np.int64],
) -> Shell:
    """The part of the chosen faces where the field (V,) is positive. faces, uv_faces (F, 3); uv (R, 2)."""
    vertex, corner = faces[chosen].astype(np.int64), uv_faces[chosen].astype(np.int64)
    inside = field[vertex] > 0
    count = inside[:, 0].astype(np.int8) + inside[:, 1] + inside[:, 2]
    whole = np.flatnonzero(count == 3)
    # Turn each cut triangle so that its odd corner is the first.
    one, two = np.flatnonzero(count == 1), np.flatnonzero(count == 2)
    turns_one = (inside[one].argmax(1)[:, None] + np.arange(3)) % 3
    turns_two = ((~inside[two]).argmax(1)[:, None] + np.arange(3)) % 3

    def ends(rows: NDArray[np.int64], turns: NDArray[np.int64], i: int, j: int) -> NDArray[np.int64]:
        """Columns: vertex, vertex, corner, corner of an edge, the lesser vertex first; i == j is the vertex itself."""
        v, w = vertex[rows, turns[:, i]], vertex[rows, turns[:, j]]
        c, d = corner[rows, turns[:, i]], corner[rows, turns[:, j]]
        swap = v > w
        return np.stack([np.where(swap, w, v), np.where(swap, v, w), np.where(swap, d, c), np.where(swap, c, d)], 1)

    same = np.broadcast_to(np.arange(3), (len(whole), 3))
    keep = [ends(whole, same, i, i) for i in range(3)]
    tip = [ends(one, turns_one, 0, 0), ends(one, turns_one, 0, 1), ends(one, turns_one, 0, 2)]
    b, c = ends(two, turns_two, 1, 1), ends(two, turns_two, 2, 2)
    ob, oc = ends(two, turns_two, 0, 1), ends(two, turns_two, 0, 2)
    triangles = np.concatenate(
        [np.stack(corners, 1) for corners in (keep, tip, [b, c, oc], [b, oc, ob])]
    )  # (F', 3 corners, 4)
    origin = chosen[np.concatenate([whole, one, two, two])]
    # The strip: from the cut's two ends down to the skin.
    start, end = np.concatenate([tip[1], oc]), np.concatenate([tip[2], ob])
    strip_origin = chosen[np.concatenate([one, two])]
    outer_first = np.concatenate([triangles.reshape(-1, 4), start, end])
    level = np.concatenate([np.zeros(triangles.shape[0] * 3, np.int64), np.ones(2 * len(start), np.int64)])
    return _number(
        outer_first, level, len(triangles), len(start), field, uv, np.concatenate([origin, strip_origin, strip_origin])
    )


def _number(
    ends: NDArray[np.int64],
    level: NDArray[np.int64],
    triangles: int,
    strips: int,
    field: Floats,
    uv: Floats,
    origin: NDArray[np.int64],
) -> Shell:
    """Number points and corners: ends (N, 4) of triangles' corners, then of the strips' starts and of their ends."""
    # A hem's outer edge has its own points, apart from the cloth's: the edge of a fold is sharp.
    rows = np.concatenate([ends, ends[3 * triangles :]])
    level = np.concatenate([level, np.full(2 * strips, 2)])
    size = int(max(len(field), len(uv))) + 1
    point_key = (level * size + rows[:, 0]) * size + rows[:, 1]
    corner_key = (level * size + rows[:, 2]) * size + rows[:, 3]
    keys, first, point = np.unique(point_key, return_index=True, return_inverse=True)
    a, b = rows[first, 0], rows[first, 1]
    high, low = field[a], field[b]
    share = np.where(a == b, 0.0, high / np.where(a == b, 1.0, high - low))
    share = np.where(a == b, 0.0, np.clip(share, _CLOSEST, 1 - _CLOSEST))
    _, corner_first, corner = np.unique(corner_key, return_index=True, return_inverse=True)
    corner_point = point[corner_first]
    along = share[corner_point][:, None]
    places = uv[rows[corner_first, 2]] * (1 - along) + uv[rows[corner_first, 3]] * along
    faces = corner[: 3 * triangles].reshape(-1, 3)
    upper_start, upper_end, lower_start, lower_end = corner[3 * triangles :].reshape(4, strips)
    strip = np.concatenate(
        [np.stack([upper_start, lower_start, lower_end], 1), np.stack([upper_start, lower_end, upper_end], 1)]
    )
    return Shell(
        a=a,
        b=b,
        share=np.asarray(share, np.float32),
        outer=np.asarray(level[first] < 2, np.float32),
        twin=np.searchsorted(keys, keys % size**2),
        corner_point=corner_point,
        uv=np.asarray(places, np.float32),
        faces=np.concatenate([faces, strip]),
        origin=origin,
    )

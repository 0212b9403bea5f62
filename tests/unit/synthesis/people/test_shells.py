"""Cloth ends exactly where its field is zero, with a closed hem, on any flat mesh and field."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.synthesis.people.patches import grid_mesh
from pipelines.synthesis.people.shells import Shell, cut_shell
from pipelines.synthesis.scenes.scene import Floats

SIDE = 9


def sheet() -> tuple[Floats, np.ndarray]:
    """A flat square of 9 x 9 points in [0, 1], and its triangles."""
    faces, _, place = grid_mesh(SIDE, SIDE, closed=False)
    return np.concatenate([place, np.zeros((len(place), 1), np.float32)], 1), faces.astype(np.int32)


def cut(angle: float, offset: float) -> tuple[Shell, Floats, Floats]:
    points, faces = sheet()
    field = np.asarray(points[:, :2] @ [np.cos(angle), np.sin(angle)] - offset, np.float32)
    shell = cut_shell(faces, faces, np.ascontiguousarray(points[:, :2]), field, np.arange(len(faces)))
    return shell, points, field


def area(points: Floats, faces: np.ndarray) -> float:
    a, b, c = (points[faces[:, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@given(st.floats(0.05, 1.5), st.floats(0.1, 0.9))
def test_the_cut_is_straight_and_keeps_what_is_inside(angle: float, offset: float) -> None:
    shell, points, field = cut(angle, offset)
    at, inside = shell.values(points), shell.values(field[:, None])[:, 0]
    # A cut stays 2 % of an edge away from its ends.
    assert inside.min() > -0.02 * np.sqrt(2) / (SIDE - 1)
    corner = shell.corner_point[shell.faces]
    half = area(at, corner)
    x, y = np.meshgrid((np.arange(400) + 0.5) / 400, (np.arange(400) + 0.5) / 400)
    assert abs(half - float((x * np.cos(angle) + y * np.sin(angle) > offset).mean())) < 0.01
    # Texture coordinates are cut like the points.
    assert np.abs(shell.uv - at[shell.corner_point, :2]).max() < 1e-5


@given(st.floats(0.05, 1.5), st.floats(0.1, 0.9))
def test_a_hem_lies_under_the_edge_it_belongs_to(angle: float, offset: float) -> None:
    shell, points, _ = cut(angle, offset)
    at = shell.values(points)
    hem = shell.outer == 0
    assert hem.any() == (shell.share > 0).any()
    assert np.abs(at[hem] - at[shell.twin[hem]]).max(initial=0) < 1e-6
    assert (shell.outer[shell.twin] == 1).all()
    raised = at + 0.1 * shell.outer[:, None] * np.array([0, 0, 1], np.float32)
    strip = shell.faces[hem[shell.corner_point[shell.faces]].any(1)]
    upright = area(raised, shell.corner_point[strip])
    x = at[hem][:, :2]
    length = float(np.linalg.norm(x.max(0) - x.min(0))) if len(x) else 0.0
    # The strip stands on the whole length of the cut, 0.1 high.
    assert abs(upright - 0.1 * length) < 0.003


def test_all_or_nothing_has_no_hem() -> None:
    shell, points, _ = cut(0.7, -1.0)
    assert (shell.outer == 1).all()
    assert len(shell.a) == len(points)
    shell, _, _ = cut(0.7, 5.0)
    assert len(shell.faces) == 0

"""Where the next look at a hand or a face goes: a square that turns, moves and grows with the points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.landmarks import face_apart, face_region, hand_region, on_their_sides

# An upright open hand and an upright face, y down.
HAND = np.array(
    [(0, 0), *((20 * f - 40, -30 * j - 20) for f in range(5) for j in range(1, 5))],
    np.float32,
)
FACE = np.random.default_rng(0).uniform(-50, 50, (468, 2)).astype(np.float32)
FACE[263], FACE[33] = (30, -20), (-30, -20)


def turned(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (scale * points @ rotation.T + shift).astype(np.float32)


@pytest.mark.parametrize("region_of", [hand_region, face_region])
@given(angle=st.floats(-3, 3), scale=st.floats(0.5, 8), x=st.floats(-200, 2000), y=st.floats(-200, 2000))
def test_regions_move_with_the_points(region_of, angle: float, scale: float, x: float, y: float) -> None:  # type: ignore[no-untyped-def]
    points = HAND if region_of is hand_region else FACE
    still, moved = region_of(points), region_of(turned(points, angle, scale, (x, y)))
    assert moved.side == pytest.approx(scale * still.side, rel=1e-3)
    difference = moved.angle - still.angle - angle
    assert np.cos(difference) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(moved.centre, turned(still.centre, angle, scale, (x, y)), atol=0.05 * scale + 0.05)


def test_an_upright_hand_needs_no_turn() -> None:
    region = hand_region(HAND)
    assert abs(region.angle) < 0.2
    low, high = region.centre - region.side / 2, region.centre + region.side / 2
    assert (low < HAND.min(0)).all()
    assert (high > HAND.max(0)).all()


def hand_at(x: float, size: float = 20.0) -> tuple[np.ndarray, float]:
    grid = np.stack(np.meshgrid(np.arange(7), np.arange(3)), -1).reshape(-1, 2) * size / 7
    return (grid + np.array([x, 50])).astype(np.float32), 0.9


def test_hands_hang_on_their_own_arms() -> None:
    wrists = {"left_hand": np.array([200.0, 50]), "right_hand": np.array([100.0, 50])}
    right, left = hand_at(102), hand_at(198)
    found = on_their_sides({"left_hand": left, "right_hand": right}, wrists)
    assert found["left_hand"] is left
    assert found["right_hand"] is right
    swapped = on_their_sides({"left_hand": right, "right_hand": left}, wrists)
    assert swapped["left_hand"] is left
    assert swapped["right_hand"] is right


def test_one_hand_found_twice_stays_with_the_nearer_arm() -> None:
    wrists = {"left_hand": np.array([200.0, 50]), "right_hand": np.array([100.0, 50])}
    assert list(on_their_sides({"left_hand": hand_at(110), "right_hand": hand_at(111)}, wrists)) == ["right_hand"]


def test_a_hand_that_is_nearer_to_the_other_arm_is_dropped() -> None:
    wrists = {"left_hand": np.array([200.0, 50]), "right_hand": np.array([100.0, 50])}
    assert on_their_sides({"left_hand": hand_at(120)}, wrists) == {}
    assert list(on_their_sides({"left_hand": hand_at(170)}, wrists)) == ["left_hand"]


def test_a_mesh_is_apart_from_the_pose_by_how_far_it_slipped() -> None:
    mesh = FACE.copy()
    mesh[[1, 263, 362, 33, 133]] = [(0, 0), (32, -20), (28, -20), (-32, -20), (-28, -20)]
    size = float(np.ptp(mesh, axis=0).max())
    pose = np.zeros((33, 2), np.float32)
    pose[[0, 2, 5]] = [(0, 0), (30, -20), (-30, -20)]
    assert face_apart(mesh, pose) == pytest.approx(0)
    assert face_apart(mesh + np.array([0.3 * size, 0], np.float32), pose) == pytest.approx(0.3, rel=1e-3)

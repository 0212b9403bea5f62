"""Cameras hold what their framing promises, whatever they do, and differ from each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints
from pipelines.synthesis.scenes import framing
from pipelines.synthesis.scenes.framing import (
    CUT_SHARE,
    FRAMINGS,
    MOVES,
    Direction,
    sample_camera,
    sample_direction,
    sample_shot,
)
from pipelines.synthesis.scenes.scene import Floats

HEAD = slice(0, keypoints.BODY.index("left_shoulder"))


def people(seed: int, frames: int = 4) -> Floats:
    """Points (T, 88, 3) as widespread as those of people."""
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 0.35, (frames, keypoints.COUNT, 3)) * [1, 0.4, 1] + [0, 0, 0.95]
    head = rng.normal(0, 0.3, 3) * [1, 1, 0.3] + [0, 0, 1.5]
    points[:, HEAD] = head + rng.normal(0, 0.05, (frames, HEAD.stop, 3))
    points[:, keypoints.FACE_SLICE] = head + rng.normal(0, 0.05, (frames, 25, 3))
    for part in ("left_hand", "right_hand"):
        middle = rng.normal([0, -0.2, 1.1], 0.4)
        points[:, keypoints.PARTS[part]] = middle + rng.normal(0, 0.04, (frames, 21, 3))
    points[..., 2] = np.clip(points[..., 2], 0, 2.2)
    return points.astype(np.float32)


def inside(shot: framing.Shot, points: Floats, rows: slice | list[int]) -> bool:
    return all(
        bool(((camera.project(p[rows]) > 0) & (camera.project(p[rows]) < camera.size)).all())
        for camera, p in zip(shot.cameras, points, strict=True)
    )


@given(st.integers(0, 10_000), st.sampled_from(FRAMINGS), st.sampled_from(MOVES), st.booleans())
def test_what_is_wanted_is_in_every_frame(seed: int, kind: str, move: str, cut: bool) -> None:
    points = people(seed)
    rng = np.random.default_rng(seed)
    shot = sample_shot(rng, points, kind, 100, sample_direction(rng), fps=4.0, move=move, cut=cut)
    assert inside(shot, points, keypoints.FACE_SLICE)
    assert inside(shot, points, HEAD)
    if not cut:
        if kind == "full":
            assert inside(shot, points, slice(0, None))
        if kind == "hand":
            assert inside(shot, points, keypoints.LEFT_HAND_SLICE) or inside(shot, points, keypoints.RIGHT_HAND_SLICE)
    for camera in shot.cameras:
        assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(camera.rotation) > 0


@given(st.integers(0, 10_000), st.sampled_from(FRAMINGS))
def test_bounds(seed: int, kind: str) -> None:
    points = people(seed)
    rng = np.random.default_rng(seed)
    direction = sample_direction(rng)
    shot = sample_shot(rng, points, kind, 64, direction)
    assert shot.yaw == direction.yaw
    assert shot.pitch >= direction.pitch
    assert abs(shot.yaw) <= framing.YAW_MOST
    assert framing.PITCH[0] <= shot.pitch <= framing.PITCH[1]
    assert abs(shot.roll) <= framing.ROLL_MOST
    assert shot.focal >= framing.FOCAL[0]
    depth = np.stack([camera.to_camera(p)[:, 2] for camera, p in zip(shot.cameras, points, strict=True)])
    if kind == "full" and not shot.cut:
        assert depth.min() > 0.5
    assert shot.height >= 0.25 or shot.pitch == framing.PITCH[1]


def test_moves() -> None:
    points = np.repeat(people(3, 1), 6, 0)
    places = {}
    for move in MOVES:
        shot = sample_shot(np.random.default_rng(1), points, "full", 100, Direction(0, 4), 8.0, move, cut=False)
        places[move] = np.stack([camera.project(points[0]) for camera in shot.cameras])
    assert (places["tripod"] == places["tripod"][0]).all()
    for move, most in (("handheld", 2.5), ("travel", 7.0)):
        shift = np.abs(places[move] - places[move].mean(0)).max()
        assert 0.05 < shift < most


def test_shots_differ() -> None:
    points = people(0)
    rng = np.random.default_rng(0)
    shots = [sample_shot(rng, points, "full", 64, sample_direction(rng)) for _ in range(300)]
    for name, least in (("distance", 1.5), ("height", 0.25), ("focal", 0.5), ("pitch", 4.0), ("roll", 1.0)):
        assert np.std([getattr(shot, name) for shot in shots]) > least, name
    centres = np.array([shot.cameras[0].project(points[0].mean(0)) / 64 for shot in shots])
    assert (centres.std(0) > 0.02).all()
    assert np.mean([shot.cut for shot in shots]) == pytest.approx(CUT_SHARE, abs=0.06)


def test_closer_framings_show_the_face_larger() -> None:
    points = people(5)
    heights = {}
    for kind in FRAMINGS:
        camera = sample_camera(np.random.default_rng(0), points, kind, 100)
        heights[kind] = np.ptp(camera.project(points[0, keypoints.FACE_SLICE])[:, 1])
    assert heights["face"] > 2 * heights["full"]
    assert heights["hand"] > heights["full"]

"""Groups share the motion and nothing else; labels lie on the picture; splits have nothing in common."""

import numpy as np
import pytest

from pipelines import keypoints
from pipelines.synthesis.backdrop import draw_backdrop, sample_backdrop
from pipelines.synthesis.engines.raster import RasterEngine
from pipelines.synthesis.framing import FRAMINGS, sample_camera
from pipelines.synthesis.groups import Group, render_group, visible_keypoints
from pipelines.synthesis.person import Studio
from pipelines.synthesis.scene import Layers
from tests.unit.synthesis.conftest import front_camera


@pytest.fixture(scope="module")
def groups(studio: Studio, raster: RasterEngine) -> list[Group]:
    return [render_group(studio, raster, 0, split, i, 2, 2, 64) for split in ("train", "test") for i in range(3)]


def test_group_has_what_was_asked_for(groups: list[Group]) -> None:
    for group in groups:
        assert len(group.views) == 2
        for view in group.views:
            assert view.keypoints.shape == (2, keypoints.COUNT, 3)
            assert view.keypoints3d.shape == (2, keypoints.COUNT, 3)
            assert len(view.layers) == 2
            for drawn in view.layers:
                assert drawn.rgb.shape == (64, 64, 3)
                assert 0.03 < drawn.mask.mean() < 0.95


def test_points_project_onto_their_pixels(groups: list[Group]) -> None:
    for view in (view for group in groups for view in group.views):
        projected = view.keypoints3d @ view.intrinsics.T
        pixels = projected[..., :2] / projected[..., 2:]
        assert np.abs(pixels - view.keypoints[..., :2] * 64).max() < 0.1


def test_visible_points_lie_on_the_person(groups: list[Group]) -> None:
    for view in (view for group in groups for view in group.views):
        for points, drawn in zip(view.keypoints, view.layers, strict=True):
            seen = points[points[:, 2] > 0]
            assert len(seen) > 10
            grown = np.pad(drawn.mask, 1)
            column, row = np.floor(seen[:, :2] * 64).astype(int).T
            near = np.max([grown[row + i, column + j] for i in range(3) for j in range(3)], axis=0)
            assert near.all()


def test_members_move_alike_but_differ(groups: list[Group]) -> None:
    for group in groups:
        a, b = group.views
        assert a.identity != b.identity
        assert (a.layers[0].rgb != b.layers[0].rgb).mean() > 0.5

        def bones(points: np.ndarray) -> np.ndarray:
            spans = np.stack([points[:, j] - points[:, i] for i, j in keypoints.BODY_BONES[1:3]], 1)
            return spans / np.linalg.norm(spans, axis=-1, keepdims=True)

        # One motion on two bodies: limbs point the same way up to the cameras' small turns.
        assert (bones(a.keypoints3d) * bones(b.keypoints3d)).sum(-1).min() > 0.6


def test_splits_share_no_identity_and_no_motion(groups: list[Group]) -> None:
    by_split = {split: [g for g in groups if g.split == split] for split in ("train", "test")}
    people = {split: {v.identity for g in of for v in g.views} for split, of in by_split.items()}
    motions = {split: {g.motion for g in of} for split, of in by_split.items()}
    assert not people["train"] & people["test"]
    assert not motions["train"] & motions["test"]
    assert len({g.id for g in groups}) == len(groups)


def test_group_is_a_pure_function(studio: Studio, raster: RasterEngine, groups: list[Group]) -> None:
    again = render_group(studio, raster, 0, "train", 1, 2, 2, 64)
    assert again.id == groups[1].id
    for a, b in zip(again.views, groups[1].views, strict=True):
        assert (a.layers[1].rgb == b.layers[1].rgb).all()
        assert (a.keypoints == b.keypoints).all()
    other = render_group(studio, raster, 1, "train", 1, 2, 2, 64)
    assert other.motion != groups[1].motion


def test_hidden_and_outside_points_are_not_visible() -> None:
    camera = front_camera(64)
    depth = np.full((64, 64), 3.0, np.float32)
    drawn = Layers(
        np.zeros((64, 64, 3), np.uint8), depth > 0, depth, np.zeros((64, 64, 3), np.float32), np.uint8(depth > 0)
    )
    forward = camera.rotation[2]
    points = np.repeat((camera.centre + 3.0 * forward)[None], keypoints.COUNT, 0)
    assert (visible_keypoints(camera, points, drawn)[:, 2] == 1).all()
    assert (visible_keypoints(camera, points + 0.5 * forward, drawn)[:, 2] == 0).all()
    assert (visible_keypoints(camera, points + camera.rotation[0] * 5, drawn)[:, 2] == 0).all()
    assert (visible_keypoints(camera, points - 4.0 * forward, drawn)[:, 2] == 0).all()


def test_framings_hold_what_they_promise(studio: Studio) -> None:
    from pipelines.synthesis.identity import sample_identity
    from pipelines.synthesis.motion import sample_motion

    for seed in range(6):
        rng = np.random.default_rng(seed)
        person = studio.dress(sample_identity(rng))
        points = person.pose(sample_motion(rng, studio.skeleton, 1).at(np.zeros(1), studio.skeleton)).points
        widths = {}
        for framing in FRAMINGS:
            camera = sample_camera(np.random.default_rng(seed), points, framing, 100)
            face = camera.project(points[0, keypoints.FACE_SLICE])
            assert ((face > 0) & (face < 100)).all()
            widths[framing] = np.ptp(face[:, 1])
            if framing == "full":
                pixels = camera.project(points[0])
                assert ((pixels > 0) & (pixels < 100)).all()
        assert widths["face"] > 2.5 * widths["full"]
        assert widths["upper"] > widths["full"]


def test_backdrops_differ_and_feet_cast_a_shadow() -> None:
    camera = front_camera(64)
    pictures = []
    for seed in range(6):
        backdrop = sample_backdrop(np.random.default_rng(seed))
        far, near = np.array([[50.0, 50, 0]], np.float32), np.array([[0.0, 0, 0]], np.float32)
        bare, shaded = draw_backdrop(backdrop, camera, far), draw_backdrop(backdrop, camera, near)
        foot = camera.project(near[0]).astype(int)
        if (foot < 64).all():
            assert shaded[foot[1], foot[0]].sum() < 0.8 * bare[foot[1], foot[0]].sum()
        assert (shaded.astype(int) <= bare).all()
        pictures.append(bare.astype(int))
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 5

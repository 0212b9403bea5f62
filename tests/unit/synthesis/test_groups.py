"""Groups share the motion, and from where it is looked at, alone; labels lie on the picture; splits share nothing."""

from pathlib import Path

import numpy as np
import pytest

from pipelines import keypoints
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.groups import SPLITS, Group, Props, Recipe, View, render_group, visible_keypoints
from pipelines.synthesis.movement.recorded import LibraryMotion, MotionLibrary, Recorded
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from pipelines.synthesis.scenes.scene import Layers
from tests.unit.synthesis.conftest import front_camera

RECIPE = Recipe(identities=2, frames=3, fps=4.0, size=64)


@pytest.fixture(scope="module")
def groups(studio: Studio, raster: RasterEngine) -> list[Group]:
    return [render_group(studio, raster, 0, split, i, RECIPE) for split in SPLITS for i in range(2)]


def test_group_has_what_was_asked_for(groups: list[Group]) -> None:
    for group in groups:
        assert len(group.views) == 2
        for view in group.views:
            assert view.keypoints.shape == (3, keypoints.COUNT, 3)
            assert view.keypoints3d.shape == (3, keypoints.COUNT, 3)
            assert view.source.shape == (3, 32, 32, 3)
            assert view.source_part.shape == (3, 32, 32)
            assert len(view.layers) == len(view.shot.cameras) == len(view.extrinsics) == 3
            for drawn in view.layers:
                assert drawn.rgb.shape == (64, 64, 3)
                assert 0.01 < drawn.mask.mean() < 0.95


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


def test_cells_of_the_motion_show_in_the_photo_what_they_show(groups: list[Group]) -> None:
    """The photo lies at rest on itself; elsewhere the places have the part that the cells have."""
    for view in (view for group in groups for view in group.views):
        row, column = np.nonzero(view.source_part[-1])
        centres = np.stack([column + 0.5, row + 0.5], 1) / 32
        assert np.abs(view.source[-1, row, column, :2] - centres).max() < 1e-3
        assert ((view.source_part > 0) == (view.source[..., :2] != 0).any(-1)).all()
        for part, place in zip(view.source_part[:-1], view.source[:-1], strict=True):
            seen = place[..., 2] > 0
            column, row = np.floor(place[seen][:, :2] * 64).astype(int).T
            near = np.pad(view.layers[-1].part, 1)
            around = np.stack([near[row + i, column + j] for i in range(3) for j in range(3)])
            assert (around == part[seen]).any(0).mean() > 0.97


def test_members_move_alike_but_differ(groups: list[Group]) -> None:
    for group in groups:
        a, b = group.views
        assert a.identity != b.identity
        assert (a.layers[0].rgb != b.layers[0].rgb).mean() > 0.5

        # A lifted camera alone looks down more than the others.
        assert a.shot.yaw == b.shot.yaw
        assert a.shot.focal != b.shot.focal
        assert a.shot.roll != b.shot.roll

        def bones(view: View) -> np.ndarray:
            turned = view.extrinsics[:, :3, :3]
            spans = np.stack([view.keypoints3d[:, j] - view.keypoints3d[:, i] for i, j in keypoints.BODY_BONES[1:3]], 1)
            spans = np.einsum("tji,tnj->tni", turned, spans)
            return np.asarray(spans / np.linalg.norm(spans, axis=-1, keepdims=True))

        # One motion on two bodies: in the world, limbs point the same way.
        assert (bones(a) * bones(b)).sum(-1).min() > 0.9


def test_splits_share_no_identity_no_motion_and_no_background(groups: list[Group]) -> None:
    by_split = {split: [g for g in groups if g.split == split] for split in SPLITS}
    people = [{v.identity for g in of for v in g.views} for of in by_split.values()]
    motions = [{g.motion for g in of} for of in by_split.values()]
    places = [{v.background for g in of for v in g.views} for of in by_split.values()]
    for kind in (people, motions, places):
        assert sum(map(len, kind)) == len(set().union(*kind))
    assert len({g.id for g in groups}) == len(groups)


def recorded(seed: int, turn: float) -> Recorded:
    """Twelve frames of a walk away from the camera, arms only."""
    angles = np.linspace(0, 0.8, 12) + 0.1 * seed
    cos, sin, zero, one = np.cos(angles), np.sin(angles), np.zeros(12), np.ones(12)
    bend = np.stack([np.stack(row, -1) for row in ((one, zero, zero), (zero, cos, -sin), (zero, sin, cos))], 1)
    c, s = np.cos(turn), np.sin(turn)
    root = np.tile(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), (12, 1, 1))
    way = np.stack([zero, np.linspace(0, 3, 12), zero], 1)
    rotations = {"upperarm01.L": bend.astype(np.float32), "root": root.astype(np.float32)}
    return Recorded(Pose(rotations, way.astype(np.float32), {}), 10.0)


def test_recorded_motion_is_used_and_stays_in_its_split(studio: Studio, raster: RasterEngine, tmp_path: Path) -> None:
    library: dict[str, tuple[LibraryMotion, ...]] = {}
    for number, split in enumerate(("train", "test")):
        path = tmp_path / f"{split}.npz"
        recorded(number, turn=2.8).save(path)
        library[split] = (LibraryMotion(f"motion-{split}", 1.1, path),)
    props = Props(MotionLibrary(library))
    always = Recipe(identities=1, frames=3, fps=4.0, size=32, recorded=1.0)
    made = {split: render_group(studio, raster, 0, split, 0, always, props) for split in SPLITS}
    sources = {split: group.source for split, group in made.items()}
    assert sources == {"train": "motion-train", "validation": "procedural", "test": "motion-test"}
    pose = made["train"].takes[0]
    ahead = pose.rotations["root"] @ np.array([0, -1, 0])
    assert (ahead[:, 1] < -0.7).all()  # a motion that was recorded from behind is turned to the camera
    assert np.abs(pose.translation[:, :2].mean(0)).max() < 1e-5
    assert any(bone.startswith("finger") for bone in pose.rotations)
    assert pose.actions
    too_long = Recipe(identities=1, frames=8, fps=4.0, size=32, recorded=1.0)
    assert render_group(studio, raster, 0, "train", 0, too_long, props).source == "procedural"


def test_the_last_frame_is_a_photo_of_the_same_person_and_place_in_another_pose(groups: list[Group]) -> None:
    for group in groups:
        motion, photo = group.takes
        assert (motion.frames, photo.frames) == (RECIPE.frames - 1, 1)
        for view in group.views:
            assert len(view.layers) == RECIPE.frames
            points = view.keypoints3d - view.keypoints3d.mean(1, keepdims=True)
            within = np.linalg.norm(points[1] - points[0], axis=-1).mean()
            apart = np.linalg.norm(points[-1] - points[0], axis=-1).mean()
            assert apart > within


def test_the_photo_is_taken_where_the_motion_has_its_middle(groups: list[Group]) -> None:
    shown = set()
    for view in (view for group in groups for view in group.views):
        world = (view.keypoints3d - view.extrinsics[:, None, :3, 3]) @ view.extrinsics[:, :3, :3]
        heads = world[:, keypoints.HEAD_SLICE].mean(1)
        off = np.abs(heads[:-1].mean(0) - heads[-1])
        # Feet that are seen stay on the floor.
        assert (off[:2] if view.shot.framing == "full" else off).max() < 1e-3
        shown.add(view.shot.framing)
    assert len(shown) > 1


def test_group_is_a_pure_function(studio: Studio, raster: RasterEngine, groups: list[Group]) -> None:
    again = render_group(studio, raster, 0, "train", 1, RECIPE)
    assert again.id == groups[1].id
    for a, b in zip(again.views, groups[1].views, strict=True):
        assert (a.layers[1].rgb == b.layers[1].rgb).all()
        assert (a.keypoints == b.keypoints).all()
    other = render_group(studio, raster, 1, "train", 1, RECIPE)
    assert other.motion != groups[1].motion


def test_hidden_and_outside_points_are_not_visible() -> None:
    camera = front_camera(64)
    depth = np.full((64, 64), 3.0, np.float32)
    drawn = Layers(
        np.zeros((64, 64, 3), np.uint8),
        depth > 0,
        depth,
        np.zeros((64, 64, 3), np.float32),
        (depth > 0).astype(np.uint8),
    )
    forward = camera.rotation[2]
    points = np.repeat((camera.centre + 3.0 * forward)[None], keypoints.COUNT, 0)
    assert (visible_keypoints(camera, points, drawn)[:, 2] == 1).all()
    assert (visible_keypoints(camera, points + 0.5 * forward, drawn)[:, 2] == 0).all()
    assert (visible_keypoints(camera, points + camera.rotation[0] * 5, drawn)[:, 2] == 0).all()
    behind = visible_keypoints(camera, points - 4.0 * forward + camera.rotation[0], drawn)
    assert np.allclose(behind[:, [0, 2]], [17, 0])

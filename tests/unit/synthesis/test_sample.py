"""What a shard keeps of a view says what the renderer said, where somebody needs it."""

import io

import numpy as np
import pytest

from pipelines.synthesis.groups import Group, Recipe, render_group
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.places import pack, unpack
from pipelines.synthesis.sample import members
from pipelines.synthesis.scenes.engines.raster import RasterEngine
from training.records import hand_normals


@pytest.fixture(scope="module")
def group(studio: Studio, raster: RasterEngine) -> Group:
    return render_group(studio, raster, 0, "train", 1, Recipe(identities=2, frames=3, fps=2.0, size=128))


def stored(group: Group, view: int) -> dict[str, np.ndarray]:
    content = dict(members(group))[f"i{view}.npz"]
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def test_places_come_back_to_a_ten_thousandth_of_a_side(group: Group) -> None:
    for number, view in enumerate(group.views):
        arrays = stored(group, number)
        there = view.source_part > 0
        assert (arrays["source_part"] == view.source_part).all()
        assert (arrays["source_seen"] == (view.source[..., 2] == 1)).all()
        error = unpack(arrays["source"])[there] - view.source[..., :2].clip(-1, 2)[there]
        assert np.abs(error).max() < 5e-5
    far = np.array([[[-7, 9], [0, 0], [1, 1], [0.5, -1], [2, 2]]], np.float32)
    assert np.allclose(unpack(pack(far)), far.clip(-1, 2), atol=2.5e-5)
    with np.errstate(over="raise"):
        assert (unpack(pack(unpack(pack(far)))) == unpack(pack(far))).all()


def test_normals_of_hands_are_those_of_the_whole_picture(group: Group) -> None:
    found = 0
    for number, view in enumerate(group.views):
        arrays = stored(group, number)
        layers = {
            name: np.stack([getattr(drawn, name) for drawn in view.layers]).astype(np.float16)
            for name in ("depth", "normals")
        }
        for size in (16, 48):
            whole = hand_normals(view.keypoints, view.keypoints3d, layers["depth"], layers["normals"], size)
            kept = hand_normals(view.keypoints, view.keypoints3d, arrays["depth"], arrays["normals"], size)
            assert (kept == whole).all()
            found += int((whole[:, :, 3] > 0).sum())
        assert (arrays["depth"] > 0).sum() < 0.7 * (layers["depth"] > 0).sum()
    assert found > 1000

"""People of a photo and a video as `animate` is shown them: who they are by number, when they are there, and where."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.decode import Frame
from pipelines.curation.numbered import Shown, numbered
from pipelines.curation.people import PeopleConfig
from pipelines.curation.watch import NoSuchPersonError, Watcher, frames_at
from pipelines.errors import DataError
from pipelines.keypoints import BODY_SLICE
from pipelines.photo import is_photo
from pipelines.synthesis.avatars import render_avatar_video
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace

FPS, BEFORE = 24, 18


def frames_of(path: Path) -> list[Frame]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody for 0.75 s, then for a second two avatars beside each other, the right one larger."""
    folder = tmp_path_factory.mktemp("two")
    for seed, framing in enumerate(("full", "upper")):
        render_avatar_video(folder / f"{framing}.mp4", seed, seconds=1, fps=FPS, size=256, framing=framing)
    pairs = zip(frames_of(folder / "full.mp4"), frames_of(folder / "upper.mp4"), strict=True)
    together = [np.concatenate(pair, 1) for pair in pairs]
    path = folder / "two.mp4"
    path.write_bytes(encode_mp4([np.full_like(together[0], 90)] * BEFORE + together, FPS))
    Image.fromarray(together[0]).save(folder / "two.png")
    return path


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Watcher:
    workspace = Workspace(str(tmp_path_factory.mktemp("watching")))
    workspace.prepare()
    return Watcher(workspace, PeopleConfig(), ClipsConfig())


def test_people_of_a_video_have_numbers_from_left_to_right(watcher: Watcher, two: Path) -> None:
    told: list[float] = []
    left, views = watcher.video(two, 1, told.append)
    right, _ = watcher.video(two, 2)
    largest, _ = watcher.video(two)
    assert (left.people, right.people) == (2, 2)
    assert told == sorted(told)
    for followed, centre in ((left, 128), (right, 384)):
        middles = followed.corners[:, 0] + followed.side / 2
        assert np.abs(middles - centre).max() < 80
        # Detectors look for newcomers three times per second; every frame since then is there, none before they came.
        first = round(followed.times[0] * FPS)
        assert BEFORE - 1 <= first <= BEFORE + FPS // 3
        assert followed.times == pytest.approx(np.arange(first, BEFORE + FPS) / FPS, abs=1e-3)
        assert followed.end == pytest.approx((BEFORE + FPS) / FPS, abs=1e-3)
        known = followed.keypoints[followed.keypoints[..., 2] > 0.5]
        assert ((known[:, :2] > -0.1) & (known[:, :2] < 1.1)).all()
    assert np.array_equal(largest.corners, right.corners)
    (view,) = views
    assert [sight.number for sight in view.sights] == [1, 2]
    (frame,) = frames_at(two, np.array([view.time]))
    picture = numbered([Shown("video", frame, view)])
    assert np.abs(picture[-256:].astype(int) - frame).max() > 100
    with pytest.raises(NoSuchPersonError, match=r"two\.mp4: shows 2 people; choose 1 to 2, not 3$"):
        watcher.video(two, 3)


def test_between_two_looks_points_are_on_their_way(watcher: Watcher, two: Path) -> None:
    """People are looked at 16 times per second; of 24 frames every third lies between two looks."""
    followed, _ = watcher.video(two, 2)
    sure = (followed.keypoints[..., 2] > 0.5).all(0)
    steps = np.linalg.norm(np.diff(followed.keypoints[:, sure, :2], axis=0), axis=2).mean(1)
    assert steps[:-1].min() > 0  # the last frame may come after the last look
    assert steps.max() < 8 * np.median(steps)


def test_people_of_a_photo(watcher: Watcher, two: Path) -> None:
    photo = two.with_suffix(".png")
    assert is_photo(photo)
    assert not is_photo(two)
    left, _ = watcher.photo(photo, 1)
    right, _ = watcher.photo(photo, 2)
    assert left.people == right.people == 2
    assert left.corner[0] < right.corner[0]
    assert right.cut(64).shape == (64, 64, 3)
    with pytest.raises(NoSuchPersonError, match="shows 2 people; choose 1 to 2, not 5"):
        watcher.photo(photo, 5)


def test_the_outline_of_a_photo_is_that_of_who_was_chosen(watcher: Watcher, two: Path) -> None:
    for person in (1, 2):
        portrait, _ = watcher.photo(two.with_suffix(".png"), person)
        assert portrait.outline is not None
        inside = portrait.outline > 0.5
        assert 0.05 < inside.mean() < 0.7
        body = portrait.keypoints[BODY_SLICE]
        column, row = (body[body[:, 2] > 0.5, :2].clip(0, 0.999) * len(inside)).astype(int).T
        assert inside[row, column].mean() > 0.8


def test_nobody_is_said_in_one_sentence(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(encode_mp4([np.full((96, 96, 3), 90, np.uint8)] * 12, 12))
    with pytest.raises(DataError, match=r"empty\.mp4: no person was found in it; use one that shows a person larger"):
        watcher.video(tmp_path / "empty.mp4")

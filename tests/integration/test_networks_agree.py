"""Every network that we run finds what its authors' own code finds with the same weights."""

import csv
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import PyAvDecoder
from pipelines.curation.landmarks import MediaPipePose
from pipelines.curation.models import ensure_models
from pipelines.curation.tracking import FULL_FRAME
from pipelines.curation.watch import read_photo
from pipelines.workspace import Workspace

_SURE = 0.7  # visibility from which a point's place is compared
# Median difference, in sides of the picture: of all points, and of the worst picture, which shows a small person
# who is found in a slightly other square.
_FARTHEST, _FARTHEST_OF_ONE = 0.001, 0.02


def picture_of(path: Path, frame: str) -> NDArray[np.uint8]:
    """A photo, or one frame of a video, RGB."""
    if not frame:
        return read_photo(path)
    _, picture = next(islice(PyAvDecoder().frames(path), int(frame), None))
    return picture


def test_the_pose_is_that_of_mediapipes_own_solution(workspace: Workspace, photos: Path) -> None:
    """photos/expected.csv: 33 points by MediaPipe 0.10.21's `solutions.pose` (model_complexity 1, static images)."""
    expected: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with (photos / "expected.csv").open() as file:
        for row in csv.DictReader(file):
            point = [float(row[name]) for name in ("x", "y", "visibility")]
            expected[row["file"], row["frame"]].append(point)
    network = MediaPipePose(ensure_models(workspace).pose, 0.5, people_per_view=1)
    differences = []
    for (name, frame), rows in expected.items():
        points = np.array(rows)
        (found,) = network.poses(picture_of(photos.parent / name, frame), FULL_FRAME)
        sure = points[:, 2] >= _SURE
        apart = np.linalg.norm(found[sure, :2] - points[sure, :2], axis=1)
        assert np.median(apart) <= _FARTHEST_OF_ONE, f"{name} {frame}: {np.median(apart):.4f} of the picture"
        differences.append(apart)
    assert np.median(np.concatenate(differences)) <= _FARTHEST


def test_an_old_workspace_does_not_keep_a_pose_bundle_of_another_recipe(workspace: Workspace) -> None:
    old = workspace.local_root / "models" / "pose_landmarker.task"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of a recipe that was wrong")
    bundle = ensure_models(workspace).pose
    assert bundle != old
    assert bundle.stat().st_size > 9_000_000

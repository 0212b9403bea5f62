"""People before each other and heads that move fast, on real frames on which one pose or face was taken for another."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.curation.decode import Frame, PyAvDecoder
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import LandmarkConfig, WholeBody, face_apart, load_landmarker
from pipelines.curation.models import ModelPaths, ensure_models
from pipelines.curation.people import PeopleConfig
from pipelines.curation.sources import STARTER_VIDEOS
from pipelines.curation.tracker import Tracker
from pipelines.curation.whole_body import FACE, POSE
from pipelines.wheels import extract
from pipelines.workspace import Workspace
from tests.real.figures import compare
from tests.real.labels import read_material
from tests.real.photos import look_at

LABELS = Path(__file__).resolve().parents[1] / "real" / "labels"
JUMPER = "Sports2D_Demo_demo.mp4#t=4.567"
SIZE, FPS = (960, 540), 16.0


@pytest.fixture(scope="module")
def paths(perceiving: Workspace) -> ModelPaths:
    return ensure_models(perceiving)


@pytest.fixture(scope="module")
def landmarker(paths: ModelPaths) -> WholeBody:
    return load_landmarker(paths, LandmarkConfig())


def test_who_jumps_above_somebody_has_a_pose_of_their_own(perceiving: Workspace) -> None:
    for wheel, members in STARTER_VIDEOS.items():
        extract(perceiving, wheel, members, "starter")
    material = read_material([LABELS], [perceiving.local("starter")])
    (picture,) = (one for one in material.pictures if one.name == JUMPER)
    (seen,) = look_at([picture], perceiving)
    counts = compare(picture, seen)
    assert counts.people == (2, 2)
    assert counts.animated == (1, 1)


def test_the_face_of_who_looks_down_to_a_ball_stays_on_the_head(
    clips: Path, paths: ModelPaths, landmarker: WholeBody
) -> None:
    frames: list[Frame] = [frame for _, frame in PyAvDecoder(FPS, SIZE).frames(clips / "football_juggle.mp4", 4.4, 5.5)]
    config = PeopleConfig()
    detector = PersonDetector(paths.person, config.min_detection)
    tracker = Tracker(landmarker, detector, config, FPS, SIZE[0] / SIZE[1])
    for index, frame in enumerate(frames):
        tracker.step(index, frame)
    (track,) = tracker.finish()
    faces = [points * np.array([*SIZE, 1]) for points in track.landmarks if points[FACE, 2].all()]
    apart = [face_apart(points[FACE, :2], points[POSE, :2]) for points in faces]
    assert len(faces) >= 0.9 * len(frames)
    assert max(apart) < 0.25

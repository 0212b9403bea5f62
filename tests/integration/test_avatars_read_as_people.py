"""Detectors that were made for people, and were never tuned to avatars, find the avatars where they are."""

from collections.abc import Iterator

import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import LandmarkConfig, WholeBody, load_landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.people import PeopleConfig
from pipelines.curation.whole_body import keypoints_of
from pipelines.engine import pin_threads
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.backdrop import draw_backdrop, sample_backdrop
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.synthesis.scenes.framing import sample_camera
from pipelines.synthesis.scenes.lights import sample_light
from pipelines.synthesis.scenes.scene import Camera, Floats, Scene, look_at
from pipelines.synthesis.scenes.shadow import cast
from pipelines.workspace import Workspace

PEOPLE, SIZE, LEAST = 40, 512, 0.95
SEED = 31
WHOLE = np.array([0, 0, 1, 1], np.float32)
TRUNK = [kp.BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")]


def pictures(framing: str, people: int) -> Iterator[tuple[Frame, Floats]]:
    """Pictures (512, 512, 3) of different people in scenes of all kinds, and the named points (88, 2) in shares of the
    picture.

    face: head and shoulders, facing the camera to within 20 degrees, with all kinds of expressions. full: the whole
    body in all kinds of motion, which begins with facing the camera to within 15 degrees.
    """
    pin_threads()
    studio, (engine, _) = Studio.open(SIZE), choose_engine("auto")
    for number in range(people):
        rng = np.random.default_rng([SEED, len(framing), number])
        person = studio.dress(sample_identity(rng))
        motion = sample_motion(rng, studio.skeleton, 0.5, framing, facing=15)
        pose = motion.at(np.array([0.25]), studio.skeleton)
        if framing == "face":
            yaw = np.radians(rng.uniform(-20, 20))
            turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]], np.float32)
            pose = Pose({"root": turn[None]}, np.zeros((1, 3), np.float32), pose.actions)
        posed = person.pose(pose)
        camera = sample_camera(rng, posed.points, framing, SIZE) if framing == "full" else _portrait(posed.points[0])
        light, surface = sample_light(rng), person.surface(posed.vertices[0])
        behind = draw_backdrop(sample_backdrop(rng), camera, light).shaded(cast(surface, light))
        truth = np.asarray(camera.project(posed.points[0]) / SIZE, np.float32)
        yield engine.render(Scene(surface, camera, light, behind)).rgb, truth


def _portrait(points: Floats) -> Camera:
    face = points[kp.FACE_SLICE].mean(0)
    return look_at(face + np.array([0, -1.6, 0.05], np.float32), face - np.array([0, 0, 0.1], np.float32), 2.2, SIZE)


@pytest.fixture(scope="module")
def models(perceiving: Workspace) -> tuple[WholeBody, PersonDetector]:
    paths = ensure_models(perceiving)
    return load_landmarker(paths, LandmarkConfig()), PersonDetector(paths.person, PeopleConfig().min_detection)


def face_is_found(models: tuple[WholeBody, PersonDetector], picture: Frame, points: Floats) -> bool:
    """Whether the landmark model says that there is a face, and its points are at the face: off by less than a quarter
    of the face's width on average."""
    truth = points[kp.FACE_SLICE]
    for pose in models[0].poses(picture, WHOLE):
        found = keypoints_of(models[0].landmarks(picture, pose.points))[kp.FACE_SLICE]
        off = np.linalg.norm(found[:, :2] - truth, axis=1).mean()
        if found[:, 2].min() > 0 and off < 0.25 * np.ptp(truth[:, 0]):
            return True
    return False


def pose_is_found(models: tuple[WholeBody, PersonDetector], picture: Frame, points: Floats) -> bool:
    """Whether there is a pose whose shoulders and hips are off by less than a fifth of the trunk's height."""
    truth = points[TRUNK]
    for pose in models[0].poses(picture, WHOLE):
        found = pose.points[kp.MEDIAPIPE_POSE][TRUNK, :2]
        if np.linalg.norm(found - truth, axis=1).mean() < 0.2 * np.ptp(truth[:, 1]):
            return True
    return False


def person_is_found(models: tuple[WholeBody, PersonDetector], picture: Frame, points: Floats) -> bool:
    """Whether the pedestrian detector has a box that shares more than half with that of the named points."""
    low, high = points.min(0), points.max(0)
    for box, _ in models[1].detect(picture):
        shared = np.clip(np.minimum(high, box[2:]) - np.maximum(low, box[:2]), 0, None).prod()
        if shared > 0.5 * ((high - low).prod() + (box[2:] - box[:2]).prod() - shared):
            return True
    return False


def test_faces_are_found(models: tuple[WholeBody, PersonDetector]) -> None:
    found = [face_is_found(models, *made) for made in pictures("face", PEOPLE)]
    print(f"faces found: {np.mean(found):.1%} of {len(found)}")
    assert np.mean(found) >= LEAST


def test_full_bodies_are_found(models: tuple[WholeBody, PersonDetector]) -> None:
    found = np.array(
        [(pose_is_found(models, *made), person_is_found(models, *made)) for made in pictures("full", PEOPLE)]
    )
    print(f"poses found: {found[:, 0].mean():.1%}, people by the pedestrian detector: {found[:, 1].mean():.1%}")
    assert found[:, 0].mean() >= LEAST
    # Curation looks for people in both ways, because each misses some whom the other finds.
    assert found.any(1).mean() >= LEAST
    assert found[:, 1].mean() >= 0.8

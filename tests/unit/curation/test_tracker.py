"""Tracking with stand-ins for the models: who is whom, and who is lost."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.curation import whole_body as wb
from pipelines.curation.detect import views
from pipelines.curation.networks.pose import Pose
from pipelines.curation.networks.region import Region
from pipelines.curation.people import PeopleConfig
from pipelines.curation.tracker import Track, Tracker
from pipelines.curation.tracking import Box, Points, overlap

FRAME = np.zeros((90, 160, 3), np.uint8)
FPS = 16.0


def person(x: float, height: float = 0.7) -> Points:
    pose = np.zeros((33, 3), np.float32)
    pose[:, 0] = x + np.linspace(-0.06, 0.06, 33)
    pose[:, 1] = 0.5 + height * np.linspace(-0.5, 0.5, 33)
    pose[:11, 0] = x
    pose[11:13, 1] = 0.5 - 0.3 * height
    pose[23:25, 1] = 0.5 + 0.1 * height
    pose[:, 2] = 0.9
    return pose


@dataclass
class Scene:
    """Stands in for both models: gives the people whose centre lies in the box that is looked at."""

    people: list[Points] = field(default_factory=list)
    detections: list[tuple[Box, float]] = field(default_factory=list)
    pose_sees_views: bool = True
    detects: bool = True
    follows: bool = True

    def follow(self, _frame: np.ndarray, region: Region) -> Pose | None:
        low, high = (region.centre + half for half in (-region.side / 2, region.side / 2))
        centres = [(p, p[:, :2].mean(0) * [160, 90]) for p in self.people]
        inside = [p for p, c in centres if (c > low).all() and (c < high).all()]
        return self._pose(inside[0]) if inside and self.follows else None

    def _pose(self, points: Points) -> Pose:
        """Somebody, and where to look for them next."""
        centre, height = points[:, :2].mean(0) * [160, 90], np.ptp(points[:, 1]) * 90
        return Pose(points, 1.0, Region(centre.astype(np.float32), 1.4 * float(height), 0.0))

    def poses(self, _frame: np.ndarray, box: Box) -> list[Pose]:
        is_view = any(np.allclose(box, view) for view in views(160, 90))
        if is_view and not self.pose_sees_views:
            return []
        if not self.detects:
            return []
        centres = [(p, p[:, :2].mean(0)) for p in self.people]
        return [self._pose(p) for p, c in centres if (c > box[:2]).all() and (c < box[2:]).all()]

    def landmarks(self, _frame: np.ndarray, pose: Points, _previous: Points | None) -> Points:
        found = np.zeros((wb.COUNT, 3), np.float32)
        found[wb.POSE] = pose
        return found

    def detect(self, _frame: np.ndarray) -> list[tuple[Box, float]]:
        return self.detections


def follow(scenes: list[list[Points]], scene: Scene | None = None) -> list[Track]:
    scene = scene or Scene()
    tracker = Tracker(scene, scene, PeopleConfig(), FPS, aspect=16 / 9)  # type: ignore[arg-type]
    for index, people in enumerate(scenes):
        scene.people = people
        tracker.step(index, FRAME)
    return tracker.finish()


def dressed(people: list[tuple[Points, tuple[int, int, int]]]) -> np.ndarray:
    """A frame in which each person is a patch of their colour, later ones in front."""
    frame = np.full((90, 160, 3), 128, np.uint8)
    for pose, colour in people:
        (x0, y0), (x1, y1) = (np.clip(f(pose[:, :2], axis=0), 0, 1) * [160, 90] for f in (np.min, np.max))
        frame[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = colour
    return frame


def follow_two(places: list[tuple[float, float]], hidden: float = 0.12) -> list[Track]:
    """A blue person and, in front of them, a red one, who are nearer than `hidden` when only one of them is seen."""
    scene = Scene()
    tracker = Tracker(scene, scene, PeopleConfig(), FPS, aspect=16 / 9)  # type: ignore[arg-type]
    for index, (blue, red) in enumerate(places):
        scene.people = [person(red)] + ([person(blue)] if abs(blue - red) >= hidden else [])
        tracker.step(index, dressed([(person(blue), (30, 40, 200)), (person(red), (200, 30, 30))]))
    return tracker.finish()


@settings(max_examples=15)
@given(st.floats(0.5, 1.0), st.floats(0.06, 0.15))
def test_people_who_cross_stay_who_they_are(seconds: float, hidden: float) -> None:
    steps = np.linspace(0.2, 0.8, max(4, round(seconds * 2 * FPS)))
    blue, red = follow_two([(x, 1 - x) for x in steps], hidden)
    assert [round(centre(t.boxes[i]), 1) for t in (blue, red) for i in (0, -1)] == [0.2, 0.8, 0.8, 0.2]
    assert len(red.indices) == len(steps)


def test_people_who_turn_back_while_they_meet_stay_who_they_are() -> None:
    way = np.concatenate([np.linspace(0.2, 0.46, 20), [0.46] * 8, np.linspace(0.46, 0.2, 20)])
    blue, red = follow_two([(x, 1 - x) for x in way])
    assert [round(centre(t.boxes[i]), 1) for t in (blue, red) for i in (0, -1)] == [0.2, 0.2, 0.8, 0.8]


def test_somebody_else_in_the_same_place_is_somebody_else() -> None:
    scene = Scene()
    tracker = Tracker(scene, scene, PeopleConfig(), FPS, aspect=16 / 9)  # type: ignore[arg-type]
    for index in range(30):
        scene.people = [] if 10 <= index < 15 else [person(0.5)]
        tracker.step(index, dressed([(person(0.5), (30, 40, 200) if index < 10 else (200, 30, 30))]))
    assert [(t.indices[0], t.indices[-1]) for t in tracker.finish()] == [(0, 9), (15, 29)]


def test_two_tracks_do_not_stay_on_one_person() -> None:
    """Half a pose apart, and of one colour: a second pose of the same person."""
    scenes = [[person(0.3), person(0.7 - 0.33 * min(1, i / 20))] for i in range(60)]
    tracks = [track for track in follow(scenes) if len(track.indices) >= 8]
    assert len(tracks) == 2
    assert (tracks[0].indices[-1], len(tracks[0].indices)) == (59, 60)
    assert tracks[1].indices[-1] < 24


def centre(box: Box) -> float:
    return float(box[0] + box[2]) / 2


def test_two_people_are_two_tracks() -> None:
    tracks = follow([[person(0.2 + 0.005 * i), person(0.8 - 0.005 * i)] for i in range(32)])
    assert [len(track.indices) for track in tracks] == [32, 32]
    assert sorted(round(centre(track.boxes[-1]), 1) for track in tracks) == [0.4, 0.6]


def test_one_person_is_one_track_even_when_found_in_many_tiles() -> None:
    assert [len(track.indices) for track in follow([[person(0.5)]] * 20)] == [20]


def test_a_short_loss_is_bridged_and_a_long_one_is_not() -> None:
    short = follow([[person(0.5)]] * 10 + [[]] * 6 + [[person(0.52)]] * 10)
    assert [track.indices for track in short] == [[*range(10), *range(16, 26)]]
    long = follow([[person(0.5)]] * 10 + [[]] * 40 + [[person(0.52)]] * 10)
    assert [(track.indices[0], track.indices[-1]) for track in long] == [(0, 9), (50, 59)]


def test_someone_whom_only_the_person_detector_sees() -> None:
    scene = Scene(detections=[(np.array([0.4, 0.1, 0.6, 0.9], np.float32), 0.9)], pose_sees_views=False)
    tracks = follow([[person(0.5)]] * 8, scene)
    assert [len(track.indices) for track in tracks] == [8]
    assert overlap(tracks[0].boxes[0], scene.detections[0][0])[1] > 0.8


def test_a_detection_without_a_pose_is_nobody() -> None:
    scene = Scene(detections=[(np.array([0.4, 0.1, 0.6, 0.9], np.float32), 0.9)])
    assert follow([[]] * 8, scene) == []


@pytest.mark.parametrize("frames", [9, 32], ids=["one look", "several looks"])
def test_whom_no_later_look_of_detectors_confirms_was_a_ghost(frames: int) -> None:
    scene = Scene()
    tracker = Tracker(scene, scene, PeopleConfig(), FPS, aspect=16 / 9)  # type: ignore[arg-type]
    scene.people = [person(0.5)]
    for index in range(frames):
        tracker.step(index, FRAME)
        scene.detects = False
    assert tracker.finish() == []


def test_a_second_look_that_shows_nobody_drops_nobody() -> None:
    assert [len(track.indices) for track in follow([[person(0.5)]], Scene(follows=False))] == [1]


def test_a_head_is_enough_to_be_somebody() -> None:
    head = person(0.5)
    head[11:, 2] = 0.1
    assert len(follow([[head]] * 8)) == 1
    head[:11, 2] = 0.5
    assert follow([[head]] * 8) == []


def test_the_unseen_and_the_tiny_are_nobody() -> None:
    faint = person(0.5)
    faint[:, 2] = 0.35
    assert follow([[faint, person(0.2, height=0.05)]] * 8) == []


class Crowd(Scene):
    """One stands before the other, so that detectors see the nearer one alone. A square around both is read as a
    mixture of them, one around either as that one."""

    near, far, mixed = person(0.5), person(0.62), person(0.56)

    def poses(self, frame: np.ndarray, box: Box) -> list[Pose]:
        self.people = [self.near]
        return [replace(pose, clarity=0.6) for pose in super().poses(frame, box)]

    def follow(self, _frame: np.ndarray, region: Region) -> Pose | None:
        at = float(region.centre[0]) / 160
        read = min((self.near, self.far, self.mixed), key=lambda pose: abs(float(pose[:, 0].mean()) - at))
        return replace(self._pose(read), clarity=0.1 if read is self.mixed else 0.6)


def test_whom_no_detector_sees_is_read_beside_who_is_before_them() -> None:
    tracks = follow([[]], Crowd())
    assert [round(centre(track.boxes[0]), 2) for track in tracks] == [0.5, 0.62]


def test_who_is_alone_and_clear_is_one() -> None:
    class Alone(Crowd):
        def follow(self, _frame: np.ndarray, _region: Region) -> Pose | None:
            return replace(self._pose(self.near), clarity=0.6)

    assert len(follow([[]], Alone())) == 1


def test_what_is_read_beside_and_not_read_again_is_nobody() -> None:
    class Mixing(Crowd):
        reads = 0

        def follow(self, frame: np.ndarray, region: Region) -> Pose | None:
            found = super().follow(frame, region)
            if found is None or found.points is not self.far:
                return found
            self.reads += 1
            own = float(self.far[:, 0].mean()) * 160
            return None if region.centre[0] == pytest.approx(own, abs=0.01) else found

    scene = Mixing()
    assert len(follow([[]], scene)) == 1
    assert scene.reads > 1


def test_a_closer_look_that_mixes_two_people_does_not_count() -> None:
    class Drifting(Scene):
        def poses(self, frame: np.ndarray, box: Box) -> list[Pose]:
            return [replace(pose, clarity=0.8) for pose in super().poses(frame, box)]

        def follow(self, _frame: np.ndarray, _region: Region) -> Pose | None:
            return replace(self._pose(person(0.52)), clarity=0.1)

    (track,) = follow([[person(0.5)]], Drifting())
    assert centre(track.boxes[0]) == pytest.approx(0.5, abs=0.005)


def test_of_unclear_looks_the_clearest_counts_when_a_shot_begins() -> None:
    class Unclear(Scene):
        def poses(self, frame: np.ndarray, box: Box) -> list[Pose]:
            return [replace(pose, clarity=0.2) for pose in super().poses(frame, box)]

        def follow(self, _frame: np.ndarray, region: Region) -> Pose | None:
            is_left = region.centre[0] < 0.49 * 160
            return replace(self._pose(person(0.45 if is_left else 0.5)), clarity=0.5 if is_left else 0.2)

    (track,) = follow([[person(0.5)]], Unclear())
    assert centre(track.boxes[0]) == pytest.approx(0.45, abs=0.005)
    # Later it is mostly what paint left of somebody known.
    (later,) = follow([[]] * 5 + [[person(0.5)]] * 5, Unclear())
    assert centre(later.boxes[0]) == pytest.approx(0.5, abs=0.005)


def test_a_detected_person_within_the_outline_of_another_is_looked_at() -> None:
    """The outline of who is found reaches over somebody else, whom only the person detector sees."""

    class Outlined(Scene):
        def poses(self, frame: np.ndarray, box: Box) -> list[Pose]:
            is_view = any(np.allclose(box, view) for view in views(160, 90))
            found = super().poses(frame, box)
            wide = np.array([0.2, 0.1, 0.8, 0.9], np.float32)
            left = [replace(pose, silhouette=wide) for pose in found if pose.points[:, 0].mean() < 0.5]
            return left if is_view else [pose for pose in found if pose.points[:, 0].mean() > 0.5]

        def follow(self, _frame: np.ndarray, _region: Region) -> Pose | None:
            return None

    scene = Outlined(detections=[(np.array([0.62, 0.1, 0.78, 0.9], np.float32), 0.9)])
    _, second = follow([[person(0.3), person(0.7)]], scene)
    assert centre(second.boxes[0]) == pytest.approx(0.7, abs=0.005)

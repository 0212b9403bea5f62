"""Follow the people of a shot, frame by frame.

Who was seen in the frame before is looked for where their own points say, without a detector. A few times per second
detectors look instead, around each known person and in the whole frame for newcomers: whom they do not confirm for most
of a track was a ghost. All poses found in a frame are assigned to all known people at once (see assignment.py). Who is
found is painted out before those are looked for who are not. Who is not seen stays known for a while, so that they are
the same track when they come out from behind somebody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.appearance import Look, difference, lies_on_paint, look_of, painted_out
from pipelines.curation.assignment import Expected, Sighting, assign, coincide, cost, distance
from pipelines.curation.decode import Frame
from pipelines.curation.detect import PersonDetector, place, square, views
from pipelines.curation.landmarks import WholeBody
from pipelines.curation.networks.pose import Pose
from pipelines.curation.networks.region import Region, moved_by, region_around
from pipelines.curation.tracking import TORSO, Box, Points, moved

if TYPE_CHECKING:
    from pipelines.curation.people import PeopleConfig

_SHOULDERS, _HEAD_POINTS = (11, 12), 11
_SEARCHES = (1.4, 1.2, 1.9)  # sides of the squares in which a person is looked for in turn, in sizes of their box
_SURE, _NEAR = 0.3, 0.1  # cost of a sure assignment; overlap of the boxes of people who may be confused
_NEWCOMER = (1.5, 2.2)  # the same for somebody whom only the person detector sees
_IN_SIGHT = 1.25  # side of the square in which somebody is read who is not detected, in sizes of their box
_IN_BOX = 0.25  # least overlap of a person with the box in which they were detected
# Clarity of a pose (see `Pose`) that is no mixture of two people, and of one whom nobody stands before or behind.
_CLEAR, _ALONE = 0.55, 0.7
# Where else an unclear one is read: scale of the squares, and their shifts in sides.
_NARROWER, _AROUND = 0.8, ((0.0, 0.0), (-0.2, 0.0), (0.2, 0.0), (0.0, -0.2), (0.0, 0.2))
# The same for somebody beside them, whose square is as large.
_BESIDE = ((-0.2, -0.2), (-0.2, 0.0), (-0.2, 0.2), (0.0, -0.2), (0.2, -0.2), (0.2, 0.0), (0.2, 0.2))
_FILLS = 0.6  # of a detected box, or of somebody: overlap from which the box may be of them
_SURE_HEAD = 0.8  # mean visibility of the points of a head that is enough to be somebody
_LEAST_CONFIRMED = 0.34  # share of the looks of detectors at a track in which they saw its person
_SEARCHED_S = 0.5  # so long someone lost is looked for in every frame, then only together with newcomers
_MOVES_ON_S = 1.0  # so long someone unseen is expected to go on as they did
_STEADY = 0.3  # weight of the last step in the mean velocity
# From one frame to the next somebody moves by less than this, in torsos, or by less than so many times their pace.
_STEP, _FASTER, _FADES = 0.05, 1.2, 0.8
_UNKNOWN_PACE = 0.05
_BLEND = 0.1  # weight of the last look in the mean look
# Two who are so near to each other, in torsos, and look so alike for so many frames are one.
_GHOST_DISTANCE, _GHOST_DIFFERENCE, _GHOST_FRAMES = 0.35, 0.25, 4


@dataclass
class Track:
    """One person through a shot: indices of the frames where they are seen, with boxes, landmarks (543, 3) and how sure
    the pose network was. looks, confirmed: how often detectors looked for them, and how often they saw them."""

    indices: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    landmarks: list[Points] = field(default_factory=list)
    presence: list[float] = field(default_factory=list)
    looks: int = 0
    confirmed: int = 0

    def add(self, index: int, box: Box, landmarks: Points, presence: float) -> None:
        self.indices.append(index)
        self.boxes.append(box)
        self.landmarks.append(landmarks)
        self.presence.append(presence)

    def drop_last(self, count: int) -> None:
        for values in (self.indices, self.boxes, self.landmarks, self.presence):
            del values[len(values) - count :]

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed >= _LEAST_CONFIRMED * self.looks


@dataclass
class Known:
    """A person who is followed. velocity: (2,) of their torso per frame. pace: how far their points moved in the
    fastest of the last steps, in torsos; it fades. doubled: frames in a row in which they were where somebody known for
    longer was."""

    track: Track
    last: Sighting
    look: Look
    velocity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    pace: float = _UNKNOWN_PACE
    doubled: int = 0

    def unseen(self, index: int) -> int:
        return index - self.track.indices[-1]

    def shift(self, index: int, longest: int) -> NDArray[np.float32]:
        """(2,) by how much they are expected to have moved since they were seen."""
        return self.velocity * min(self.unseen(index), longest)

    def see(self, index: int, seen: Sighting, aspect: float) -> None:
        step = (seen.pose[TORSO, :2] - self.last.pose[TORSO, :2]).mean(0) / self.unseen(index)
        self.pace = max(moved(self.last.pose, seen.pose, aspect), _FADES * self.pace)
        self.velocity = ((1 - _STEADY) * self.velocity + _STEADY * step).astype(np.float32)
        self.look = self.look.blended(seen.look, _BLEND)
        self.last = seen


class Tracker:
    """Follows the people of one shot, frame by frame. aspect: frame width / height."""

    def __init__(
        self, landmarker: WholeBody, detector: PersonDetector, config: "PeopleConfig", fps: float, aspect: float
    ) -> None:
        self._landmarker, self._detector, self._config = landmarker, detector, config
        self._fps, self._aspect = fps, aspect
        self._detect_every = max(1, round(fps / config.detections_per_second))
        self._longest_loss = max(1, round(config.max_lost_s * fps))
        self._known: list[Known] = []
        self._ended: list[Track] = []

    def step(self, index: int, frame: Frame) -> None:
        self._end(lambda known: known.unseen(index) > self._longest_loss)
        expected = [self._expected(known, index) for known in self._known]
        detects = index % self._detect_every == 0
        seen = [] if detects else self._followed(index, frame)
        pairs = assign(expected, seen, self._aspect)
        for side in _SEARCHES:
            sure = self._sure(expected, seen, pairs)
            canvas = painted_out(frame, [seen[pairs[number]].pose for number in sure])
            for number, known in enumerate(self._known):
                if number not in sure and known.unseen(index) <= max(1, _SEARCHED_S * self._fps):
                    box = known.last.box + np.tile(known.shift(index, self._most_steps), 2)
                    seen += self._look(frame, canvas, box, side)
            pairs = assign(expected, seen, self._aspect)
        newcomers: list[Sighting] = []
        if detects:
            self._confirm(pairs, index)
            seen += self._followed(index, frame)
            pairs = assign(expected, seen, self._aspect)
            newcomers = self._newcomers(index, frame, [seen[s] for s in pairs.values()])
            pairs = assign(expected, seen + newcomers, self._aspect)
        found = [(seen + newcomers)[s] for s in pairs.values()]
        for known, one in zip([self._known[e] for e in pairs], found, strict=True):
            self._extend(known, index, frame, one)
        for one in newcomers:
            if not any(coincide(one, other, self._aspect) for other in found):
                found.append(one)
                self._known.append(Known(Track(), one, one.look))
                self._extend(self._known[-1], index, frame, one)
        self._end_ghosts(index)

    def _followed(self, index: int, frame: Frame) -> list[Sighting]:
        """Those who were seen in the frame before, each where their own points then said that they would be."""
        found = []
        for known in self._known:
            region = known.last.found.next_region
            if region is not None and known.unseen(index) == 1:
                pose = self._landmarker.follow(frame, moved_by(region, known.shift(index, 1), frame))
                found += self._sightings(frame, frame, [pose] if pose is not None else [])
        return found

    def _confirm(self, pairs: dict[int, int], index: int) -> None:
        """Note whom detectors saw of those who were there in the frame before. pairs: see `assign`."""
        for number, known in enumerate(self._known):
            if known.unseen(index) == 1:
                known.track.looks += 1
                known.track.confirmed += number in pairs

    def goes_on(self, index: int, frame: Frame) -> bool:
        """Whether the people of the frame before are in this one, at most a step further: else a cut lies between.

        True where nobody was seen in the frame before. index: of this frame, which `step` has not seen.
        """
        there = [known for known in self._known if known.unseen(index) == 1]
        return not there or any(self._is_at_most_a_step_further(known, frame) for known in there)

    def _is_at_most_a_step_further(self, known: Known, frame: Frame) -> bool:
        expected = Expected(known.last.pose, known.look, 1 / self._fps)
        seen = self._look(frame, frame, known.last.box, _SEARCHES[0])
        pair = assign([expected], seen, self._aspect)
        if not pair:
            return False
        step = moved(known.last.pose, seen[pair[0]].pose, self._aspect)
        return step < max(_STEP, _FASTER * known.pace)

    def finish(self) -> list[Track]:
        """The tracks of people whom detectors confirmed, in the order in which they began."""
        everybody = self._ended + [known.track for known in self._known]
        tracks = [track for track in everybody if track.indices and track.is_confirmed]
        return sorted(tracks, key=lambda track: (track.indices[0], *track.boxes[0].tolist()))

    def _sure(self, expected: list[Expected], seen: list[Sighting], pairs: dict[int, int]) -> list[int]:
        """Who needs no second look: they are found where and as they should be, or nobody else is near."""

        def is_alone(number: int) -> bool:
            box = seen[pairs[number]].box
            return all(tracking.overlap(box, seen[s].box)[1] < _NEAR for n, s in pairs.items() if n != number)

        return [n for n, s in pairs.items() if cost(expected[n], seen[s], self._aspect) < _SURE or is_alone(n)]

    def _expected(self, known: Known, index: int) -> Expected:
        pose = known.last.pose.copy()
        pose[:, :2] += known.shift(index, self._most_steps)
        return Expected(pose, known.look, known.unseen(index) / self._fps)

    @property
    def _most_steps(self) -> int:
        return max(1, round(_MOVES_ON_S * self._fps))

    def _end(self, is_over: Callable[[Known], bool]) -> None:
        self._ended += [known.track for known in self._known if is_over(known)]
        self._known = [known for known in self._known if not is_over(known)]

    def _end_ghosts(self, index: int) -> None:
        """End who has been where somebody known for longer is; what they were seen of there is theirs no more."""
        here = [known for known in self._known if known.unseen(index) == 0]
        for number, younger in enumerate(here):
            doubles = any(
                distance(younger.last.pose, older.last.pose, self._aspect) < _GHOST_DISTANCE
                and difference(younger.last.look, older.last.look) < _GHOST_DIFFERENCE
                for older in here[:number]
            )
            younger.doubled = younger.doubled + 1 if doubles else 0
            if younger.doubled == _GHOST_FRAMES:
                younger.track.drop_last(_GHOST_FRAMES)
        self._end(lambda known: known.doubled == _GHOST_FRAMES)

    def _extend(self, known: Known, index: int, frame: Frame, seen: Sighting) -> None:
        # Hands are looked for where they were only if that was in the frame before.
        track = known.track
        previous = track.landmarks[-1] if track.indices and track.indices[-1] == index - 1 else None
        if track.indices:
            known.see(index, seen, self._aspect)
        landmarks = self._landmarker.landmarks(frame, seen.pose, previous)
        box = tracking.person_box(landmarks, seen.box, seen.found.silhouette, self._aspect)
        track.add(index, box, landmarks, seen.found.presence)

    def _look(self, frame: Frame, canvas: Frame, box: Box, side: float) -> list[Sighting]:
        """Who is in a square around a box. canvas: the frame without the others. side: in sizes of the box."""
        size = float(max((box[2] - box[0]) * self._aspect, box[3] - box[1]))
        centre = ((box[:2] + box[2:]) / 2).astype(np.float32)
        return self._sightings(frame, canvas, self._landmarker.poses(canvas, square(centre, side * size, self._aspect)))

    def _newcomers(self, index: int, frame: Frame, taken: list[Sighting]) -> list[Sighting]:
        """People of the frame who are not taken.

        The whole frame is searched, and one of its tiles, each in its turn; all of them when the shot begins, and then
        the whole frame again.
        """
        whole, *tiles = views(frame.shape[1], frame.shape[0])
        turn = index // self._detect_every
        begins = index == 0
        newcomers: list[Sighting] = []
        boxes: list[Box] = []
        scores: list[float] = []
        if begins:  # in the end once more without those who were found by then
            looked_at = [whole, *tiles, whole]
        elif tiles:
            looked_at = [whole, tiles[turn % len(tiles)]]
        else:
            looked_at = [whole]
        for view in looked_at:
            canvas = painted_out(frame, [one.pose for one in taken + newcomers])
            # Poses first: a person detector may box two people as one.
            for rough in self._sightings(frame, canvas, self._landmarker.poses(canvas, view)):
                newcomers += self._closer(frame, canvas, rough, taken + newcomers, begins)
            size = np.array([frame.shape[1], frame.shape[0]] * 2)
            x0, y0, x1, y1 = np.round(view * size).astype(int)
            for box, score in self._detector.detect(np.ascontiguousarray(canvas[y0:y1, x0:x1])):
                boxes.append(place(box.reshape(2, 2), view).reshape(4))
                scores.append(score)
        canvas = painted_out(frame, [one.pose for one in taken + newcomers])
        for kept in tracking.suppress(boxes, scores):
            if not any(_explains(other, boxes[kept]) for other in taken + newcomers):
                newcomers += self._in_box(frame, canvas, boxes[kept], taken + newcomers, begins)
        return newcomers + (self._beside(frame, newcomers) if begins else [])

    def _is_free(self, one: Sighting, taken: list[Sighting]) -> bool:
        return not any(coincide(one, other, self._aspect) for other in taken)

    def _closer(
        self, frame: Frame, canvas: Frame, rough: Sighting, taken: list[Sighting], begins: bool
    ) -> list[Sighting]:
        """Somebody found in a whole view, looked at again where their points say that they are; none where taken.

        What was seen at first stays where the second look shows nobody. When a shot begins, it stays, too, where the
        second look is less clear: it mixes people who are near each other. Where both are unclear, the clearest of some
        narrower looks counts. Later they would bring out what paint left of somebody known.
        """
        if not self._is_free(rough, taken):
            return []
        region = rough.found.next_region or region_around(rough.box, frame, _NEWCOMER[0])
        nearer = [one for one in self._read(frame, canvas, [region], taken) if coincide(one, rough, self._aspect)]
        if not begins:
            return nearer or [rough]
        best = max([*nearer, rough], key=lambda one: one.found.clarity)
        if best.found.clarity >= _CLEAR:
            return [best]
        around = [_shifted(region, x, y, _NARROWER) for x, y in _AROUND]
        others = self._read(frame, canvas, around, taken)
        return [max([best, *others], key=lambda one: one.found.clarity)]

    def _read(self, frame: Frame, canvas: Frame, regions: list[Region], taken: list[Sighting]) -> list[Sighting]:
        """Who is read in each of some regions of a canvas, but for those who are taken."""
        poses = [self._landmarker.follow(canvas, region) for region in regions]
        seen = self._sightings(frame, canvas, [pose for pose in poses if pose is not None])
        return [one for one in seen if self._is_free(one, taken)]

    def _beside(self, frame: Frame, found: list[Sighting]) -> list[Sighting]:
        """People whom detectors take for one with somebody found: read beside those who are not clear, in the frame
        itself, since paint over who is before them hides them, too. Twice, as a mixture is not read twice."""
        beside: list[Sighting] = []
        for one in found:
            region = one.found.next_region
            if region is None or one.found.clarity >= _ALONE:
                continue
            around = [_shifted(region, x, y, 1.0) for x, y in _BESIDE]
            for other in self._read(frame, frame, around, found + beside):
                if other.found.clarity < _CLEAR or not self._is_free(other, beside):
                    continue
                again = other.found.next_region
                for kept in self._read(frame, frame, [again] if again is not None else [], found + beside):
                    if coincide(kept, other, self._aspect) and kept.found.clarity >= _CLEAR:
                        beside.append(kept)
        return beside

    def _in_box(self, frame: Frame, canvas: Frame, box: Box, taken: list[Sighting], begins: bool) -> list[Sighting]:
        """Whom only the person detector saw, in this box; none where they are taken or no pose fits."""
        for side in _NEWCOMER:
            candidates = [one for one in self._look(frame, canvas, box, side) if self._is_free(one, taken)]
            best = max(candidates, key=lambda one: _share(box, one)[0], default=None)
            if best is not None and _share(box, best)[0] >= _IN_BOX:
                return self._closer(frame, canvas, best, taken, begins)
        # Nobody is detected at the box; somebody may still be read in it.
        pose = self._landmarker.follow(canvas, region_around(box, frame, _IN_SIGHT))
        for one in self._sightings(frame, canvas, [pose] if pose is not None else []):
            if self._is_free(one, taken) and _share(box, one)[0] >= _IN_BOX:
                return self._closer(frame, canvas, one, taken, begins)
        return []

    def _sightings(self, frame: Frame, canvas: Frame, poses: list[Pose]) -> list[Sighting]:
        """Those of the poses that may be people."""
        sightings = []
        for found in poses:
            pose, box = found.points, tracking.box_of_pose(found.points, self._aspect)
            if box is None or not self._may_be_somebody(pose, box) or lies_on_paint(pose, frame, canvas):
                continue
            sightings.append(Sighting(pose, box, look_of(frame, pose), found))
        return sightings

    def _may_be_somebody(self, pose: Points, box: Box) -> bool:
        """Somebody is as tall as asked for, and shows the shoulders, or surely a head."""
        shows_shoulders = pose[list(_SHOULDERS), 2].mean() >= self._config.landmarks.min_pose
        shows_head = pose[:_HEAD_POINTS, 2].mean() >= _SURE_HEAD
        return bool(box[3] - box[1] >= self._config.min_height and (shows_shoulders or shows_head))


def _shifted(region: Region, across: float, down: float, scale: float) -> Region:
    """across, down: in sides of the region."""
    shift = region.side * np.array([across, down], np.float32)
    return replace(region, centre=region.centre + shift, side=scale * region.side)


def _explains(one: Sighting, box: Box) -> bool:
    """Whether a detected box shows somebody: they fill it, and most of their nose, shoulders and hips are in it."""
    torso = one.pose[TORSO, :2]
    inside = ((torso >= box[:2]) & (torso <= box[2:])).all(1)
    return _share(box, one)[1] >= _FILLS and bool(inside.sum() > len(TORSO) / 2)


def _share(box: Box, one: Sighting) -> tuple[float, float]:
    """How a detected box overlaps with somebody, by their outline where it is known: see `tracking.overlap`."""
    outline = one.found.silhouette
    return tracking.overlap(box, one.box if outline is None else outline)

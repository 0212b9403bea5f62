"""Follow the people of a shot, frame by frame."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.curation import tracking
from pipelines.curation.decode import Frame
from pipelines.curation.detect import PersonDetector, place, square, views
from pipelines.curation.landmarks import WholeBody
from pipelines.curation.tracking import Box, Points

if TYPE_CHECKING:
    from pipelines.curation.people import PeopleConfig

_SHOULDERS = (11, 12)
_SEARCHES = (1.5, 2.2)  # sides of the squares in which a person is looked for in turn, in sizes of their box


@dataclass
class Track:
    """One person through a shot: indices of the frames where they are seen, with boxes and landmarks (543, 3)."""

    indices: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    keypoints: list[Points] = field(default_factory=list)

    def add(self, index: int, box: Box, keypoints: Points) -> None:
        self.indices.append(index)
        self.boxes.append(box)
        self.keypoints.append(keypoints)


class Tracker:
    """Follows the people of one shot, frame by frame. aspect: frame width / height."""

    def __init__(
        self, landmarker: WholeBody, detector: PersonDetector, config: "PeopleConfig", fps: float, aspect: float
    ) -> None:
        self._landmarker, self._detector, self._config, self._aspect = landmarker, detector, config, aspect
        self._detect_every = max(1, round(fps / config.detections_per_second))
        self._max_gap = max(1, round(config.max_gap_s * fps))
        self._active: list[Track] = []
        self._ended: list[Track] = []

    def step(self, index: int, frame: Frame) -> None:
        self._close(index)
        taken: list[tuple[Points, Box]] = []
        lost: list[Track] = []
        for track in self._active:
            found = self._search(frame, track.boxes[-1], taken)
            if found is None:
                lost.append(track)
            else:
                self._extend(track, index, frame, found, taken)
        if index % self._detect_every == 0:
            for found in self._newcomers(frame, taken):
                again = [t for t in lost if tracking.overlap(t.boxes[-1], found[1])[0] > 0.1]
                track = again[0] if again else Track()
                if again:
                    lost.remove(track)
                else:
                    self._active.append(track)
                self._extend(track, index, frame, found, taken)

    def finish(self) -> list[Track]:
        """All tracks, in the order in which they began."""
        tracks = self._ended + self._active
        return sorted(tracks, key=lambda track: (track.indices[0], *track.boxes[0].tolist()))

    def _close(self, index: int) -> None:
        ended = [track for track in self._active if index - track.indices[-1] > self._max_gap]
        self._active = [track for track in self._active if track not in ended]
        self._ended += ended

    def _extend(
        self, track: Track, index: int, frame: Frame, found: tuple[Points, Box], taken: list[tuple[Points, Box]]
    ) -> None:
        # Hands are looked for where they were only if that was in the frame before.
        previous = track.keypoints[-1] if track.indices and track.indices[-1] == index - 1 else None
        track.add(index, found[1], self._landmarker.keypoints(frame, found[0], previous))
        taken.append(found)

    def _search(
        self, frame: Frame, box: Box, taken: list[tuple[Points, Box]], least_overlap: float = 0.25
    ) -> tuple[Points, Box] | None:
        """The person in a box of the frame, unless they are taken."""
        size = float(max((box[2] - box[0]) * self._aspect, box[3] - box[1]))
        for search in _SEARCHES:
            found = self._look(frame, box, search * size, taken, least_overlap)
            if found is not None:
                return found
        return None

    def _look(
        self, frame: Frame, box: Box, side: float, taken: list[tuple[Points, Box]], least_overlap: float
    ) -> tuple[Points, Box] | None:
        poses = self._landmarker.poses(frame, square(((box[:2] + box[2:]) / 2).astype(np.float32), side, self._aspect))
        candidates = [found for found in self._plausible(poses) if not self._is_taken(found, taken)]
        best = max(candidates, key=lambda found: tracking.overlap(box, found[1])[0], default=None)
        return best if best is not None and tracking.overlap(box, best[1])[0] >= least_overlap else None

    def _newcomers(self, frame: Frame, taken: list[tuple[Points, Box]]) -> list[tuple[Points, Box]]:
        """People of the frame that no track has found."""
        newcomers: list[tuple[Points, Box]] = []
        boxes: list[Box] = []
        scores: list[float] = []
        for view in views(frame.shape[1], frame.shape[0]):
            # Poses first: a person detector may box two people as one.
            for rough in self._plausible(self._landmarker.poses(frame, view)):
                if not self._is_taken(rough, taken + newcomers):
                    found = self._search(frame, rough[1], taken + newcomers)
                    newcomers += [found] if found is not None else []
            size = np.array([frame.shape[1], frame.shape[0]] * 2)
            x0, y0, x1, y1 = np.round(view * size).astype(int)
            for box, score in self._detector.detect(np.ascontiguousarray(frame[y0:y1, x0:x1])):
                boxes.append(place(box.reshape(2, 2), view).reshape(4))
                scores.append(score)
        for kept in tracking.suppress(boxes, scores):
            if all(tracking.overlap(boxes[kept], other)[1] < 0.6 for _, other in taken + newcomers):
                found = self._search(frame, boxes[kept], taken + newcomers)
                newcomers += [found] if found is not None else []
        return newcomers

    def _plausible(self, poses: list[Points]) -> list[tuple[Points, Box]]:
        boxed = [(pose, tracking.box_of_pose(pose, self._aspect)) for pose in poses]
        return [
            (pose, box)
            for pose, box in boxed
            if box is not None
            and box[3] - box[1] >= self._config.min_height
            and pose[list(_SHOULDERS), 2].mean() >= self._config.landmarks.min_pose
        ]

    def _is_taken(self, found: tuple[Points, Box], taken: list[tuple[Points, Box]]) -> bool:
        return any(
            tracking.same_person(found[0], pose, self._aspect) or tracking.overlap(found[1], box)[0] > 0.7
            for pose, box in taken
        )

"""Measures clips while they are cut: every picture for the camera, a few of each clip for the rest."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.cut import Window
from pipelines.curation.decode import Frame, Picture
from pipelines.curation.quality import picture, repeats
from pipelines.curation.quality.camera import Camera, Step, camera_motion, motion
from pipelines.curation.quality.overlay import TextDetector, overlay
from pipelines.curation.quality.scores import Scores
from pipelines.curation.quality.track import track_scores
from pipelines.curation.tracking import Points
from pipelines.curation.tracks import Track

_LOOKS = 4
# Pixels per side at which a clip's own frames are measured, whatever its size: the limits were found there.
_MEASURED_PX = 128


@dataclass(frozen=True)
class Subject:
    """What is known of a clip before it is cut: its window, the person's landmarks (T, 88, 3) and boxes (T, 4), both in
    pixels of the source at the window's times, and the scores that need no picture."""

    window: Window
    keypoints: Points
    boxes: NDArray[np.float64]
    scores: Scores

    @classmethod
    def of(
        cls, window: Window, keypoints: Points, boxes: NDArray[np.float64], fps: float, frame_size: tuple[int, int]
    ) -> "Subject":
        """fps: of a single frame, which has no other length. frame_size: (width, height), pixels."""
        times = window.times
        step_s = float(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / fps
        return cls(window, keypoints, boxes, track_scores(keypoints, boxes, len(boxes) * step_s, frame_size))


@dataclass(frozen=True)
class Look:
    """What one picture gave for a clip; None where there was nothing to measure. index: of the frame in the window."""

    index: int
    hands: float | None
    face: float | None
    exposure: tuple[float, float] | None
    blockiness: float
    quantiser: float | None
    bars: NDArray[np.int64]
    text: NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """The frames of a window. steps: of the camera between them, (T - 1). sharpness: (T,) of each.
    repeats: (T - 1,) whether each but the first repeats the one before."""

    frame_size: tuple[int, int]
    subject: Subject
    looks: Sequence[Look]
    steps: Sequence[Step | None]
    sharpness: NDArray[np.float64]
    repeats: NDArray[np.bool_]

    def scores(self, part: Subject, first: int, after: int, shown: Sequence[int], fps: float) -> Scores:
        """All scores of the frames [first, after), about which part is what the subject is about all.

        shown: of these frames, in the order of the clip, some perhaps more than once. fps: of the clip.
        """
        whole = self.subject.window
        low, high = whole.chosen[first], whole.chosen[after - 1]
        looks = [look for look in self.looks if low <= look.index <= high]
        looks = looks or [min(self.looks, key=lambda look: abs(look.index - (low + high) / 2))]
        corners = whole.corners[[look.index for look in looks]]
        inset = np.min([look.bars for look in self.looks], axis=0)
        borders = [picture.window_borders(inset, corner, whole.side, self.frame_size) for corner in corners]
        steps = self.steps[first : after - 1]
        chosen = whole.chosen[first:after]
        times, boxes = whole.times[chosen], self.subject.boxes[chosen]
        points = self.subject.keypoints[chosen, : kp.FACE_SLICE.start]
        # A frame that is shown again repeats itself; one after a frame that is left out repeats what that repeats.
        flags = np.array([self.repeats[first + a : first + b].all() for a, b in pairwise(shown)], np.bool_)
        exposure = [look.exposure for look in looks if look.exposure is not None]
        return replace(
            part.scores,
            motion=motion(points, (boxes[:, 2:] - boxes[:, :2]).max(1), times, steps),
            camera_motion=camera_motion(steps, times, self.frame_size),
            sharpness=float(np.median(self.sharpness[first:after])),
            hand_sharpness=_median([look.hands for look in looks]),
            face_sharpness=_median([look.face for look in looks]),
            brightness=_median([value[0] for value in exposure]),
            clipped=_median([value[1] for value in exposure]),
            blockiness=_median([look.blockiness for look in looks]),
            quantiser=_median([look.quantiser for look in looks]),
            borders=float(np.mean(borders)),
            beyond=float(np.mean([picture.share_beyond(one, whole.side, self.frame_size) for one in corners])),
            overlay=overlay([look.text for look in self.looks], corners, whole.side, self.frame_size),
            repeated=repeats.repeated(flags),
            cadence=repeats.cadence(flags, fps),
        )


class Meter:
    """Sees the pictures of one video in order.

    subjects: the clips to measure, by number. tracks: all people of the video. frame_size: (width, height), pixels.
    """

    def __init__(
        self, subjects: Mapping[int, Subject], tracks: Sequence[Track], frame_size: tuple[int, int], text: TextDetector
    ) -> None:
        self._subjects, self._frame_size, self._text = subjects, frame_size, text
        self._camera = Camera()
        self._chosen = {number: _spread(subject.window) for number, subject in subjects.items()}
        self._looks: dict[int, list[Look]] = defaultdict(list)
        self._people: dict[float, list[NDArray[np.float64]]] = defaultdict(list)
        for track in tracks:
            for time, box in zip(track.times, track.boxes, strict=True):
                self._people[float(time)].append(box)

    def see(self, time: float, shown: Picture, frame: Frame, users: Sequence[tuple[int, int]]) -> None:
        """shown: as it was decoded. frame: its RGB, as large as the source. users: (number, frame of its window) for
        the clips that show it."""
        self._camera.see(time, frame, self._people[time])
        looks = [(number, index) for number, index in users if index in self._chosen.get(number, ())]
        if not looks:
            return
        grey, text = picture.luma(frame), self._text.look(frame)
        bars = picture.bars(grey)
        inside = picture.without_bars(grey, bars)
        blocks, quantiser = picture.blockiness(inside), shown.quantiser()
        for number, index in looks:
            keypoints = self._subjects[number].keypoints[index]
            hands = [picture.part_sharpness(grey, keypoints, part) for part in ("left_hand", "right_hand")]
            look = Look(
                index=index,
                hands=max((value for value in hands if value is not None), default=None),
                face=picture.part_sharpness(grey, keypoints, "face"),
                exposure=picture.exposure(grey, keypoints, inside),
                blockiness=blocks,
                quantiser=quantiser,
                bars=bars,
                text=text & ~picture.person_mask(keypoints, self._frame_size, text.shape),
            )
            self._looks[number].append(look)

    def measured(self, number: int, frames: Sequence[Frame]) -> Measured:
        """A window when its last frame has been seen. frames: as they were cut, each once."""
        subject = self._subjects[number]
        times = subject.window.times[list(subject.window.chosen)]
        steps = [self._camera.step(float(a), float(b)) for a, b in pairwise(times)]
        small = [_at_measured_size(frame) for frame in frames]
        sharpness = np.array([picture.sharpness(picture.luma(frame)) for frame in small])
        looks = self._looks.pop(number)
        return Measured(self._frame_size, subject, looks, steps, sharpness, repeats.repeats(small))


def _at_measured_size(frame: Frame) -> Frame:
    import cv2

    if len(frame) <= _MEASURED_PX:
        return frame
    small: Frame = cv2.resize(frame, (_MEASURED_PX, _MEASURED_PX), interpolation=cv2.INTER_AREA)
    return small


def _spread(window: Window) -> list[int]:
    """The frames of a window that are looked at: `_LOOKS`, evenly spread, or all if there are fewer."""
    places = np.linspace(0, len(window.chosen) - 1, 2 * _LOOKS + 1)[1::2].round().astype(int)
    return [window.chosen[place] for place in dict.fromkeys(places.tolist())]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None

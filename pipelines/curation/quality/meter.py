"""Measures clips while they are cut: every picture for the camera, a few of each clip for the rest."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.cut import Window
from pipelines.curation.decode import Frame
from pipelines.curation.quality import picture, repeats
from pipelines.curation.quality.camera import Camera, camera_motion, motion
from pipelines.curation.quality.overlay import TextDetector, overlay
from pipelines.curation.quality.scores import Scores
from pipelines.curation.tracking import Points
from pipelines.curation.tracks import Track

_LOOKS = 4


@dataclass(frozen=True)
class Subject:
    """What is known of a clip before it is cut: its window, the person's landmarks (T, 88, 3) and boxes (T, 4), both in
    pixels of the source at the window's times, and the scores that need no picture."""

    window: Window
    keypoints: Points
    boxes: NDArray[np.float64]
    scores: Scores


@dataclass
class _Looks:
    """What the looks at a clip gave, one item each; None where there was nothing to measure."""

    hands: list[float | None] = field(default_factory=list)
    face: list[float | None] = field(default_factory=list)
    exposure: list[tuple[float, float] | None] = field(default_factory=list)
    blockiness: list[float] = field(default_factory=list)
    bars: list[NDArray[np.int64]] = field(default_factory=list)
    text: list[NDArray[np.bool_]] = field(default_factory=list)


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
        self._looks: dict[int, _Looks] = defaultdict(_Looks)
        self._people: dict[float, list[NDArray[np.float64]]] = defaultdict(list)
        for track in tracks:
            for time, box in zip(track.times, track.boxes, strict=True):
                self._people[float(time)].append(box)

    def see(self, time: float, frame: Frame, users: Sequence[tuple[int, int]]) -> None:
        """frame: RGB, as large as the source. users: (number, frame of its window) for the clips that show it."""
        self._camera.see(time, frame, self._people[time])
        looks = [(number, index) for number, index in users if index in self._chosen.get(number, ())]
        if not looks:
            return
        grey, text = picture.luma(frame), self._text.look(frame)
        bars = picture.bars(grey)
        blocks = picture.blockiness(picture.without_bars(grey, bars))
        for number, index in looks:
            keypoints, found = self._subjects[number].keypoints[index], self._looks[number]
            hands = [picture.part_sharpness(grey, keypoints, part) for part in ("left_hand", "right_hand")]
            found.hands.append(max((value for value in hands if value is not None), default=None))
            found.face.append(picture.part_sharpness(grey, keypoints, "face"))
            found.exposure.append(picture.exposure(grey, keypoints))
            found.blockiness.append(blocks)
            found.bars.append(bars)
            found.text.append(text & ~picture.body_mask(keypoints, self._frame_size, text.shape))

    def scores(self, number: int, frames: Sequence[Frame], fps: float) -> Scores:
        """All scores of a clip. frames: as they were cut, at `fps`."""
        subject, looks = self._subjects[number], self._looks.pop(number)
        window, shown = subject.window, list(dict.fromkeys(subject.window.chosen))
        times, boxes = window.times[shown], subject.boxes[shown]
        steps = [self._camera.step(float(a), float(b)) for a, b in pairwise(times)]
        exposure = [value for value in looks.exposure if value is not None]
        corners = window.corners[self._chosen[number]]
        inset = np.min(looks.bars, axis=0)
        borders = [picture.window_borders(inset, corner, window.side, self._frame_size) for corner in corners]
        flags = repeats.repeats(frames)
        return replace(
            subject.scores,
            motion=motion(
                subject.keypoints[shown, : kp.FACE_SLICE.start], (boxes[:, 2:] - boxes[:, :2]).max(1), times, steps
            ),
            camera_motion=camera_motion(steps, times, self._frame_size),
            sharpness=float(np.median([picture.sharpness(picture.luma(frame)) for frame in frames])),
            hand_sharpness=_median(looks.hands),
            face_sharpness=_median(looks.face),
            brightness=_median([value[0] for value in exposure]),
            clipped=_median([value[1] for value in exposure]),
            blockiness=_median(looks.blockiness),
            borders=float(np.mean(borders)),
            overlay=overlay(looks.text, corners, window.side, self._frame_size),
            repeated=repeats.repeated(flags),
            cadence=repeats.cadence(flags, fps),
        )


def _spread(window: Window) -> list[int]:
    """The frames of a window that are looked at: `_LOOKS`, evenly spread, or all if there are fewer."""
    shown = list(dict.fromkeys(window.chosen))
    places = np.linspace(0, len(shown) - 1, 2 * _LOOKS + 1)[1::2].round().astype(int)
    return [shown[place] for place in dict.fromkeys(places.tolist())]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None

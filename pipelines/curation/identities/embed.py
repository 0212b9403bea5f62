"""What a video tells about who its people are: a few of the source's pictures of each, at full size.

The clips are too small for it: a face that is 44 pixels wide in the source has 8 in a clip of the whole body.
"""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame, pictures_at
from pipelines.curation.identities.body import colours_of, place_of
from pipelines.curation.identities.face import SIZE, FaceNetwork, Floats, chip_of, placements
from pipelines.curation.tracks import Track

_PICTURES = 5  # of each person
_SMALLEST = 16.0  # px, width of a face; below 12 distances of the same and of different people overlap
_FARTHEST = 0.08  # of its points from those of a face that looks ahead, in its widths
_SAME_TIME = 1e-3  # s; times of rows are rounded


@dataclass(frozen=True)
class Person:
    """Somebody in one track: `face` (128,), `colours` (512,), `place` (16, 16, 3); NaN where there is none."""

    face: Floats
    colours: Floats
    place: Floats


@dataclass(frozen=True)
class _Look:
    """A picture to look at: index of its person, of its frame in the track, and the face's placement if it has one."""

    person: int
    frame: int
    placement: NDArray[np.float64] | None


def look(
    path: Path, tracks: Sequence[Track], spans: Sequence[Sequence[tuple[float, float]]], network: FaceNetwork
) -> list[Person]:
    """The person of each track. spans: of its clips, seconds in the video. Raises: DataError for a damaged file."""
    looks: dict[float, list[_Look]] = defaultdict(list)
    for number, (track, wanted) in enumerate(zip(tracks, spans, strict=True)):
        for found in _looks(number, track, wanted):
            looks[float(track.times[found.frame])].append(found)
    times = sorted(looks)
    seen: list[list[Person]] = [[] for _ in tracks]
    for time, picture in zip(times, pictures_at(path, times), strict=True):
        frame = picture.rgb()
        for found in looks[time]:
            seen[found.person].append(_person(frame, tracks[found.person], found, network))
    return [_together(persons) for persons in seen]


def _looks(number: int, track: Track, spans: Sequence[tuple[float, float]]) -> list[_Look]:
    """Spread over the clips, of each stretch the face that looks most straight ahead, else its middle."""
    inside = np.zeros(len(track.times), np.bool_)
    for start, end in spans:
        inside |= (track.times >= start - _SAME_TIME) & (track.times < end - _SAME_TIME)
    inside &= track.seen[:, 0]
    known = track.keypoints[:, kp.FACE_SLICE, 2].min(1) > 0
    looks = []
    for stretch in np.array_split(np.flatnonzero(inside), _PICTURES):
        if not len(stretch):
            continue
        faces = stretch[known[stretch]]
        maps, widths, off = placements(track.keypoints[faces])
        good = np.flatnonzero((widths >= _SMALLEST) & (off <= _FARTHEST))
        if len(good):
            best = good[np.argmin(off[good])]
            looks.append(_Look(number, int(faces[best]), maps[best]))
        else:
            looks.append(_Look(number, int(stretch[len(stretch) // 2]), None))
    return looks


def _person(frame: Frame, track: Track, found: _Look, network: FaceNetwork) -> Person:
    face = np.full(SIZE, np.nan, np.float32)
    if found.placement is not None:
        face = network.embed(chip_of(frame, found.placement))
    colours = colours_of(frame, track.keypoints[found.frame])
    return Person(face, colours, place_of(frame, track.boxes[found.frame]))


def _together(persons: Sequence[Person]) -> Person:
    """Mean face and colours, median place, each over the pictures that show it."""
    squared = np.mean([person.colours**2 for person in persons], axis=0)
    parts = squared.reshape(2, -1)
    shares = parts / np.maximum(parts.sum(1, keepdims=True), 1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NaN alone
        face = np.nanmean([person.face for person in persons], axis=0)
        place = np.nanmedian([person.place for person in persons], axis=0)
    return Person(face.astype(np.float32), np.sqrt(shares).astype(np.float32).ravel(), place.astype(np.float32))

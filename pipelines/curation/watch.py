"""The person of one photo or video as a model is shown them in use: found and landmarked exactly as in the data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.clips import ClipsConfig
from pipelines.curation.cut import resized
from pipelines.curation.decode import Frame, bounded_size, nearest_to_grids, pictures, pictures_at
from pipelines.curation.detect import PersonDetector
from pipelines.curation.ingest import probe
from pipelines.curation.landmarks import load_landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.networks.pose import BlazePose
from pipelines.curation.people import PeopleConfig
from pipelines.curation.playback import open_container, video_stream
from pipelines.curation.smoothing import smoothed
from pipelines.curation.tracker import Track, Tracker
from pipelines.curation.whole_body import keypoints_of
from pipelines.curation.window import clip_window
from pipelines.errors import DataError
from pipelines.keypoints import BODY, BODY_SLICE, PARTS
from pipelines.photo import read_photo
from pipelines.workspace import Workspace

# Long tracks are smoothed in pieces, with what lies around them: 543 landmarks of an hour would take gigabytes.
_PIECE, _AROUND = 1024, 64
_OUTLINE_PX = 256
_THREADS = 2  # of its networks: one person waits for one video; more bring little
_SURE = 0.5  # confidence of keypoints that an outline has to cover,
_LEAST_COVERED = 0.7  # and more than this share of them
_HAND_GAP_S = 0.6  # a hand that is lost no longer than this has not gone
_SAME_TIME = 2e-4  # s; two frames that are so near in time are one


@dataclass(frozen=True)
class Portrait:
    """image: (H, W, 3) RGB. The square window around the person has its left upper corner (2,) and its side in pixels
    of the image. keypoints: (88, 3) in the window. people: how many there are in the photo. outline (256, 256): how
    much of each place of the window is the person's, in [0, 1]; None where no network says so."""

    image: Frame
    corner: NDArray[np.int64]
    side: int
    keypoints: NDArray[np.float32]
    people: int = 1
    outline: NDArray[np.float32] | None = None

    def cut(self, size: int) -> Frame:
        """The window, (size, size, 3)."""
        return resized(self.image, self.corner, self.side, size)


@dataclass(frozen=True)
class Followed:
    """A person through a video, in all of its frames between the first and the last in which they are seen.

    times: (T,) s from the video's first frame, and end: when the last of them ends. time_base: of the video's clock.
    keypoints (T, 88, 3): in the square window, whose left upper corners (T, 2) and side are in pixels of the source.
    seconds: of the whole video. people: how many there are in it.
    """

    times: NDArray[np.float64]
    end: float
    time_base: Fraction
    keypoints: NDArray[np.float32]
    corners: NDArray[np.int64]
    side: int
    seconds: float
    people: int = 1

    @property
    def fps(self) -> float:
        """Frames per second on the whole."""
        return len(self.times) / (self.end - float(self.times[0]))


@dataclass(frozen=True)
class Sight:
    """Somebody in one frame: number as people count them, box (4,) in shares of it."""

    number: int
    box: NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """A frame of a photo or video with people in it. time: s from the video's first frame."""

    time: float
    sights: tuple[Sight, ...]


class NoSuchPersonError(DataError):
    """A person was asked for who is not there. views: of those who are."""

    def __init__(self, message: str, views: tuple[View, ...]) -> None:
        super().__init__(message)
        self.views = views


class Watcher:
    """Finds, follows and cuts out one person: the largest, or one by number. Its models are loaded once.

    People are numbered from left to right; those who are never seen together with the first ones come after them.
    """

    def __init__(self, workspace: Workspace, people: PeopleConfig, clips: ClipsConfig) -> None:
        self._paths = ensure_models(workspace, people.pose_bundle)
        self._people, self._clips = people, clips
        self._landmarker = load_landmarker(self._paths, people.landmarks, _THREADS)
        self._detector = PersonDetector(self._paths.person, people.min_detection)

    def photo(self, path: Path, person: int | None = None) -> tuple[Portrait, tuple[View, ...]]:
        """The person, and everybody. Raises: DataError where the file is no image, or does not show them."""
        image = read_photo(path)
        height, width = image.shape[:2]
        small = resize_to(image, bounded_size(width, height, self._people.longest_side))
        aspect = small.shape[1] / small.shape[0]
        tracker = Tracker(self._landmarker, self._detector, self._people, 1.0, aspect)
        tracker.step(0, small)
        track, views, count = _choose(tracker.finish(), path, person, [0.0], lambda one: self._support(small, one))
        corners, side = self._window(np.stack(track.boxes), 1.0, width, height)
        points = keypoints_of(track.landmarks[0][None])
        placed = _placed(points, corners, side, width, height)
        portrait = Portrait(image, corners[0], side, placed[0], count)
        return replace(portrait, outline=self._outline(portrait)), views

    def video(
        self, path: Path, person: int | None = None, advance: Callable[[float], None] = lambda _: None
    ) -> tuple[Followed, tuple[View, ...]]:
        """The person, and everybody, in one pass that keeps no frame.

        advance: is told the seconds of the video that are done.
        Raises: DataError where the file is no whole video, or does not show them.
        """
        about = probe(path, min_completeness=0.0)
        width, height = about["width"], about["height"]
        fps = min(self._people.fps, about["fps"])
        size = bounded_size(width, height, self._people.longest_side)
        tracker = Tracker(self._landmarker, self._detector, self._people, fps, size[0] / size[1])
        times: list[float] = []
        looked_at: list[int] = []
        for time, picture, (looks, _) in nearest_to_grids(pictures(path), (fps, None)):
            if times and time - times[-1] < _SAME_TIME:
                continue
            times.append(time)
            if looks:
                tracker.step(len(looked_at), picture.rgb(size))
                looked_at.append(len(times) - 1)
                advance(time)
        every = np.array(times)
        seen = every[looked_at]
        tracks = tracker.finish()
        lasting = [track for track in tracks if len(track.indices) >= self._people.min_track_s * fps]
        track, views, count = _choose(lasting or tracks, path, person, seen, lambda _: 1.0)
        first, after = track.indices[0], track.indices[-1] + 1
        boxes, points = self._without_gaps(track, fps, size[0] / size[1])
        corners, side = self._window(boxes, fps, width, height)
        nearest = _nearest(seen, every)
        chosen = np.flatnonzero((nearest >= first) & (nearest < after))
        moments = every[chosen]
        between = _between(moments, seen[first:after])
        all_corners = np.round(_mixed(corners.astype(np.float64), between)).astype(np.int64)
        keypoints = _placed(_mixed_points(points, between), all_corners, side, width, height)
        last = chosen[-1] + 1
        seconds = max(about["duration"], times[-1] + 1 / about["fps"])
        end = every[last] if last < len(every) else seconds
        followed = Followed(moments, float(end), _time_base(path), keypoints, all_corners, side, seconds, count)
        return followed, views

    def _without_gaps(self, track: Track, fps: float, aspect: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Boxes (T, 4) and smooth keypoints (T, 88, 3) in shares of the frame, for all frames that were looked at from
        the first to the last with this person; where they are lost, those that are nearest in time."""
        span = np.arange(track.indices[0], track.indices[-1] + 1)
        held = _nearest(np.array(track.indices, np.float64), span.astype(np.float64))
        boxes = np.stack(track.boxes).astype(np.float64)[held]
        points = []
        for start in range(0, len(span), _PIECE):
            low = max(0, start - _AROUND)
            piece = np.stack([track.landmarks[index] for index in held[low : start + _PIECE + _AROUND]])
            piece = smoothed(piece, fps, aspect, self._people.landmarks.smoothing_s)
            points.append(keypoints_of(piece)[start - low :][:_PIECE])
        return boxes, with_hands_between(np.concatenate(points), fps)

    def _outline(self, portrait: Portrait) -> NDArray[np.float32] | None:
        """See `Portrait.outline`; None where what was outlined is not the person that the keypoints are of."""
        window = portrait.cut(_OUTLINE_PX)
        body = portrait.keypoints[BODY_SLICE]
        inside = ((body[:, :2] >= 0) & (body[:, :2] < 1)).all(1)
        column, row = np.floor(body[inside & (body[:, 2] >= _SURE), :2] * _OUTLINE_PX).astype(int).T
        best, most = None, _LEAST_COVERED
        for _, outline in self._outliner.outlined_poses(window, tracking.FULL_FRAME):
            shares = outline.shares(window)
            covered = float((shares[row, column] > 0.5).mean()) if len(row) else 0.0
            if covered > most:
                best, most = shares, covered
        return best

    @cached_property
    def _outliner(self) -> BlazePose:
        """Loaded with the first photo, and once: a server is asked for many. Other backends draw no outlines."""
        return BlazePose(self._paths.pose, self._people.landmarks.min_pose)

    def _support(self, frame: Frame, track: Track) -> float:
        """From .5, where the person detector sees nobody there, to 1.5: a photo has no second frame that would tell a
        person from a ghost."""
        overlaps = [score * tracking.overlap(box, track.boxes[0])[0] for box, score in self._detector.detect(frame)]
        return 0.5 + max(overlaps, default=0.0)

    def _window(
        self, boxes: NDArray[np.floating], fps: float, width: int, height: int
    ) -> tuple[NDArray[np.int64], int]:
        """boxes: (T, 4) in shares of the frame."""
        pixels = boxes.astype(np.float64) * np.tile([width, height], 2)
        return clip_window(pixels, fps, (width, height), self._clips.margin)


def with_hands_between(points: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """Keypoints (T, 88, 3) with the hands that were lost for a moment: between the frames that show one it goes with
    its wrist, and turns from the one shape into the other. A hand that comes and goes is seen before anything else."""
    result = points.copy()
    for name in ("left", "right"):
        part, wrist = PARTS[f"{name}_hand"], points[:, BODY.index(f"{name}_wrist"), :2]
        found = np.flatnonzero((points[:, part, 2] > 0).any(1))
        for before, after in pairwise(found):
            if not 1 < after - before <= _HAND_GAP_S * fps:
                continue
            lost = np.arange(before + 1, after)
            share = ((lost - before) / (after - before))[:, None, None]
            first, last = (points[index, part, :2] - wrist[index] for index in (before, after))
            result[lost, part, :2] = wrist[lost, None] + first + share * (last - first)
            result[lost, part, 2] = points[[before, after], part, 2].min(0)
    return result


def frames_at(path: Path, times: NDArray[np.float64]) -> Iterator[Frame]:
    """The frames (H, W, 3) of a video with these times. Raises: DataError where it cannot be decoded."""
    for picture in pictures_at(path, times.tolist()):
        yield picture.rgb()


def _choose(
    tracks: list[Track],
    path: Path,
    person: int | None,
    times: list[float] | NDArray[np.float64],
    support: Callable[[Track], float],
) -> tuple[Track, tuple[View, ...], int]:
    """The person with a number, or who fills most of the picture; everybody, and how many they are.

    support: a factor by which somebody counts, for what else speaks for them.
    Raises: DataError where they are not there.
    """
    if not tracks:
        raise DataError(f"{path}: no person was found in it; use one that shows a person larger and from the front")
    ordered, views = _numbered(tracks, times)
    if person is None:
        return max(tracks, key=lambda track: _filled(track) * support(track)), views, len(tracks)
    if not 1 <= person <= len(ordered):
        if len(ordered) == 1:
            raise DataError(f"{path}: shows 1 person, and no number {person}; leave the number out")
        raise NoSuchPersonError(f"{path}: shows {len(ordered)} people; choose 1 to {len(ordered)}, not {person}", views)
    return ordered[person - 1], views, len(ordered)


def _numbered(tracks: list[Track], times: list[float] | NDArray[np.float64]) -> tuple[list[Track], tuple[View, ...]]:
    """Everybody in the order of their numbers, and as few frames as may be that show them all."""
    ordered: list[Track] = []
    views = []
    while rest := [track for track in tracks if not any(track is known for known in ordered)]:
        index = _busiest(rest)
        here = [track for track in rest if index in track.indices]
        here.sort(key=lambda track: float(track.boxes[track.indices.index(index)][::2].sum()))
        sights = [
            Sight(len(ordered) + place, track.boxes[track.indices.index(index)]) for place, track in enumerate(here, 1)
        ]
        ordered += here
        views.append(View(float(times[index]), tuple(sights)))
    return ordered, tuple(views)


def _busiest(tracks: list[Track]) -> int:
    """The first frame that shows most of them."""
    counts = np.bincount(np.concatenate([np.array(track.indices) for track in tracks]))
    return int(counts.argmax())


def _filled(track: Track) -> float:
    """How much of the picture somebody fills over time, for as sure as it is that they are there."""
    return sum(tracking.area(box) * sure for box, sure in zip(track.boxes, track.presence, strict=True))


def _placed(
    points: NDArray[np.float32], corners: NDArray[np.int64], side: int, width: int, height: int
) -> NDArray[np.float32]:
    """Keypoints (T, 88, 3) in shares of the frame, in the window."""
    points = points.copy()
    points[..., :2] = (points[..., :2] * [width, height] - corners[:, None]) / side
    points[points[..., 2] == 0] = 0
    return points


@dataclass(frozen=True)
class _Between:
    """Where times (T,) are among others: after which, before which, and how far on the way, 0 to 1."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    share: NDArray[np.float64]


def _between(times: NDArray[np.float64], known: NDArray[np.float64]) -> _Between:
    after = np.searchsorted(known, times).clip(0, len(known) - 1)
    before = np.where(known[after] > times, np.maximum(after - 1, 0), after)
    gap = known[after] - known[before]
    share = np.divide(times - known[before], gap, out=np.zeros(len(times)), where=gap > 0)
    return _Between(before, after, share.clip(0, 1))


def _mixed(values: NDArray[np.float64], between: _Between) -> NDArray[np.float64]:
    """Values (N, k) at the times."""
    share = between.share[:, None]
    return (1 - share) * values[between.before] + share * values[between.after]


def _mixed_points(points: NDArray[np.float32], between: _Between) -> NDArray[np.float32]:
    """Keypoints (N, 88, 3) at the times; one that is not known before or after is as it is at the nearer time."""
    before, after, share = points[between.before], points[between.after], between.share[:, None, None]
    known = (before[..., 2:] > 0) & (after[..., 2:] > 0)
    mixed = (1 - share) * before + share * after
    return np.where(known, mixed, np.where(share < 0.5, before, after)).astype(np.float32)


def _nearest(known: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the one that is nearest to each; both rising."""
    after = np.searchsorted(known, wanted).clip(1, max(1, len(known) - 1))
    if len(known) == 1:
        return np.zeros(len(wanted), np.int64)
    earlier = wanted - known[after - 1] <= known[after] - wanted
    nearest: NDArray[np.int64] = np.where(earlier, after - 1, after)
    return nearest


def _time_base(path: Path) -> Fraction:
    with open_container(path) as container:
        return Fraction(video_stream(path, container).time_base)


def resize_to(image: Frame, size: tuple[int, int]) -> Frame:
    """size: (width, height)."""
    import cv2

    scaled: Frame = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return scaled

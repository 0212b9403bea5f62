"""The person of one photo or video as a model is shown them in use: cut and landmarked exactly as in the data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import tracking
from pipelines.curation.clips import ClipsConfig
from pipelines.curation.cut import Window, cut_windows, nearest_frames, resized
from pipelines.curation.decode import Frame, PyAvDecoder, bounded_size
from pipelines.curation.detect import PersonDetector
from pipelines.curation.ingest import probe
from pipelines.curation.landmarks import load_landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.people import PeopleConfig
from pipelines.curation.smoothing import smoothed
from pipelines.curation.tracker import Track, Tracker
from pipelines.curation.whole_body import keypoints_of
from pipelines.curation.window import clip_window
from pipelines.errors import DataError
from pipelines.workspace import Workspace

_LARGEST_PHOTO = 100_000_000  # pixels; more is a decompression bomb


@dataclass(frozen=True)
class Watched:
    """frames: (T, S, S, 3) uint8 RGB, centred on the person, at `fps`. keypoints: (T, 88, 3) in these frames.

    corners (T, 2), side: where the frames lie in the source, in its pixels.
    """

    frames: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    fps: float
    corners: NDArray[np.int64]
    side: int


class Watcher:
    """Finds, follows and cuts out the largest person. Its models are loaded once."""

    def __init__(self, workspace: Workspace, people: PeopleConfig, clips: ClipsConfig) -> None:
        paths = ensure_models(workspace, people.pose_bundle)
        self._people, self._clips = people, clips
        self._landmarker = load_landmarker(paths, people.landmarks)
        self._detector = PersonDetector(paths.person, people.min_detection)

    def photo(self, path: Path) -> Watched:
        """Raises: DataError where the file is no image, or shows nobody."""
        image = read_photo(path)
        height, width = image.shape[:2]
        small = resize_to(image, bounded_size(width, height, self._people.longest_side))
        track, _ = self._follow([(0.0, small)], path, 1.0, lambda found: self._support(small, found))
        corners, side = self._window(track, 1.0, width, height)
        frame = resized(image, corners[0], side, self._clips.size)
        return Watched(frame[None], _place(track, [0], corners, side, width, height), 1.0, corners, side)

    def video(self, path: Path) -> Watched:
        """Raises: DataError where the file is no whole video, or shows nobody."""
        about = probe(path, min_completeness=0.0)
        width, height = about["width"], about["height"]
        fps = min(self._people.fps, about["fps"])
        decoder = PyAvDecoder(fps, bounded_size(width, height, self._people.longest_side))
        track, times = self._follow(decoder.frames(path), path, fps)
        corners, side = self._window(track, fps, width, height)
        chosen = nearest_frames(times, self._clips.fps)
        _, frames = next(cut_windows(path, [Window(times, corners, side, chosen)], self._clips.size))
        keypoints = _place(track, chosen, corners, side, width, height)
        return Watched(np.stack(frames), keypoints, self._clips.fps, corners[chosen], side)

    def _follow(
        self,
        frames: Iterator[tuple[float, Frame]] | list[tuple[float, Frame]],
        path: Path,
        fps: float,
        support: Callable[[Track], float] = lambda _: 1.0,
    ) -> tuple[Track, NDArray[np.float64]]:
        """The track that fills most of the picture, without gaps, and the times of its frames.

        support: a factor by which somebody counts, for what else speaks for them.
        """
        tracker: Tracker | None = None
        aspect = 1.0
        times: list[float] = []
        for time, frame in frames:
            if tracker is None:
                aspect = frame.shape[1] / frame.shape[0]
                tracker = Tracker(self._landmarker, self._detector, self._people, fps, aspect)
            tracker.step(len(times), frame)
            times.append(time)
        tracks = tracker.finish() if tracker else []
        if not tracks:
            raise DataError(f"{path}: no person was found in it; use one that shows a person larger and from the front")
        largest = max(tracks, key=lambda track: _filled(track) * support(track))
        span = range(largest.indices[0], largest.indices[-1] + 1)
        seen = np.array(largest.indices)
        nearest = [int(np.abs(seen - index).argmin()) for index in span]
        landmarks = np.stack([largest.landmarks[i] for i in nearest])
        landmarks = smoothed(landmarks, fps, aspect, self._people.landmarks.smoothing_s)
        boxes = [largest.boxes[i] for i in nearest]
        whole = Track(list(span), boxes, list(landmarks), [largest.presence[i] for i in nearest])
        return whole, np.array(times)[span.start : span.stop]

    def _support(self, frame: Frame, track: Track) -> float:
        """From .5, where the person detector sees nobody there, to 1.5: a photo has no second frame that would tell a
        person from a ghost."""
        overlaps = [score * tracking.overlap(box, track.boxes[0])[0] for box, score in self._detector.detect(frame)]
        return 0.5 + max(overlaps, default=0.0)

    def _window(self, track: Track, fps: float, width: int, height: int) -> tuple[NDArray[np.int64], int]:
        boxes = np.stack(track.boxes).astype(np.float64) * np.tile([width, height], 2)
        return clip_window(boxes, fps, (width, height), self._clips.margin)


def _filled(track: Track) -> float:
    """How much of the picture somebody fills over time, for as sure as it is that they are there."""
    return sum(tracking.area(box) * sure for box, sure in zip(track.boxes, track.presence, strict=True))


def _place(
    track: Track, chosen: list[int], corners: NDArray[np.int64], side: int, width: int, height: int
) -> NDArray[np.float32]:
    """Keypoints (T, 88, 3) of the chosen frames in the window."""
    points = keypoints_of(np.stack([track.landmarks[index] for index in chosen]))
    points[..., :2] = (points[..., :2] * [width, height] - corners[chosen][:, None]) / side
    points[points[..., 2] == 0] = 0
    return points


def read_photo(path: Path) -> NDArray[np.uint8]:
    """An image as the viewer sees it (EXIF orientation applied), RGB (H, W, 3). Raises: DataError where it is none."""
    from PIL import Image, ImageOps

    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the path")
    try:
        with Image.open(path) as image:
            if image.width * image.height > _LARGEST_PHOTO:
                raise DataError(f"{path}: has {image.width} x {image.height} pixels; scale it down first")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: is not a readable image ({error}); use PNG or JPEG") from error


def resize_to(image: Frame, size: tuple[int, int]) -> Frame:
    """size: (width, height)."""
    import cv2

    scaled: Frame = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return scaled

"""What the product finds in labelled photos: everybody in them, and the person whom it would animate, with the crop."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.decode import Frame, PyAvDecoder, bounded_size
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import load_landmarker
from pipelines.curation.models import ensure_models
from pipelines.curation.people import PeopleConfig
from pipelines.curation.tracker import Tracker
from pipelines.curation.watch import Watcher, resize_to
from pipelines.curation.whole_body import keypoints_of
from pipelines.errors import DataError
from pipelines.photo import read_photo
from pipelines.workspace import Workspace
from tests.real.labels import Floats, Picture

_NEAR_S = 0.12  # so far around its second a frame is looked for


@dataclass(frozen=True)
class FoundPerson:
    """box (4,) and points (88, 3), in pixels of the picture."""

    box: Floats
    points: NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """people: everybody who is found. chosen: points (88, 3) of the person to animate, None where there is none.
    square: x0, y0, x1, y1 of the crop around them. All in pixels of the picture."""

    people: tuple[FoundPerson, ...]
    chosen: NDArray[np.float32] | None = None
    square: Floats | None = None


class Looker:
    """Looks at photos as the product does. Its models are loaded once."""

    def __init__(self, workspace: Workspace) -> None:
        self._config = PeopleConfig()
        self._watcher = Watcher(workspace, self._config, ClipsConfig())
        paths = ensure_models(workspace, self._config.pose_bundle)
        self._landmarker = load_landmarker(paths, self._config.landmarks)
        self._detector = PersonDetector(paths.person, self._config.min_detection)

    def look(self, path: Path) -> Seen:
        """Raises: DataError where the file is no photo."""
        people = tuple(self._everybody(read_photo(path)))
        try:
            watched, _ = self._watcher.photo(path)
        except DataError:
            return Seen(people)
        corner = watched.corner.astype(np.float64)
        points = watched.keypoints.copy()
        known = points[:, 2] > 0
        points[known, :2] = points[known, :2] * watched.side + corner
        return Seen(people, points, np.concatenate([corner, corner + watched.side]))

    def _everybody(self, image: Frame) -> Iterator[FoundPerson]:
        height, width = image.shape[:2]
        small = resize_to(image, bounded_size(width, height, self._config.longest_side))
        # The aspect of what is looked at: poses in a crowd change with its last digits.
        aspect = small.shape[1] / small.shape[0]
        tracker = Tracker(self._landmarker, self._detector, self._config, 1.0, aspect)
        tracker.step(0, small)
        for track in tracker.finish():
            points = keypoints_of(track.landmarks[0]) * np.array([width, height, 1], np.float32)
            yield FoundPerson(track.boxes[0] * np.tile([width, height], 2).astype(np.float64), points)


def image_of(picture: Picture) -> Frame:
    """RGB (H, W, 3). Raises: DataError where it cannot be read, or is not of the labelled size."""
    image = read_photo(picture.path) if picture.time is None else _frame(picture.path, picture.time)
    if image.shape[1::-1] != picture.size:
        (wide, high), (width, height) = image.shape[1::-1], picture.size
        message = f"has {wide} x {high} pixels, its label {width} x {height}; give it the picture that was labelled"
        raise DataError(f"{picture.path}: {message}")
    return image


def look_at(pictures: Sequence[Picture], workspace: Workspace) -> Iterator[Seen]:
    """What is found in each picture."""
    looker = Looker(workspace) if pictures else None
    with tempfile.TemporaryDirectory() as name:
        for picture in pictures:
            path = picture.path
            image = image_of(picture)
            if picture.time is not None:
                path = Path(name) / "frame.png"
                _save(path, image)
            assert looker is not None
            yield looker.look(path)


def _frame(path: Path, time: float) -> Frame:
    start = max(0.0, time - _NEAR_S)
    near = list(PyAvDecoder().frames(path, start, time + _NEAR_S))
    if not near:
        raise DataError(f"{path}: has no frame near {time} s; correct the label")
    return min(near, key=lambda one: abs(one[0] - time))[1]


def _save(path: Path, image: Frame) -> None:
    from PIL import Image

    Image.fromarray(image).save(path)

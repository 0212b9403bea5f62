"""Points without pictures, by which D learns where a motion comes to lie on another body.

Which limb is how much longer on whom, a perceptron learns from hundreds of thousands of pairs. Pictures of so many
take days; their points alone take minutes, and lie in the shards already.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.keypoints import BODY, BODY_SLICE, COUNT, FACE_SLICE, LEFT_HAND_SLICE, MIRRORED, RIGHT_HAND_SLICE
from pipelines.shards.read import SampleRef
from training.augment import LANDMARK_ERROR
from training.inputs import head_path, person_box, places
from training.model.points import PARENTS, chains
from training.records import Records

_Points = NDArray[np.float32]

_MOST_GROUPS = 4096  # whose points are kept: some 80 MB
# Standard deviations of what the tokens tell wrongly in x and in y, in half sides of the person's box, as measured on
# test pairs: of hands and faces, and of what is hidden in the box or outside of it.
_HAND_ERROR, _FACE_ERROR, _HIDDEN_ERROR, _OUTSIDE_ERROR = 0.03, 0.01, 0.13, 0.35
_SURE = 0.5  # confidence from which on a point is seen
# Standard deviation of the logarithm by which each kind of limb is longer or shorter than it was rendered: nobody has
# so many bodies that a perceptron would not learn them by heart.
_PROPORTION = 0.06
_KINDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "toe")


def _kinds_of_limbs() -> NDArray[np.int64]:
    """(88,): which points end limbs of one kind; both sides of a body, all of a hand and all of a head are one."""
    kinds = np.full(COUNT, len(_KINDS))
    for point, name in enumerate(BODY):
        kinds[point] = next((kind for kind, limb in enumerate(_KINDS) if limb in name), len(_KINDS))
    kinds[LEFT_HAND_SLICE.start : RIGHT_HAND_SLICE.stop] = len(_KINDS) + 1
    return kinds


_LIMBS = _kinds_of_limbs()
_CHAINS = chains().numpy()
_TURNED = np.array([-1, 1], np.float32)


@dataclass(frozen=True)
class PointBatch:
    """B frames of drivers, and where they come to lie on somebody else.

    position (B,): see `Batch`. driver (B, 88, 3): in the person's box, as tokens would tell them. place (B, 2): see
    `Driver.place`. photo, target (B, 88, 3): of the other person, in the reference and in the frame.
    """

    position: Tensor
    driver: Tensor
    place: Tensor
    photo: Tensor
    target: Tensor

    def to(self, device: torch.device) -> "PointBatch":
        return PointBatch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))

    def split(self, count: int) -> list["PointBatch"]:
        """The samples in so many equal parts, in order."""
        parts = zip(*(getattr(self, field.name).chunk(count) for field in fields(self)), strict=True)
        return [PointBatch(*part) for part in parts]


@dataclass(frozen=True)
class Figure:
    """A person of a pair: points (T, 88, 3) in the frame and, as a driver, in the box that holds the motion; place
    (T, 2), where the photo is taken in the motion's middle."""

    points: _Points
    driver: _Points
    place: _Points


class Practice:
    """The points of pairs, those of the last pairs kept; may be used from several threads."""

    def __init__(self, records: Records, seed: int) -> None:
        self._records, self._seed = records, seed
        self._kept: dict[str, list[Figure]] = {}

    def _figures(self, ref: SampleRef) -> list[Figure]:
        figures = self._kept.get(ref.id)
        if figures is None:
            moving = int(ref.meta["motion_frames"])
            figures = self._kept[ref.id] = [_figure(points, moving) for points in self._records.keypoints(ref)]
            if len(self._kept) > _MOST_GROUPS:
                self._kept.pop(next(iter(self._kept)), None)
        return figures

    def sample(
        self, position: int, ref: SampleRef, driver: int, target: int, frame: int, photo: int, mirrored: bool
    ) -> PointBatch:
        """One sample, without a batch axis. driver, target: persons of the pair. frame, photo: of its frames."""
        rng = np.random.default_rng((self._seed, 5, position))
        figures = self._figures(ref)
        driving, place = figures[driver].driver[frame][None], figures[driver].place[frame]
        own = figures[target].points[[photo, frame]]
        if mirrored:
            driving, place, own = _in_mirror(driving, 0), place * _TURNED, _in_mirror(own, 1)
        driving, own = (_reproportioned(points, rng) for points in (driving, own))
        rows = (_as_told(driving[0], rng), place, *own)
        return PointBatch(torch.tensor(position), *map(torch.from_numpy, rows))


def _figure(keypoints: _Points, moving: int) -> Figure:
    """keypoints: (T, 88, 3), the first `moving` frames of which are the motion."""
    box, heads = person_box(keypoints[:moving]), head_path(keypoints)
    driver = keypoints.copy()
    driver[..., :2] = (keypoints[..., :2] * 2 - box[2:] - box[:2]) / (box[2:] - box[:2])
    persons = np.repeat(box[None], len(keypoints), 0)
    return Figure(keypoints, driver, places(heads, heads[:moving].mean(0), persons))


def _in_mirror(points: _Points, sides: float) -> _Points:
    """Points (N, 88, 3) whose x has its middle at `sides` / 2; left and right change names."""
    named = points[:, MIRRORED]
    named[..., 0] = sides - named[..., 0]
    return named


def _reproportioned(points: _Points, rng: np.random.Generator) -> _Points:
    """Points (N, 88, 3) of one person, with limbs of other lengths; the nose stays where it is."""
    factors = np.exp(_PROPORTION * rng.standard_normal(_LIMBS.max() + 1, np.float32))[_LIMBS]
    steps = points[..., :2] - points[:, PARENTS, :2]
    steps[:, 0] = points[:, 0, :2]
    factors[0] = 1
    return np.concatenate([_CHAINS @ (steps * factors[:, None]), points[..., 2:]], -1)


def _as_told(driver: _Points, rng: np.random.Generator) -> _Points:
    """Points (88, 3) as tokens tell them: all a little wrong, those that nobody sees by much, and in the box."""
    error = np.full(COUNT, LANDMARK_ERROR, np.float32)
    error[LEFT_HAND_SLICE.start : RIGHT_HAND_SLICE.stop] = _HAND_ERROR
    error[FACE_SLICE] = _FACE_ERROR
    seen = driver[:, 2] >= _SURE
    outside = np.abs(driver[:, :2]).max(1) > 1
    error[~seen] = np.where(outside, _OUTSIDE_ERROR, _HIDDEN_ERROR)[~seen]
    places_told = driver[:, :2].copy()
    places_told[~seen] = places_told[~seen].clip(-1, 1)
    places_told += error[:, None] * rng.standard_normal(places_told.shape, np.float32)
    places_told[~seen] = places_told[~seen].clip(-1, 1)
    # The token of a hidden hand or face tells nothing.
    places_told[BODY_SLICE.stop :][~seen[BODY_SLICE.stop :]] = 0
    return np.concatenate([places_told, driver[:, 2:]], -1)

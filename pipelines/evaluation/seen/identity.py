"""Whether the face of an output is the reference person's: distances of dlib's embeddings.

Which picture of a video is looked at depends on the truth alone: the one whose face looks most
straight ahead, of those large enough. The truth's own distance to the reference is the floor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame
from pipelines.curation.identities.face import FaceNetwork, chip_of, placements
from pipelines.evaluation.seen.reading import Reading

Face = NDArray[np.float32]  # (128,)
SMALLEST_FACE = 16.0  # px, width; below 12 distances of the same and of different people overlap
_FARTHEST = 0.08  # of its points from those of a face that looks ahead, in its widths


def frontal_picture(readings: Sequence[Reading], side: int) -> int | None:
    """Which picture shows the face most straight ahead; None where none shows one that can be told by."""
    best, least = None, _FARTHEST
    for number, reading in enumerate(readings):
        if not reading.found("face"):
            continue
        _, (width,), (off,) = placements(_in_pixels(reading, side)[None])
        if width >= SMALLEST_FACE and off <= least:
            best, least = number, off
    return best


def face_in(picture: Frame, reading: Reading, network: FaceNetwork) -> Face | None:
    """The embedding (128,) of the face that was read in a picture; None where none was."""
    if not reading.found("face"):
        return None
    (placement,), _, _ = placements(_in_pixels(reading, picture.shape[0])[None])
    return network.embed(chip_of(picture, placement))


def face_distance(face: Face | None, other: Face | None) -> float | None:
    return None if face is None or other is None else float(np.linalg.norm(face - other))


def rank_one_share(
    faces: Sequence[Face | None],
    people: Sequence[str],
    gallery: Sequence[Face],
    gallery_people: Sequence[str],
) -> float | None:
    """Share of the faces whose nearest face in the gallery is that of their own person.

    faces: of outputs; None, where no face was read, is wrong. gallery: of the reference pictures of
    all test people. People who are not in the gallery are left out. None where nobody is in it.
    """
    known = set(gallery_people)
    right = []
    for face, person in zip(faces, people, strict=True):
        if person in known:
            right.append(face is not None and person == _nearest(face, gallery, gallery_people))
    return float(np.mean(right)) if right else None


def _nearest(face: Face, gallery: Sequence[Face], people: Sequence[str]) -> str:
    return people[int(np.linalg.norm(np.stack(gallery) - face, axis=1).argmin())]


def _in_pixels(reading: Reading, side: int) -> NDArray[np.float32]:
    points = reading.keypoints.copy()
    points[:, :2] *= side
    return points

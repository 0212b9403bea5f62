"""Points as numbers and as maps: where a map has its mass, a map with its mass where a point is, and where a moved
person stands on the reference picture."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.keypoints import (
    BODY_BONES,
    BODY_SLICE,
    FACE,
    FACE_SLICE,
    HAND_BONES,
    HEAD_SLICE,
    LEFT_HAND_SLICE,
    RIGHT_HAND_SLICE,
)

_FAINT = 1e-3  # the least that a point counts
_HEAD = [*range(HEAD_SLICE.start, HEAD_SLICE.stop), *range(FACE_SLICE.start, FACE_SLICE.stop)]
_ACROSS_FACE = (
    ("left_eye_outer", "right_eye_outer"),
    ("left_brow_outer", "right_brow_outer"),
    ("left_mouth_corner", "right_mouth_corner"),
    ("nose_bridge", "chin"),
    ("left_jaw", "chin"),
    ("right_jaw", "chin"),
)
# What keeps its length, whatever the pose, but for the direction from which it is seen.
_BONES = (
    *BODY_BONES,
    *((hand.start + a, hand.start + b) for hand in (LEFT_HAND_SLICE, RIGHT_HAND_SLICE) for a, b in HAND_BONES),
    *((FACE_SLICE.start + FACE.index(a), FACE_SLICE.start + FACE.index(b)) for a, b in _ACROSS_FACE),
)
_SHORT = 1e-5  # the square of a length below which none is measured
_MOST = 3.0  # of the logarithm of a ratio of sizes


def expected_places(logits: Tensor) -> Tensor:
    """Soft-argmax: logits (..., M, M) -> x and y (..., 2) in [0, 1] of the picture."""
    return centre(mass(logits))


def mass(logits: Tensor) -> Tensor:
    """Logits (..., M, M) -> shares that sum up to 1."""
    shares: Tensor = logits.flatten(-2).softmax(-1).unflatten(-1, logits.shape[-2:])
    return shares


def centre(shares: Tensor) -> Tensor:
    """Shares (..., M, M) -> x and y (..., 2) in [0, 1] of the picture."""
    cells = _cells(shares.shape[-1], shares.device)
    return torch.stack([shares.sum(-2) @ cells, shares.sum(-1) @ cells], -1)


def bumps(points: Tensor, size: int) -> Tensor:
    """Logarithms of unit bumps, one cell wide: points (..., 2) in [0, 1] -> (..., M, M), zero at the points."""
    off = (points[..., None] - _cells(size, points.device)) * size
    x, y = (-0.5 * off.square()).unbind(-2)
    return y[..., :, None] + x[..., None, :]


def _cells(size: int, device: torch.device) -> Tensor:
    return (torch.arange(size, device=device) + 0.5) / size


def in_person_box(points: Tensor, left: Tensor, right: Tensor, face: Tensor) -> Tensor:
    """Points (..., 88, 3) of the driver in the crops of their parts, the right hand's mirrored -> in the person's box.

    left, right, face: (..., 3), see `Driver.hand_box`.
    """
    turned = points[..., RIGHT_HAND_SLICE, :2] * points.new_tensor([-1.0, 1.0])
    crops = (points[..., LEFT_HAND_SLICE, :2], turned, points[..., FACE_SLICE, :2])
    boxes = (box[..., None, :] for box in (left, right, face))
    parts = [box[..., :2] + box[..., 2:] * crop for box, crop in zip(boxes, crops, strict=True)]
    return torch.cat([torch.cat([points[..., BODY_SLICE, :2], *parts], -2), points[..., 2:]], -1)


@dataclass(frozen=True)
class Stand:
    """head (..., 2): where the moved person's head is in the reference picture, in [-1, 1]. log_scale (..., 1): how
    much larger the person is there than in the driver's box, a logarithm. size (..., 1): of the reference's bones, in
    half pictures."""

    head: Tensor
    log_scale: Tensor
    size: Tensor


def stand(driver: Tensor, own: Tensor, place: Tensor) -> Stand:
    """The reference's head, moved as far as the driver's was, at the ratio of their sizes.

    Sizes are lengths of the bones that both pictures show: a spread of points would tell of the pose, too.
    driver, own: (..., 88, 3), x and y in [-1, 1] of the driver's box and of the reference picture, and how much a point
    is seen, in [0, 1]. place: (..., 2), see `Driver.place`.
    """
    shown = driver[..., 2:] * own[..., 2:] + _FAINT
    start, end = torch.tensor(_BONES, device=driver.device).unbind(1)
    sizes, heads = [], []
    for points in (driver[..., :2], own[..., :2]):
        heads.append(_mean(points[..., _HEAD, :], shown[..., _HEAD, :]))
        bones = (points[..., end, :] - points[..., start, :]).square()
        sizes.append((_mean(bones, shown[..., start, :] * shown[..., end, :]).sum(-1) + _SHORT).sqrt())
    log_scale = (sizes[1] / sizes[0]).log().clamp(-_MOST, _MOST)
    moved = (heads[1] + place[..., None, :] * log_scale.exp()[..., None]).clamp(-2, 2)
    return Stand(moved[..., 0, :], log_scale, sizes[1])


def _mean(points: Tensor, weights: Tensor) -> Tensor:
    """(..., N, 2) and (..., N, 1) -> (..., 1, 2)."""
    return (points * weights).sum(-2, keepdim=True) / weights.sum(-2, keepdim=True)

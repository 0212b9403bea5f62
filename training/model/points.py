"""Points as numbers and as maps: where a map has its mass, a map with its mass where a point is, where a moved person
stands on the reference picture, and where points are that nobody saw."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.keypoints import (
    BODY,
    BODY_BONES,
    BODY_SLICE,
    COUNT,
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
    """head (..., 2): where the moved person's head is in the reference picture, in [-1, 1]; driver_head (..., 2): where
    the driver's is in its box. log_scale (..., 1): how
    much larger the person is there than in the driver's box, a logarithm. size (..., 1): of the reference's bones, in
    half pictures."""

    head: Tensor
    driver_head: Tensor
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
    return Stand(moved[..., 0, :], heads[0][..., 0, :], log_scale, sizes[1])


def _mean(points: Tensor, weights: Tensor) -> Tensor:
    """(..., N, 2) and (..., N, 1) -> (..., 1, 2)."""
    return (points * weights).sum(-2, keepdim=True) / weights.sum(-2, keepdim=True)


# What each point hangs on, from the nose outwards: a shoulder that moves takes its arm along.
_HANGS_ON = {
    **{f"{side}_{point}": "nose" for side in ("left", "right") for point in ("eye", "ear", "shoulder")},
    **{
        f"{side}_{a}": f"{side}_{b}"
        for side in ("left", "right")
        for a, b in (
            ("elbow", "shoulder"),
            ("wrist", "elbow"),
            ("hip", "shoulder"),
            ("knee", "hip"),
            ("ankle", "knee"),
            ("heel", "ankle"),
            ("toe", "ankle"),
        )
    },
}


def _parents() -> list[int]:
    """Of each of the 88 points; the nose is its own."""
    parents = [BODY.index(_HANGS_ON.get(name, "nose")) for name in BODY]
    for side, hand in (("left", LEFT_HAND_SLICE), ("right", RIGHT_HAND_SLICE)):
        within = {end: start for start, end in HAND_BONES if end - start == 1 or start == 0}
        parents.append(BODY.index(f"{side}_wrist"))
        parents += [hand.start + within.get(point, 0) for point in range(1, hand.stop - hand.start)]
    return parents + [BODY.index("nose")] * (FACE_SLICE.stop - FACE_SLICE.start)


PARENTS = tuple(_parents())


def chains() -> Tensor:
    """(88, 88): 1 where the second point is the first or one that it hangs on. Steps from point to point (..., 88, 2)
    become places by `chains() @ steps`."""
    table = torch.eye(COUNT)
    for point in range(COUNT):
        above = point
        while PARENTS[above] != above:
            above = PARENTS[above]
            table[point, above] = 1
    return table


def bounded(points: Tensor) -> Tensor:
    """Points (..., 88, C) at most a picture away from the picture: in close-ups feet are many pictures away, where no
    limb's shape says anything."""
    return torch.cat([points[..., :2].clamp(-1, 2), points[..., 2:]], -1)


# Where a point is that nobody saw, in widths of the shoulders from the point it hangs on, for a person who stands at
# rest and faces the camera: their left is to the right.
_AT_REST = {
    "left_elbow": (0.0, 0.9),
    "left_wrist": (0.0, 0.75),
    "left_hip": (-0.2, 1.4),
    "left_knee": (0.0, 1.2),
    "left_ankle": (0.0, 1.2),
    "left_heel": (0.0, 0.1),
    "left_toe": (0.05, 0.3),
}
_SHOULDERS_TO_EYES = 3.0  # how much further apart
_NECK = 0.65  # from the head's middle down to the shoulders, in widths of the shoulders
_HAND = 0.45  # of a forearm


def completed(points: Tensor) -> Tensor:
    """Points (N, 88, 3) with a place for those of no confidence, as if they were at rest. The confidence stays.

    Those at (0, 0) would draw limbs to the corner of the picture.
    """
    known = points[..., 2:] > 0
    places = points[..., :2]
    head = _mean(places[:, _HEAD], known[:, _HEAD].float() + _FAINT)
    anywhere = known[:, _HEAD].any(1, keepdim=True)
    head = torch.where(anywhere, head, head.new_tensor([0.5, 0.3]))[:, 0]
    filled = [*torch.where(known, places, head[:, None]).unbind(1)]
    left, right = BODY.index("left_shoulder"), BODY.index("right_shoulder")
    eyes = (filled[BODY.index("left_eye")] - filled[BODY.index("right_eye")]).norm(dim=-1, keepdim=True)
    guess = (_SHOULDERS_TO_EYES * eyes).clamp(min=0.05, max=0.5)
    for point, side in ((left, 0.5), (right, -0.5)):
        rest = head + guess * head.new_tensor([side, _NECK])
        filled[point] = torch.where(known[:, point], places[:, point], rest)
    width = (filled[left] - filled[right]).norm(dim=-1, keepdim=True).clamp(min=0.05)
    for name, (across, down) in _AT_REST.items():
        for mirrored, side in ((name, 1.0), (name.replace("left", "right"), -1.0)):
            point = BODY.index(mirrored)
            rest = filled[PARENTS[point]] + width * head.new_tensor([side * across, down])
            filled[point] = torch.where(known[:, point], places[:, point], rest)
    for whose, hand in (("left", LEFT_HAND_SLICE), ("right", RIGHT_HAND_SLICE)):
        wrist = filled[BODY.index(f"{whose}_wrist")]
        forearm = wrist - filled[BODY.index(f"{whose}_elbow")]
        for number, point in enumerate(range(hand.start, hand.stop)):
            rest = wrist + forearm * (_HAND * number / (hand.stop - hand.start - 1))
            filled[point] = torch.where(known[:, point], places[:, point], rest)
    return torch.cat([torch.stack(filled, 1), points[..., 2:]], -1)

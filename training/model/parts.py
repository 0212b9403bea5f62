"""The 16 parts of a person that move as one piece each: what lies where each is, and how it came from the photo.

Part k is label k + 1 of `scene.PART_LABELS`; label 0 is the background. Points are the 88 of `pipelines.keypoints` and
two more, the middles of shoulders and hips. All places are shares of the picture, x and y in [0, 1].
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.keypoints import (
    BODY,
    BODY_BONES,
    COUNT,
    FACE,
    FACE_SLICE,
    LEFT_HAND_SLICE,
    MIRRORED,
    RIGHT_HAND_SLICE,
)
from pipelines.synthesis.scenes.scene import PART_LABELS

PARTS = len(PART_LABELS) - 1
MAPS = 2 * PARTS  # channels of `part_maps`
_MIDDLE_SHOULDER, _MIDDLE_HIP = COUNT, COUNT + 1
_COARSE = 32  # cells per side above which maps are only enlarged
_REACH = 0.3  # of the body's scale: how far from its bones a part's map has fallen to 1/e
# A part of one bone says nothing of what lies across it: so much of the body's scale holds it in shape.
_STIFF = 0.18
_UNSEEN = 0.15  # how much a point counts of which nobody saw where it is
_SMALLEST = 0.01


def _face(name: str) -> int:
    return FACE_SLICE.start + FACE.index(name)


@dataclass(frozen=True)
class _Part:
    """bones: pairs of points between which the part lies. points: those that it moves with."""

    bones: tuple[tuple[int, int], ...]
    points: tuple[int, ...]


def _parts() -> dict[str, _Part]:
    eyes, ears = (BODY.index("left_eye"), BODY.index("right_eye")), (BODY.index("left_ear"), BODY.index("right_ear"))
    shoulders = (BODY.index("left_shoulder"), BODY.index("right_shoulder"))
    hips = (BODY.index("left_hip"), BODY.index("right_hip"))
    chin, jaws = _face("chin"), (_face("left_jaw"), _face("right_jaw"))
    face = (*range(FACE_SLICE.start, FACE_SLICE.stop), BODY.index("nose"), *eyes)
    across_face = (
        (_face("nose_bridge"), chin),
        (_face("left_brow_outer"), _face("right_brow_outer")),
        *((jaw, chin) for jaw in jaws),
    )
    sides = tuple(zip(shoulders, hips, strict=True))
    parts = {
        "face": _Part(across_face, face),
        "head": _Part((ears, eyes), (*face, *ears)),
        "neck": _Part(((chin, _MIDDLE_SHOULDER),), (*shoulders, chin, *jaws)),
        "torso": _Part(((_MIDDLE_SHOULDER, _MIDDLE_HIP), shoulders, hips, *sides), (*shoulders, *hips)),
    }
    for side, hand in (("left", LEFT_HAND_SLICE.start), ("right", RIGHT_HAND_SLICE.start)):
        joints = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "toe")
        shoulder, elbow, wrist, hip, knee, ankle, heel, toe = (BODY.index(f"{side}_{joint}") for joint in joints)
        fingers = tuple((hand + 4 * finger + 1, hand + 4 * finger + 4) for finger in range(5))
        palm = tuple((hand, hand + knuckle) for knuckle in (5, 9, 17))
        parts |= {
            f"{side}_upper_arm": _Part(((shoulder, elbow),), (shoulder, elbow)),
            f"{side}_forearm": _Part(((elbow, wrist),), (elbow, wrist)),
            f"{side}_hand": _Part((*fingers, *palm), tuple(range(hand, hand + 21))),
            f"{side}_thigh": _Part(((hip, knee),), (hip, knee)),
            f"{side}_shin": _Part(((knee, ankle),), (knee, ankle)),
            f"{side}_foot": _Part(((ankle, heel), (heel, toe), (ankle, toe)), (ankle, heel, toe)),
        }
    return parts


_BY_NAME = _parts()
_ORDERED = [_BY_NAME[name] for name in PART_LABELS[1:]]
_STARTS, _ENDS = torch.tensor([bone for part in _ORDERED for bone in part.bones]).unbind(1)
_OWNERS = torch.tensor([number for number, part in enumerate(_ORDERED) for _ in part.bones])
_MEMBERS = torch.zeros(PARTS, COUNT + 2)
for _number, _part in enumerate(_ORDERED):
    _MEMBERS[_number, list(_part.points)] = 1
_MIRRORED_POINTS = torch.tensor(MIRRORED)
_BONES = torch.tensor(BODY_BONES)


def _twin(name: str) -> str:
    """The part of the other side; a part that has none is its own."""
    sides = {"left": "right", "right": "left"}
    side, _, limb = name.partition("_")
    return f"{sides[side]}_{limb}" if side in sides else name


# Which part each is in a mirror, and which of them have a twin.
TWINS = torch.tensor([PART_LABELS.index(_twin(name)) - 1 for name in PART_LABELS[1:]])
HAS_TWIN = torch.arange(PARTS) != TWINS


def mirrored_points(points: Tensor) -> Tensor:
    """The same places (..., 88, C), each by the name of its twin: what the other limb would be."""
    return points[..., _MIRRORED_POINTS.to(points.device), :]


def places_in(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The middles of the pixels of a picture (H, W, 2), x and y in [0, 1]."""
    x = (torch.arange(width, device=device) + 0.5) / width
    y = (torch.arange(height, device=device) + 0.5) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def body_scale(points: Tensor) -> Tensor:
    """How long the body's bones are, as a root of their mean square: (B, 88, C) -> (B,)."""
    start, end = _BONES.to(points.device).unbind(1)
    lengths: Tensor = (points[:, start, :2] - points[:, end, :2]).square().sum(-1)
    return lengths.mean(1).sqrt().clamp(min=_SMALLEST)


def part_maps(points: Tensor, size: int) -> Tensor:
    """Where the bones of each part are: (B, 88, 3) -> (B, 32, size, size), 1 on a bone and falling off beside it; then
    the same maps by how much of the part was seen."""
    if size > _COARSE:
        return F.interpolate(part_maps(points, _COARSE), size=(size, size), mode="bilinear")
    full = _with_middles(points)
    start, end = full[:, _STARTS.to(full.device), None, :2], full[:, _ENDS.to(full.device), None, :2]
    at = places_in(size, size, points.device).view(1, 1, size * size, 2)
    along = end - start
    share = ((at - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-8)
    distance = (at - start - share.clamp(0, 1)[..., None] * along).square().sum(-1).sqrt()
    owners = _OWNERS.to(full.device).view(1, -1, 1).expand_as(distance)
    nearest = distance.new_full((len(points), PARTS, size * size), float("inf"))
    nearest = nearest.scatter_reduce(1, owners, distance, "amin")
    maps = torch.exp(-nearest / (_REACH * body_scale(points))[:, None, None]).unflatten(-1, (size, size))
    members = _MEMBERS.to(full.device)
    seen = (members * full[:, None, :, 2]).sum(-1) / members.sum(-1)
    return torch.cat([maps, maps * seen[:, :, None, None]], 1)


def part_affines(target: Tensor, photo: Tensor) -> Tensor:
    """How each part comes from the photo: (B, 88, 3) twice -> (B, 16, 2, 3), by which a place in the target becomes one
    in the photo.

    Least squares over the part's points, drawn towards a turn that keeps its size: one bone says nothing across itself.
    """
    to, source = _with_middles(target), _with_middles(photo)
    scale = body_scale(target)
    weights = _MEMBERS.to(to.device) * (_UNSEEN + to[:, None, :, 2]) * (_UNSEEN + source[:, None, :, 2])
    weights = weights / weights.sum(-1, keepdim=True)
    middle_to, middle_source = weights @ to[..., :2], weights @ source[..., :2]
    off_to = to[:, None, :, :2] - middle_to[:, :, None]
    off_source = source[:, None, :, :2] - middle_source[:, :, None]
    turn = _turn(weights, off_to, off_source)
    weighted = (weights[..., None] * off_to).transpose(-1, -2)
    ridge = (_STIFF * scale)[:, None, None, None].square()
    spread = weighted @ off_to + ridge * torch.eye(2, device=to.device)
    shared = (weighted @ off_source).transpose(-1, -2) + ridge * turn
    matrix = shared @ torch.linalg.inv(spread)
    shift = middle_source[..., None] - matrix @ middle_to[..., None]
    return torch.cat([matrix, shift], -1)


def _turn(weights: Tensor, off_to: Tensor, off_source: Tensor) -> Tensor:
    """The turn (B, 16, 2, 2) that comes nearest to the points' own."""
    along = (weights * (off_to * off_source).sum(-1)).sum(-1)
    across = off_to[..., 0] * off_source[..., 1] - off_to[..., 1] * off_source[..., 0]
    across = (weights * across).sum(-1)
    length = (along.square() + across.square()).sqrt().clamp(min=1e-9)
    cosine, sine = along / length, across / length
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)


def _with_middles(points: Tensor) -> Tensor:
    """(B, 88, 3) -> (B, 90, 3)."""
    shoulders = points[:, [BODY.index("left_shoulder"), BODY.index("right_shoulder")]]
    hips = points[:, [BODY.index("left_hip"), BODY.index("right_hip")]]
    return torch.cat([points, shoulders.mean(1, keepdim=True), hips.mean(1, keepdim=True)], 1)


def moved(affines: Tensor, size: int) -> Tensor:
    """Where every part would find each cell of the target in the photo: (B, 16, 2, 3) -> (B, 16, size, size, 2)."""
    at = places_in(size, size, affines.device)
    return torch.einsum("bkcd,hwd->bkhwc", affines[..., :2], at) + affines[:, :, None, None, :, 2]


def moved_by(affines: Tensor, part: Tensor, at: Tensor) -> Tensor:
    """As `moved`, by one part per place: parts (B, H, W) and places (B, H, W, 2) -> places (B, H, W, 2)."""
    first = PARTS * torch.arange(len(part), device=part.device)[:, None, None]
    # An embedding is the fastest way by far to look up a few numbers for every pixel.
    xx, xy, x, yx, yy, y = F.embedding(first + part, affines.reshape(-1, 6)).unbind(-1)
    across, down = at.unbind(-1)
    return torch.stack([xx * across + xy * down + x, yx * across + yy * down + y], -1)


def sampled(image: Tensor, at: Tensor, outside: str = "border") -> Tensor:
    """An image (B, C, H, W) at places (B, h, w, 2) -> (B, C, h, w); outside: `border` or `zeros`."""
    # The backward pass of torch 2.13 on CPUs writes where NaN points to. A run that diverges must live to say so.
    found: Tensor = F.grid_sample(image, at.nan_to_num(0.0) * 2 - 1, padding_mode=outside, align_corners=False)
    return found

"""Where in the reference image the surface of a moved person is: labels for the displacement, from keypoints alone.

A place belongs to the nearest bone and keeps its place beside it: what lies along and across a bone in one picture
lies there in the other, as in skeleton-driven warping (Siarohin et al., 2019, use free keypoints instead).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.keypoints import BODY, BODY_BONES, FACE, FACE_SLICE, HAND_BONES, LEFT_HAND_SLICE, RIGHT_HAND_SLICE

_TORSO = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
_FACE = (
    ("left_eye_outer", "right_eye_outer"),
    ("left_brow_outer", "right_brow_outer"),
    ("left_mouth_corner", "right_mouth_corner"),
    ("nose_bridge", "chin"),
    ("left_jaw", "chin"),
    ("right_jaw", "chin"),
    ("left_eye_outer", "left_jaw"),
    ("right_eye_outer", "right_jaw"),
)
_SHOULDER = BODY.index("left_shoulder")
# The head's body points say less than the face's.
BONES = (
    *(bone for bone in BODY_BONES if min(bone) >= _SHOULDER),
    *((BODY.index(a), BODY.index(b)) for a, b in _TORSO),
    *((FACE_SLICE.start + FACE.index(a), FACE_SLICE.start + FACE.index(b)) for a, b in _FACE),
    *((hand.start + a, hand.start + b) for hand in (LEFT_HAND_SLICE, RIGHT_HAND_SLICE) for a, b in HAND_BONES),
)
_REACH = 0.5  # of a bone's length: what is farther away need not be the person


@dataclass(frozen=True)
class Correspondence:
    """Of M x M cells. offsets (B, T, 2, M, M): to the place in the reference image, in half frames. confidence
    (B, T, M, M): that both pictures show the bone's ends; 0 where the place is beyond the reference image. near
    (B, T, M, M): bool, whether the bone is near enough for the cell to be on the person."""

    offsets: Tensor
    confidence: Tensor
    near: Tensor


def correspondence(keypoints: Tensor, reference: Tensor, size: int) -> Correspondence:
    """keypoints: (B, T, 88, 3). reference: (B, 88, 3). size: M."""
    first, second = torch.tensor(BONES, device=keypoints.device).unbind(1)
    steps = (torch.arange(size, device=keypoints.device) + 0.5) / size
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)
    start, end = keypoints[..., first, :], keypoints[..., second, :]
    along = end[..., :2] - start[..., :2]
    length2 = along.square().sum(-1).clamp(min=1e-8)
    # Coordinates along (in bone lengths) and across the bone, as affine functions of the place: (B, T, P, bones).
    x, y = along.unbind(-1)
    a = (places @ along.transpose(-1, -2) - (start[..., :2] * along).sum(-1)[..., None, :]) / length2[..., None, :]
    across = torch.stack([-y, x], -1) / length2.sqrt()[..., None]
    b = places @ across.transpose(-1, -2) - (start[..., :2] * across).sum(-1)[..., None, :]
    beyond = (a - a.clamp(0, 1)).square() * length2[..., None, :]
    distance2 = beyond + b.square()
    known = (start[..., 2] * end[..., 2])[..., None, :]
    nearest = distance2.masked_fill(known <= 0, torch.inf).argmin(-1, keepdim=True)
    a, b, distance2 = (values.gather(-1, nearest)[..., 0] for values in (a, b, distance2))
    picked = nearest[..., 0]
    ref_start, ref_end = reference[:, first], reference[:, second]
    batch = torch.arange(len(reference), device=reference.device)[:, None, None]
    there, ref_along = ref_start[batch, picked], (ref_end - ref_start)[batch, picked][..., :2]
    ref_across = torch.stack([-ref_along[..., 1], ref_along[..., 0]], -1)
    ref_across = ref_across / ref_along.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    source = there[..., :2] + a[..., None] * ref_along + b[..., None] * ref_across
    offsets = (2 * (source - places)).transpose(-1, -2).unflatten(-1, (size, size))
    confidence = known.expand(*known.shape[:-2], len(places), -1).gather(-1, nearest)[..., 0]
    confidence = confidence * there[..., 2] * ref_end[batch, picked][..., 2]
    bone = length2[..., None, :].expand(*length2.shape[:-1], len(places), -1).gather(-1, nearest)[..., 0]
    near = distance2 < _REACH**2 * bone
    confidence = confidence * ((source > 0) & (source < 1)).all(-1)
    return Correspondence(offsets, confidence.unflatten(-1, (size, size)), near.unflatten(-1, (size, size)))

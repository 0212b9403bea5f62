"""What a step learns from, and how it looks in a mirror."""

from dataclasses import dataclass, replace
from operator import itemgetter

import torch
from torch import Tensor

from pipelines.keypoints import BODY_SLICE, LEFT_HAND_SLICE, MIRRORED, RIGHT_HAND_SLICE
from pipelines.synthesis.scenes.scene import MIRRORED_LABELS
from training.fields import each
from training.inputs import Driver

_BODY = MIRRORED[BODY_SLICE]
_LABELS = torch.tensor(MIRRORED_LABELS, dtype=torch.uint8)


@dataclass(frozen=True)
class Batch:
    """B samples of T frames, uint8 images.

    position (B,): the sample's number in the whole run, the seed of all its randomness. reference (B, 3, S, S)
    with its keypoints (B, 88, 3).
    target (B, T, 3, S, S). mask (B, T, S, S): the target's person, zero where not known. keypoints (B, T, 88, 3): of
    the target. points (B, T, 88, 3): of the driver, in its crops. normals (B, T, 2, 4, N, N), hand_boxes (B, T, 2, 4):
    of the target. known (B, T): 1 for a history frame that is given clean. real (B, T): 0 for the frames that only fill
    up a sample which is too short: nothing is taught there. shown (B, 4): the part x0, y0, x1, y1 of the target's
    picture that was filmed, in shares of it; around it pictures are filled, and nothing is taught.
    exact (B,): 1 for rendered pairs, whose keypoints are true even where their confidence is 0, as they are hidden or
    outside the frame; 0 for clips, of which next to nothing is known there.
    others, other_points (B, 2 T, 88, 3): what the driver's tokens are held against, as a driver. Of pairs, the target's
    person, who does the same, in the same frames; then the driver's person in other frames. Of clips, the driver's
    frames twice.
    reference_parts (B, P, P), parts (B, T, P, P) uint8 and source (B, T, 3, P, P) float16: see `Record`; where in the
    reference the target's places are. All zeros for clips.
    latents (B, C, t, h, w) and reference_latents (B, C, 1, h, w): bf16, of the target and the reference, None where
    they are not kept.
    """

    position: Tensor
    driver: Driver
    reference: Tensor
    reference_keypoints: Tensor
    target: Tensor
    mask: Tensor
    keypoints: Tensor
    points: Tensor
    others: Driver
    other_points: Tensor
    normals: Tensor
    hand_boxes: Tensor
    known: Tensor
    real: Tensor
    shown: Tensor
    exact: Tensor
    reference_parts: Tensor
    parts: Tensor
    source: Tensor
    latents: Tensor | None
    reference_latents: Tensor | None

    def to(self, device: torch.device) -> "Batch":
        """On a device; from pinned memory the copy goes on while the caller does other things."""
        return each(self, lambda value: value.to(device, non_blocking=True))

    def split(self, count: int) -> list["Batch"]:
        """The samples in so many equal parts, in order."""
        size = len(self.position) // count
        return [each(self, itemgetter(slice(i * size, (i + 1) * size))) for i in range(count)]


def mirrored(sample: Batch) -> Batch:
    """Person and place in a mirror. Left and right change names: a stored right hand is mirrored as it is, and so
    becomes a left one by changing places."""
    return replace(
        sample,
        driver=_mirrored_driver(sample.driver),
        others=_mirrored_driver(sample.others),
        reference=sample.reference.flip(-1),
        reference_keypoints=_renamed(sample.reference_keypoints),
        target=sample.target.flip(-1),
        mask=sample.mask.flip(-1),
        keypoints=_renamed(sample.keypoints),
        points=_swapped(sample.points),
        other_points=_swapped(sample.other_points),
        normals=sample.normals.flip(-4),
        hand_boxes=_boxes(sample.hand_boxes.flip(-2)),
        shown=_boxes(sample.shown),
        reference_parts=_relabelled(sample.reference_parts),
        parts=_relabelled(sample.parts),
        source=_sources(sample.source, sample.parts),
    )


def _mirrored_driver(driver: Driver) -> Driver:
    return replace(
        driver,
        body=driver.body.flip(-1),
        place=_turned(driver.place),
        hands=driver.hands.flip(-4),
        face=driver.face.flip(-1),
        hand_visible=driver.hand_visible.flip(-1),
        hand_box=_turned(driver.hand_box.flip(-2)),
        face_box=_turned(driver.face_box),
        landmarks=_turned(driver.landmarks[..., _BODY, :]),
        keypoints=_renamed(driver.keypoints),
    )


def _turned(values: Tensor) -> Tensor:
    """The first of the last axis, x about a middle, gets the other sign."""
    return torch.cat([-values[..., :1], values[..., 1:]], -1)


def _renamed(keypoints: Tensor) -> Tensor:
    """Keypoints (..., 88, 3) of the frame."""
    named = keypoints[..., MIRRORED, :]
    return torch.cat([1 - named[..., :1], named[..., 1:]], -1)


def _swapped(points: Tensor) -> Tensor:
    """Points (..., 88, 3) of the driving crops, where both hands are left hands."""
    named = points[..., MIRRORED, :]
    hands = slice(LEFT_HAND_SLICE.start, RIGHT_HAND_SLICE.stop)
    turned = _turned(named)
    turned[..., hands, :] = named[..., hands, :]
    return turned


def _relabelled(parts: Tensor) -> Tensor:
    """Parts (..., P, P)."""
    return _LABELS[parts.flip(-1).long()]


def _sources(source: Tensor, parts: Tensor) -> Tensor:
    """Places (..., 3, P, P) in the reference, which is mirrored, too; 0 where there is no part (..., P, P)."""
    there = (parts > 0).to(source.dtype).unsqueeze(-3)
    return torch.cat([(1 - source[..., :1, :, :]) * there, source[..., 1:, :, :]], -3).flip(-1)


def _boxes(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) in the frame; all zero where there is none."""
    left, top, right, bottom = boxes.unbind(-1)
    there = (right > left).to(boxes.dtype)
    return torch.stack([(1 - right) * there, top, (1 - left) * there, bottom], -1)

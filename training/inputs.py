"""From a driving video and its keypoints to what the encoders see: the same crops in training and in use."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.keypoints import BODY_SLICE, HEAD_SLICE, PARTS, RIGHT_HAND_SLICE, TRUNK, part_box
from training.config import ModelConfig

Array = NDArray[np.generic]
HANDS = ("left_hand", "right_hand")
_MIN_CONFIDENCE = 0.3
_MARGIN = 0.08
_FAR = 3.0


@dataclass(frozen=True)
class Driver:
    """The driving crops of T frames; any number of batch axes may come first.

    body (T, C, S, S), hands (T, 2, C, P, P), face (T, C, P, P): uint8 with C = 4 (RGB and the person's mask, 255 where
    it is not known) as prepared, or float32 in [-1, 1] with C = 3 as the encoders take them. Right hands are mirrored.
    place (T, 2): how far the head is from where the reference is taken, in half sides of the person's box; a crop does
    not tell, since its box holds the person in all frames.
    hand_visible (T, 2), face_visible (T,): bool. hand_box (T, 2, 3), face_box (T, 3): centre x, y and half side in the
    person's box.
    landmarks (T, 21, 3): of the body in the person's box, x and y in [-1, 1], and how sure they are.
    keypoints (T, 88, 3): in the frame; only the skeleton baseline looks at them.
    """

    body: Tensor
    place: Tensor
    hands: Tensor
    face: Tensor
    hand_visible: Tensor
    face_visible: Tensor
    hand_box: Tensor
    face_box: Tensor
    landmarks: Tensor
    keypoints: Tensor

    def plain(self) -> "Driver":
        """The crops as the encoders take them, without augmentation."""
        body, hands, face = (to_float(crop[..., :3, :, :]) for crop in (self.body, self.hands, self.face))
        return replace(self, body=body, hands=hands, face=face)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """float in [-1, 1] to uint8 in [0, 255], clamped."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte()


def person_box(keypoints: NDArray[np.float32], aspect: float = 1.0) -> NDArray[np.float32]:
    """One square box (in pixels) around a person over all frames, so that moving in the frame stays visible.

    keypoints: (T, 88, 3). aspect: frame width / height. Returns (x0, y0, x1, y1) in frame shares.
    """
    points = keypoints[keypoints[..., 2] >= _MIN_CONFIDENCE][:, :2].clip(-0.25, 1.25)
    if len(points) < 2:
        points = np.array([[0, 0], [1, 1]], np.float32)
    low, high = points.min(0), points.max(0)
    half = max((high[0] - low[0]) * aspect, high[1] - low[1], 0.05) / 2 * (1 + 2 * _MARGIN)
    half_xy, centre = np.array([half / aspect, half]), (low + high) / 2
    return np.concatenate([centre - half_xy, centre + half_xy]).astype(np.float32)


def head_path(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the head is (T, 2) in frame shares, interpolated where it is not seen; the trunk where it never is.

    keypoints: (T, 88, 3).
    """
    for points in (keypoints[:, HEAD_SLICE], keypoints[:, TRUNK]):
        # All points or none: a mean over those that happen to be seen would jump from frame to frame.
        (seen,) = np.nonzero((points[..., 2] >= _MIN_CONFIDENCE).any(1))
        if len(seen):
            centres = points[seen, :, :2].mean(1)
            times = np.arange(len(points))
            return np.stack([np.interp(times, seen, axis) for axis in centres.T], 1).astype(np.float32)
    return np.full((len(keypoints), 2), 0.5, np.float32)


def places(
    heads: NDArray[np.float32], origin: NDArray[np.float32], persons: NDArray[np.float32]
) -> NDArray[np.float32]:
    """See `Driver.place`. heads: (T, 2). origin: (2,), where the reference is taken. persons: (T, 4)."""
    moved = (heads - origin) / ((persons[:, 2:] - persons[:, :2]) / 2)
    return moved.clip(-_FAR, _FAR).astype(np.float32)


def crop(image: Array, box: NDArray[np.float32], size: int) -> Array:
    """Cut a box (frame shares, may leave the frame: filled with black) and scale it to size x size."""
    import cv2

    height, width = image.shape[:2]
    x0, y0, x1, y1 = np.round(box * [width, height, width, height]).astype(int)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    inside = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if inside.size == 0:
        return np.zeros((size, size, *image.shape[2:]), image.dtype)
    pad = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
    if any(pad):
        inside = cv2.copyMakeBorder(inside, *pad, cv2.BORDER_CONSTANT, value=0)
    shrinks = inside.shape[0] > size
    scaled: Array = cv2.resize(inside, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return scaled


def driver_of(
    frames: NDArray[np.uint8],
    keypoints: NDArray[np.float32],
    persons: NDArray[np.float32],
    place: NDArray[np.float32],
    config: ModelConfig,
    masks: NDArray[np.uint8] | None = None,
) -> Driver:
    """Cut the crops of some frames.

    frames: (T, H, W, 3) RGB. keypoints: (T, 88, 3). persons (T, 4): see `person_box`. place: (T, 2). masks: (T, H, W)
    in {0, 255}.
    """
    count, height, width = frames.shape[:3]
    aspect = width / height
    alpha = np.full((count, height, width), 255, np.uint8) if masks is None else masks
    images = np.concatenate([frames, alpha[..., None]], -1)
    part = config.part_size
    body = np.stack([crop(image, box, config.body_size) for image, box in zip(images, persons, strict=True)])
    hands = np.zeros((count, 2, part, part, 4), np.uint8)
    face = np.zeros((count, part, part, 4), np.uint8)
    hand_visible, face_visible = np.zeros((count, 2), bool), np.zeros(count, bool)
    hand_box, face_box = np.zeros((count, 2, 3), np.float32), np.zeros((count, 3), np.float32)
    for t, image in enumerate(images):
        for side, name in enumerate(HANDS):
            box = part_box(keypoints[t], name, aspect)
            if box is not None:
                hand_visible[t, side] = True
                hand_box[t, side] = relative_box(box, persons[t])
                cut = crop(image, box, part)
                hands[t, side] = cut[:, ::-1] if side else cut
        box = part_box(keypoints[t], "face", aspect)
        if box is not None:
            face_visible[t] = True
            face[t] = crop(image, box, part)
            face_box[t] = relative_box(box, persons[t])
    first, *others = (torch.from_numpy(np.moveaxis(a, -1, -3).copy()) for a in (body, hands, face))
    landmarks = np.stack([local_points(p, box, aspect)[BODY_SLICE] for p, box in zip(keypoints, persons, strict=True)])
    numbers = map(torch.tensor, (hand_visible, face_visible, hand_box, face_box, landmarks, keypoints))
    return Driver(first, torch.from_numpy(place), *others, *numbers)


def course_of(keypoints: NDArray[np.float32], aspect: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `driver_of` has to know of a whole driving video: persons (T, 4) and place (T, 2).

    The reference counts as taken where the person is on the whole. keypoints: (T, 88, 3). aspect: width / height.
    """
    persons = np.tile(person_box(keypoints, aspect), (len(keypoints), 1))
    heads = head_path(keypoints)
    return persons, places(heads, heads.mean(0), persons)


def prepare_driver(frames: NDArray[np.uint8], keypoints: NDArray[np.float32], config: ModelConfig) -> Driver:
    """The encoders' input for a whole driving video, as in training but without augmentation or batch axis.

    frames: (T, H, W, 3) RGB. keypoints: (T, 88, 3) in the schema of `pipelines.keypoints`.
    """
    persons, place = course_of(keypoints, frames.shape[2] / frames.shape[1])
    return driver_of(frames, keypoints, persons, place, config).plain()


def relative_box(box: NDArray[np.float32], person: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre (x, y) in [-1, 1] and half side of a box in units of the person's box."""
    side = person[2:] - person[:2]
    centre = ((box[:2] + box[2:]) / 2 - person[:2]) / side * 2 - 1
    return np.array([*centre, (box[3] - box[1]) / side[1]], np.float32)


def local_points(keypoints: NDArray[np.float32], person: NDArray[np.float32], aspect: float) -> NDArray[np.float32]:
    """Keypoints of one frame (88, 3) in the crop of their part: x, y in [-1, 1], the right hand mirrored.

    Body points are in the person's box. The confidence is 0 where the part has no crop.
    """
    local = keypoints.copy()
    for name, where in PARTS.items():
        box = person if name == "body" else part_box(keypoints, name, aspect)
        if box is None:
            local[where] = 0
            continue
        local[where, :2] = (keypoints[where, :2] - box[:2]) / (box[2:] - box[:2]) * 2 - 1
    local[RIGHT_HAND_SLICE, 0] *= -1
    local[:, :2] = local[:, :2].clip(-3, 3)
    return local

"""Footage without rendering: grey frames, one person whose points are spread over their box."""

import numpy as np

from pipelines import keypoints as kp
from tests.labelled.footage import ABSENT, CODE, KEPT, OUT, THERE, Footage

FPS, SIZE = 10.0, (64, 36)


def footage(seconds: float, box: tuple[float, float, float, float] = (20, 4, 32, 32), grey: int = 100) -> Footage:
    """One person who stands still in the same box; each frame is a little brighter than the one before."""
    count = round(seconds * FPS)
    frames = np.empty((count, SIZE[1], SIZE[0], 3), np.uint8)
    frames[:] = (grey + np.arange(count))[:, None, None, None]
    points = np.ones((count, 1, kp.COUNT, 3), np.float32)
    points[..., :2] = np.random.default_rng(1).uniform(box[:2], box[2:], (kp.COUNT, 2))
    for hand, corner in ((kp.LEFT_HAND_SLICE, 2), (kp.RIGHT_HAND_SLICE, 0)):
        points[:, 0, hand, :2] = box[corner], box[3] - 8
        points[:, 0, hand, 1] += np.linspace(0, 4, 21)
    boxes = np.tile(np.array(box, np.float32), (count, 1, 1))
    there = np.full((count, 1), THERE, np.int8)
    right = np.full((count, 1), KEPT, CODE)
    return Footage(frames, FPS, points, boxes, there, right, np.arange(count, dtype=np.float32) / np.float32(FPS))


def empty(seconds: float) -> Footage:
    """The same without the person."""
    one = footage(seconds)
    right, there = np.full_like(one.right, ABSENT), np.full_like(one.there, OUT)
    return Footage(one.frames, FPS, 0 * one.points, 0 * one.boxes, there, right, one.source)

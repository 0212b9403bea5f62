"""Rotated squares of a picture: what MediaPipe's landmark networks read, and how their points come back."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame


@dataclass(frozen=True)
class Region:
    """A rotated square in pixels. angle: by which its content is tilted clockwise, radians."""

    centre: NDArray[np.float32]
    side: float
    angle: float


@dataclass(frozen=True)
class Cut:
    """pixels: (size, size, 3) RGB of a region. back: (2, 3) from its pixels to the frame's."""

    pixels: Frame
    back: NDArray[np.float64]

    def in_frame(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (n, 2) in pixels of the cut, in pixels of the frame."""
        placed: NDArray[np.float32] = (points @ self.back[:, :2].T + self.back[:, 2]).astype(np.float32)
        return placed

    def in_cut(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (n, 2) in pixels of the frame, in pixels of the cut."""
        turn = np.linalg.inv(self.back[:, :2])
        placed: NDArray[np.float32] = ((points - self.back[:, 2]) @ turn.T).astype(np.float32)
        return placed


def cut_region(frame: Frame, region: Region, size: int, repeats_edge: bool = False) -> Cut:
    """frame: RGB (H, W, 3). size: of the square that the network reads, pixels.

    repeats_edge: what lies beyond the frame is its edge repeated, instead of black.
    """
    import cv2

    x, y = map(float, region.centre)
    turn = cv2.getRotationMatrix2D((x, y), np.degrees(region.angle), size / region.side)
    turn[:, 2] += size / 2 - region.centre
    border = cv2.BORDER_REPLICATE if repeats_edge else cv2.BORDER_CONSTANT
    pixels = cv2.warpAffine(frame, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return Cut(pixels, cv2.invertAffineTransform(turn))


def box_around(region: Region, frame: Frame) -> NDArray[np.float32]:
    """The upright square box (4,), in shares of the frame, with a region's centre and side."""
    size = np.array([frame.shape[1], frame.shape[0]], np.float32)
    corners = np.stack([region.centre - region.side / 2, region.centre + region.side / 2])
    box: NDArray[np.float32] = (corners / size).reshape(4).astype(np.float32)
    return box


def region_around(box: NDArray[np.float32], frame: Frame, room: float) -> Region:
    """The upright region around a box in shares of the frame. room: its side, in longer sides of the box."""
    size = np.array([frame.shape[1], frame.shape[0]], np.float32)
    low, high = box[:2] * size, box[2:] * size
    centre = ((low + high) / 2).astype(np.float32)
    return Region(centre, room * float((high - low).max()), 0.0)


def moved_by(region: Region, shift: NDArray[np.float32], frame: Frame) -> Region:
    """shift: (2,) in shares of the frame."""
    size = np.array([frame.shape[1], frame.shape[0]], np.float32)
    return replace(region, centre=(region.centre + shift * size).astype(np.float32))

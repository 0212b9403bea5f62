"""What top-down pose networks have in common: an upright crop of one person goes in, points in it come out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Box

# ImageNet's, in levels of 255, as these networks were trained.
_MEAN, _STD = np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)


@dataclass(frozen=True)
class Crop:
    """pixels: (1, 3, h, w) float32, RGB, normalised. back: (2, 3), from its pixels to those of the frame."""

    pixels: NDArray[np.float32]
    back: NDArray[np.float64]

    def placed(self, points: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
        """Points (n, 2) in pixels of the crop, in shares of the frame."""
        size = np.array(frame.shape[1::-1])
        shares: NDArray[np.float32] = ((points @ self.back[:, :2].T + self.back[:, 2]) / size).astype(np.float32)
        return shares


def crop_person(frame: Frame, box: Box, size: tuple[int, int], padding: float) -> Crop:
    """frame: RGB (H, W, 3). box: of the person, in shares of it. size: (width, height) of the crop.

    padding: by which the box is enlarged before it is widened to the crop's shape (MMPose's `GetBBoxCenterScale`).
    """
    import cv2

    corners = box.reshape(2, 2) * np.array(frame.shape[1::-1])
    centre, extent = corners.mean(0), (corners[1] - corners[0]) * padding
    scale = max(float(extent[0]) / size[0], float(extent[1]) / size[1], 1e-6)
    back = np.array([[scale, 0, centre[0] - scale * size[0] / 2], [0, scale, centre[1] - scale * size[1] / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = (cv2.warpAffine(frame, back, size, flags=flags).astype(np.float32) - _MEAN) / _STD
    return Crop(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]), back)

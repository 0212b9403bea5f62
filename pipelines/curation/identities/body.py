"""What tells a person whose face is not seen: the colours of their clothes, and the place that they stand in.

Clothes change and look alike, so neither is an identity. Both together tell that two videos come from one shoot.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Points

Floats = NDArray[np.float32]
PLACE = 16  # cells along each side of a picture
_BINS = (4, 8, 8)  # of L, a and b
_RANGES = ((0, 256), (64, 192), (64, 192))  # of OpenCV's 8-bit Lab; stronger colours fall into the outer bins
_PATCH = 24  # pixels
_INNER = 0.8  # of the torso's quadrilateral, so that its edge shows no background
_WIDTH = 0.24  # of the strip along a thigh, in its lengths
_ALONG = (0.15, 0.9)
_SEEN = 0.5  # confidence of a point
_TORSO = [kp.BODY.index(name) for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
_THIGHS = [[kp.BODY.index(f"{side}_{joint}") for joint in ("hip", "knee")] for side in ("left", "right")]
COLOURS = 2 * int(np.prod(_BINS))


def colours_of(frame: Frame, keypoints: Points) -> Floats:
    """Square roots of the shares of each colour (512,): of the torso, then of the thighs; zeros where one is not seen.

    keypoints: (88, 3) in pixels of the RGB frame.
    """
    import cv2

    points, seen = keypoints[:, :2].astype(np.float64), keypoints[:, 2] >= _SEEN
    torso, thighs = [], []
    if seen[_TORSO].all():
        corners = points[_TORSO]
        torso.append(corners.mean(0) + _INNER * (corners - corners.mean(0)))
    for hip, knee in _THIGHS:
        if seen[[hip, knee]].all():
            along = points[knee] - points[hip]
            across = np.array([-along[1], along[0]]) * _WIDTH / 2
            top, bottom = (points[hip] + share * along for share in _ALONG)
            thighs.append(np.stack([top - across, top + across, bottom + across, bottom - across]))
    square = np.array([(0, 0), (_PATCH, 0), (_PATCH, _PATCH), (0, _PATCH)], np.float32)
    found = []
    for corners_of_part in (torso, thighs):
        counts = np.zeros(_BINS)
        for corners in corners_of_part:
            warp = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
            patch = cv2.warpPerspective(frame, warp, (_PATCH, _PATCH), borderMode=cv2.BORDER_REPLICATE)
            lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
            low, high = np.array(_RANGES, np.float64).T
            counts += np.histogramdd(np.clip(lab, low, high - 1), _BINS, _RANGES)[0]
        found.append(np.sqrt(counts / max(counts.sum(), 1)).ravel())
    return np.concatenate(found).astype(np.float32)


def place_of(frame: Frame, box: NDArray[np.float64]) -> Floats:
    """The picture around a person as (16, 16, 3) Lab, NaN where the person is.

    box: (4,) in pixels of the RGB frame.
    """
    import cv2

    small = cv2.resize(frame, (PLACE, PLACE), interpolation=cv2.INTER_AREA)
    cells: Floats = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    scale = PLACE / np.tile([frame.shape[1], frame.shape[0]], 2)
    x0, y0, x1, y1 = box * scale
    cells[max(0, int(np.floor(y0))) : int(np.ceil(y1)), max(0, int(np.floor(x0))) : int(np.ceil(x1))] = np.nan
    return cells


def place_difference(one: Floats, other: Floats, least_cells: int) -> NDArray[np.float64]:
    """Mean absolute difference per channel (N,) over the cells that both show; infinite where those are too few.

    one, other: (N, 16, 16, 3), see `place_of`.
    """
    apart = np.abs(one.astype(np.float64) - other)
    shown = np.isfinite(apart)
    total = np.where(shown, apart, 0).sum((1, 2, 3))
    count = shown.sum((1, 2, 3))
    return np.where(count >= 3 * least_cells, total / np.maximum(count, 1), np.inf)

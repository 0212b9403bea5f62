"""Made pictures of the window around a person, put back into the whole photo; and shown beside what they came from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.watch import Portrait, resize_to

LONGEST = 4096  # pixels per side of a picture, as H.264 decoders have it
_LARGEST_PAINTED = 2048  # pixels per side of a window, for memory's sake; a larger one is painted so and enlarged
_FEATHER = 0.04  # of the window's side, over which it goes over into the photo
Pixels = NDArray[np.uint8]


def fitted(portrait: Portrait) -> Portrait:
    """The same with an even width and height of at most `LONGEST` pixels, at the cost of a last row or column."""
    image = portrait.image
    scale = min(1.0, LONGEST / max(image.shape[:2]))
    if scale < 1:
        image = resize_to(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
    corner = np.round(portrait.corner * scale).astype(np.int64)
    return replace(portrait, image=image, corner=corner, side=max(2, round(portrait.side * scale)))


@dataclass(frozen=True)
class Canvas:
    """portrait: see `fitted`. crop: whether only the window is wanted."""

    portrait: Portrait
    crop: bool

    @property
    def painted(self) -> int:
        """Pixels per side at which the window is to be painted."""
        return min(self.portrait.side, _LARGEST_PAINTED)

    @property
    def still(self) -> Pixels:
        """The photo as the output shows it: (H, W, 3)."""
        if self.crop:
            return self.portrait.cut(_even(min(self.portrait.side, LONGEST)))
        return self.portrait.image

    def filled(self, window: Pixels) -> Pixels:
        """The output (H, W, 3) with this window (S, S, 3). Without `crop` what is not in the window is the photo's."""
        portrait, side = self.portrait, self.portrait.side
        if self.crop:
            return _scaled(window, _even(min(side, LONGEST)))
        whole = portrait.image.copy()
        size = np.array(whole.shape[1::-1])
        low, high = np.maximum(portrait.corner, 0), np.minimum(portrait.corner + side, size)
        (x0, y0), (x1, y1) = low, high
        u0, v0 = low - portrait.corner
        inside = _scaled(window, side)[v0 : v0 + y1 - y0, u0 : u0 + x1 - x0]
        behind = whole[y0:y1, x0:x1].astype(np.float32)
        # At the photo's own edges there is nothing to go over into; the person may be cut off there.
        across, down = (
            _ramp(int(high[axis] - low[axis]), side, low[axis] > 0, high[axis] < size[axis]) for axis in (0, 1)
        )
        share = (down[:, None] * across)[..., None]
        whole[y0:y1, x0:x1] = np.round(behind + share * (inside - behind))
        return whole


def side_by_side(still: Pixels, driving: Pixels, made: Pixels) -> Pixels:
    """The photo, the driving frame with bars around it, and the output, all of the output's size or, where three of it
    are wider than `LONGEST`, smaller: (H, 3 W, 3)."""
    height, width = made.shape[:2]
    scale = min(1.0, LONGEST / (3 * width))
    size = _even(int(width * scale)), _even(int(height * scale))
    panel = np.zeros((size[1], size[0], 3), np.uint8)
    fits = min(size[0] / driving.shape[1], size[1] / driving.shape[0])
    inner = resize_to(driving, (max(1, int(driving.shape[1] * fits)), max(1, int(driving.shape[0] * fits))))
    y, x = ((outer - used) // 2 for outer, used in zip(panel.shape[:2], inner.shape[:2], strict=True))
    panel[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    if scale < 1:
        still, made = resize_to(still, size), resize_to(made, size)
    return np.concatenate([still, panel, made], 1)


def _ramp(length: int, side: int, opens: bool, closes: bool) -> NDArray[np.float32]:
    """How much of the window counts along an axis: nothing at an end that opens into the photo, all further inside."""
    width = max(1.0, _FEATHER * side)
    steps = (np.arange(length) + 0.5) / width
    rising = steps.clip(0, 1) if opens else np.ones(length)
    falling = steps[::-1].clip(0, 1) if closes else np.ones(length)
    share = np.minimum(rising, falling)
    smooth: NDArray[np.float32] = (share * share * (3 - 2 * share)).astype(np.float32)
    return smooth


def _scaled(window: Pixels, size: int) -> Pixels:
    import cv2

    if len(window) == size:
        return window
    method = cv2.INTER_AREA if len(window) > size else cv2.INTER_CUBIC
    scaled: Pixels = cv2.resize(window, (size, size), interpolation=method)
    return scaled


def _even(value: int) -> int:
    return max(2, value // 2 * 2)

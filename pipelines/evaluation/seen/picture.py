"""Measures of the pixels themselves: where the person is cut out, how sharp, still and true they are.

Pictures are uint8 RGB (..., H, W, 3), masks bool (..., H, W).
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation import metrics

Pictures = NDArray[np.uint8]
Masks = NDArray[np.bool_]
_ROOM = 1.15  # side of the square around the person, in longer sides of their box
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# The outline is sharp in any picture that shows a person at all. Pixels off it, in shares of the
# picture's side, and at least.
_OFF_OUTLINE, _LEAST_OFF = 1 / 64, 2
_LEAST_INSIDE = 50  # pixels, for a variance
_FLAT = 1e-3  # variance of the Laplacian of what has no detail
_FOLLOWED = 0.5  # of the truth's change that remains where its motion is known


def person_square(mask: Masks) -> tuple[slice, slice] | None:
    """Rows and columns of the square around a person's mask (H, W), inside the picture; None without a person."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = min(round(longest * _ROOM), *mask.shape)

    def around(places: NDArray[np.intp], length: int) -> slice:
        first = (int(places[0]) + int(places[-1]) + 1 - side) // 2
        first = max(0, min(length - side, first))
        return slice(first, first + side)

    return around(rows, mask.shape[0]), around(columns, mask.shape[1])


def cut_square(picture: Pictures, square: tuple[slice, slice], side: int) -> Pictures:
    """What is in a square of a picture, (side, side, 3)."""
    import cv2

    part = np.ascontiguousarray(picture[square])
    shrinks = part.shape[0] > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cut: Pictures = cv2.resize(part, (side, side), interpolation=how)
    return cut


def sharpness(output: Pictures, truth: Pictures, masks: Masks) -> float | None:
    """Detail inside the person over the truth's: variances of the Laplacian of the luminance, summed over T pictures.

    None where the person is too thin, or has no detail in truth.
    """
    import cv2

    reach = max(_LEAST_OFF, round(masks.shape[1] * _OFF_OUTLINE))
    off_outline = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    variances = []
    for picture, true_picture, mask in zip(output, truth, masks, strict=True):
        inside = cv2.erode(mask.astype(np.uint8), off_outline, borderValue=0) > 0
        if inside.sum() >= _LEAST_INSIDE:
            variances.append([_detail(one, inside) for one in (picture, true_picture)])
    if not variances:
        return None
    ours, true = np.sum(variances, axis=0)
    return float(ours / true) if true > _FLAT * len(variances) else None


def _detail(picture: Pictures, inside: Masks) -> float:
    import cv2

    return float(cv2.Laplacian(picture @ _LUMINANCE, cv2.CV_32F)[inside].var())


def background_figures(
    output: Pictures, truth: Pictures, masks: Masks, reference_mask: Masks
) -> dict[str, float | None]:
    """Mean absolute error (of 255) and PSNR (dB) where the person is neither in truth (T, H, W) nor in the reference.

    None where there is no such pixel.
    """
    outside = ~(masks | reference_mask)
    errors, decibels = [], []
    for picture, true_picture, behind in zip(output, truth, outside, strict=True):
        if behind.any():
            apart = picture[behind].astype(np.float64) - true_picture[behind]
            errors.append(np.abs(apart).mean())
            decibels.append(metrics.psnr(picture, true_picture, behind))
    if not errors:
        return {"background_error": None, "background_psnr": None}
    return {
        "background_error": float(np.mean(errors)),
        "background_psnr": float(np.mean(decibels)),
    }


def flicker_figures(output: Pictures, truth: Pictures) -> dict[str, float | None]:
    """How much a video changes from picture to picture, over how much the truth does; 1 is right, 0 stands still.

    `flicker` is of all change. `flicker_unmoved` is of what remains when each picture is moved as
    the truth moves (optical flow): what glimmers. None for one picture, where the truth stands
    still, and of the latter where its motion is too large to be followed.
    """
    import cv2

    flow_finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    changes, remains = [], []
    for number in range(len(truth) - 1):
        before, after = (cv2.cvtColor(truth[at], cv2.COLOR_RGB2GRAY) for at in (number, number + 1))
        flow = flow_finder.calc(after, before, None)
        changes.append([_change(video[number], video[number + 1]) for video in (output, truth)])
        remains.append([_change(_moved(video[number], flow), video[number + 1]) for video in (output, truth)])
    if not changes or not np.sum(changes, axis=0)[1]:
        return {"flicker": None, "flicker_unmoved": None}
    change, true_change = np.sum(changes, axis=0)
    rest, true_rest = np.sum(remains, axis=0)
    followed = 0 < true_rest <= _FOLLOWED * true_change
    return {
        "flicker": float(change / true_change),
        "flicker_unmoved": float(rest / true_rest) if followed else None,
    }


def _change(before: Pictures, after: Pictures) -> float:
    return float(np.abs(after.astype(np.float32) - before).mean())


def _moved(picture: Pictures, flow: NDArray[np.float32]) -> Pictures:
    """flow: (H, W, 2), from each pixel to where it comes from."""
    import cv2

    rows, columns = np.indices(picture.shape[:2], np.float32)
    moved: Pictures = cv2.remap(
        picture, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved

"""What happens to footage after it was filmed: pure functions of footage, labels included.

start, end: seconds between which something happens. What is done so strongly that a clip should be rejected gives the
reason; what is mild gives none.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipelines import keypoints as kp
from tests.labelled.footage import ABSENT, KEPT, OUT, UNCLEAR, Footage, Frames

_MIRRORED = np.array(
    [kp.NAMES.index(name.replace("left_", "?").replace("right_", "left_").replace("?", "right_")) for name in kp.NAMES]
)
_BARS = (0.01, 0.03)  # share of a person's square that bars cover: harmless below, to be rejected above
_MARGIN = 0.1


def _each(footage: Footage, change: Callable[[Frames], Frames], start: float = 0.0, end: float = 1e9) -> Footage:
    """Change every frame (H, W, 3) in [start, end)."""
    frames = footage.frames.copy()
    for t in range(footage.frame(start), min(len(frames), footage.frame(end))):
        frames[t] = change(frames[t])
    return replace(footage, frames=frames)


def defocused(footage: Footage, sigma: float, code: str = KEPT, start: float = 0.0, end: float = 1e9) -> Footage:
    """sigma: of a Gaussian, pixels."""
    import cv2

    blurred = _each(footage, lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma)), start, end)
    return blurred if code == KEPT else blurred.judged(code, start, end)


def motion_blurred(footage: Footage, length: int) -> Footage:
    """As of a camera that shakes while the shutter is open: along a line of `length` pixels that turns slowly."""
    import cv2

    frames = footage.frames.copy()
    for t, frame in enumerate(footage.frames):
        kernel = np.zeros((length, length), np.float32)
        way = length / 2 * np.array([np.cos(0.3 * t), np.sin(0.3 * t)])
        middle = np.array([length / 2, length / 2])
        ends = [tuple(int(v) for v in np.clip(middle + sign * way, 0, length - 1)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        frames[t] = cv2.filter2D(frame, -1, kernel / kernel.sum())
    return replace(footage, frames=frames).judged("blurred")


def exposed(footage: Footage, gain: float, noise: float = 0.0, code: str = KEPT) -> Footage:
    """gain: of linear light (gamma 2). noise: deviation in shares of white, as of a sensor in the dark."""
    rng = np.random.default_rng(round(1000 * gain))

    def expose(frame: Frames) -> Frames:
        light = (frame.astype(np.float32) / 255) ** 2 * gain + noise * rng.standard_normal(frame.shape, np.float32)
        return (np.sqrt(light.clip(0, 1)) * 255).astype(np.uint8)

    changed = _each(footage, expose)
    return changed if code == KEPT else changed.judged(code)


def flashed(footage: Footage, times: tuple[float, ...]) -> Footage:
    """Two frames nearly white at each time, as of a photographer's flash."""
    for time in times:
        footage = _each(
            footage, lambda frame: (255 - (255 - frame) // 6).astype(np.uint8), time, time + 2 / footage.fps
        )
    return footage


def titled(footage: Footage, lines: tuple[str, ...]) -> Footage:
    """Lines of text in the middle of the picture, over the people."""
    import cv2

    width, height = footage.size

    def write(frame: Frames) -> Frames:
        shown = frame.copy()
        for number, line in enumerate(lines):
            scale = height / 300
            (length, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 4)
            place = ((width - length) // 2, round(height * (0.52 + 0.16 * number)))
            for colour, thickness in (((0, 0, 0), 7), ((255, 255, 255), 3)):
                cv2.putText(shown, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
        return shown

    return _each(footage, write).judged("overlay")


def marked(footage: Footage) -> Footage:
    """A channel's logo in a corner, where nobody is."""
    import cv2

    width, height = footage.size
    middle, radius = (round(0.06 * width), round(0.1 * height)), round(0.05 * height)

    def mark(frame: Frames) -> Frames:
        shown = frame.copy()
        cv2.circle(shown, middle, radius, (230, 60, 40), -1, cv2.LINE_AA)
        cv2.putText(shown, "TV", (middle[0] - radius // 2, middle[1] + radius // 3), 0, height / 900, (255,) * 3, 2)
        return shown

    return _each(footage, mark)


def resized(footage: Footage, scale: float, shift: tuple[float, float], size: tuple[int, int]) -> Footage:
    """The picture scaled and shifted in a picture of `size` (width, height) that is black elsewhere."""
    import cv2

    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    source = footage.frames
    if scale < 1:
        reduced = (round(footage.size[0] * scale), round(footage.size[1] * scale))
        source = np.stack([cv2.resize(frame, reduced, interpolation=flags) for frame in source])
        matrix[0, 0], matrix[1, 1] = footage.size[0] * scale / reduced[0], footage.size[1] * scale / reduced[1]
    frames = np.stack([cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR) for frame in source])
    points, offset = footage.points.copy(), np.array(shift, np.float32)
    points[..., :2] = points[..., :2] * scale + offset
    points[..., 2] *= ((points[..., :2] >= 0) & (points[..., :2] < size)).all(-1)
    boxes = (footage.boxes * scale + np.tile(offset, 2)).clip(0, np.tile(np.float32(size), 2))
    there = (boxes[..., 2:] > boxes[..., :2]).all(-1) & (footage.boxes.any(-1))
    seen = np.where(there, footage.there, OUT).astype(np.int8)
    right = np.where(there, footage.right, ABSENT)
    boxes = np.where(there[..., None], boxes, 0)
    return replace(footage, frames=frames, points=points, boxes=boxes, there=seen, right=right)


def scaled(footage: Footage, factor: float) -> Footage:
    """The whole picture smaller, with even sides."""
    width, height = (round(side * factor / 2) * 2 for side in footage.size)
    return resized(footage, factor, (0, 0), (width, height))


def cropped(footage: Footage, share: float) -> Footage:
    """Without a share of each side, brought back to the size that it had."""
    scale = 1 / (1 - 2 * share)
    width, height = footage.size
    return resized(footage, scale, (-share * scale * width, -share * scale * height), footage.size)


def barred(footage: Footage, scale: float) -> Footage:
    """The picture smaller and in the middle of black, as after a conversion between formats."""
    width, height = footage.size
    left, top = (1 - scale) / 2 * width, (1 - scale) / 2 * height
    small = resized(footage, scale, (left, top), footage.size)
    low, high = small.boxes[..., :2], small.boxes[..., 2:]
    side = (high - low).max(-1, keepdims=True) * (1 + 2 * _MARGIN)
    # A clip's square is moved into the frame before it reaches beyond it.
    corner = np.clip((low + high - side) / 2, 0, np.maximum(np.array(footage.size) - side, 0))
    ends = np.minimum(corner + side, footage.size) - np.maximum(corner, 0)
    lit = np.minimum(corner + side, [width - left, height - top]) - np.maximum(corner, [left, top])
    dark = 1 - lit.clip(0).prod(-1) / np.maximum(ends.prod(-1), 1)
    right = np.where((small.right == KEPT) & (dark > _BARS[0]), UNCLEAR, small.right)
    return replace(small, right=np.where(np.isin(small.right, (KEPT, UNCLEAR)) & (dark > _BARS[1]), "borders", right))


def mirrored(footage: Footage) -> Footage:
    """Left and right exchanged; a person's left hand is then what was their right one."""
    width = footage.size[0]
    points = footage.points[:, :, _MIRRORED].copy()
    points[..., 0] = width - points[..., 0]
    boxes = footage.boxes.copy()
    boxes[..., [0, 2]] = np.where(boxes.any(-1, keepdims=True), width - boxes[..., [2, 0]], 0)
    return replace(footage, frames=np.ascontiguousarray(footage.frames[:, :, ::-1]), points=points, boxes=boxes)


def coarse(footage: Footage, factor: float) -> Footage:
    """The detail that a picture smaller by `factor` has, at the size that it had."""
    import cv2

    width, height = footage.size
    small = (round(width * factor), round(height * factor))
    return _each(
        footage,
        lambda frame: np.asarray(cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (width, height))),
    )


def frozen(footage: Footage, start: float, end: float) -> Footage:
    """One frame held from `start` to `end` seconds, then on from there."""
    at, count = footage.frame(start), footage.frame(end) - footage.frame(start)
    held = footage[np.concatenate([np.arange(at), np.full(count, at), np.arange(at, len(footage.frames))])]
    return held.judged("frozen", start, end)


def slowed(footage: Footage) -> Footage:
    """Half as fast: every frame twice, as content of half the rate is coded, which is no fault."""
    return footage[np.repeat(np.arange(len(footage.frames)), 2)]


def hastened(footage: Footage) -> Footage:
    """Twice as fast: without every other frame."""
    return footage[np.arange(0, len(footage.frames), 2)]


def from_second(footage: Footage, start: float) -> Footage:
    """Without what comes before."""
    return footage[np.arange(footage.frame(start), len(footage.frames))]

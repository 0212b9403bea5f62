"""What a camera and a codec do to a picture, so that renders look like video that people have.

Drawn once per view and constant over its frames, except for the noise. Geometry is untouched: every label stays exact.
The order is that of a real camera: lens (defocus, vignette), shutter (motion blur), sensor (exposure, noise), picture
style (white balance, contrast, saturation, sharpening), scaling, codec.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scenes.scene import Floats

Frames = NDArray[np.uint8]
CODECS = ("none", "jpeg", "mpeg4")
# Shares of the views with an effect, and the ranges that its strength is drawn from.
CLEAN_SHARE = 0.25
DEFOCUS = (0.35, (0.001, 0.006))  # deviation of the blur, in shares of the picture's side
VIGNETTE = (0.4, (0.05, 0.4))  # light lost in the corners
SHUTTER = (0.45, (1 / 200, 1 / 25))  # seconds of exposure of one frame
EXPOSURE = (1.0, (0.8, 1.2))
NOISE = (0.5, (0.004, 0.028))  # deviation at mid-grey, in shares of white
TINT = (1.0, (0.0, 0.07))  # deviation of the white balance per channel
CONTRAST = (1.0, (0.85, 1.15))
SATURATION = (1.0, (0.7, 1.25))
SHARPEN = (0.3, (0.3, 1.0))
RESIZE = (0.3, (0.5, 0.9))  # the picture was once smaller by this factor
JPEG_QUALITY, MPEG4_QUANTISER = (35, 90), (3, 12)
_CODEC_SHARES = (0.4, 0.35, 0.25)
_TAPS = 5
_LAMBDA = 118  # FFmpeg's quality units per step of the quantiser
_GRID = 24


@dataclass(frozen=True)
class Effects:
    """Strengths; see the constants of this module for their units. quality: of `codec` (JPEG's
    quality or MPEG-4's quantiser)."""

    clean: bool
    defocus: float
    vignette: float
    shutter: float
    exposure: float
    noise: float
    tint: tuple[float, float, float]
    contrast: float
    saturation: float
    sharpen: float
    resize: float
    codec: str
    quality: int


def sample_effects(rng: np.random.Generator, clean_share: float = CLEAN_SHARE) -> Effects:
    """Random effects; in a `clean_share` of draws none."""

    def draw(rule: tuple[float, tuple[float, float]], without: float) -> float:
        share, (low, high) = rule
        used, value = rng.random() < share, float(rng.uniform(low, high))
        return value if used else without

    clean = bool(rng.random() < clean_share)
    tint = tuple(float(v) for v in np.clip(1 + rng.normal(0, draw(TINT, 0.0), 3), 0.8, 1.2))
    codec = str(rng.choice(CODECS, p=_CODEC_SHARES))
    quality = int(rng.integers(*(MPEG4_QUANTISER if codec == "mpeg4" else JPEG_QUALITY), endpoint=True))
    drawn = Effects(
        False, draw(DEFOCUS, 0.0), draw(VIGNETTE, 0.0), draw(SHUTTER, 0.0), draw(EXPOSURE, 1.0), draw(NOISE, 0.0),
        (tint[0], tint[1], tint[2]), draw(CONTRAST, 1.0), draw(SATURATION, 1.0), draw(SHARPEN, 0.0),
        draw(RESIZE, 1.0), codec, quality,
    )  # fmt: skip
    return Effects(True, 0, 0, 0, 1, 0, (1, 1, 1), 1, 1, 0, 1, "none", 0) if clean else drawn


def apply(
    effects: Effects, frames: Frames, masks: NDArray[np.bool_], points: Floats, fps: float, rng: np.random.Generator
) -> Frames:
    """Frames (T, S, S, 3) as a real camera would have given them.

    masks (T, S, S): the person; points (T, N, 2): places on the person in pixels, whose motion blurs the picture. The
    frames are 1 / fps seconds apart. rng: of the noise. S is even where the codec is mpeg4.
    """
    if effects.clean:
        return frames
    moved = _velocities(points) * (effects.shutter * fps)
    seen = [
        _style(effects, _expose(effects, _smear(_lens(effects, frame), mask, places, velocity), rng))
        for frame, mask, places, velocity in zip(frames, masks, points, moved, strict=True)
    ]
    return _encode(effects, np.stack(seen))


def _lens(effects: Effects, frame: Frames) -> Floats:
    import cv2

    size = len(frame)
    light = frame.astype(np.float32) / 255
    if effects.defocus * size > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), effects.defocus * size)
    if effects.vignette:
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        light = light * (1 - effects.vignette / 2 * (axis[:, None] ** 2 + axis**2))[..., None]
    return np.asarray(light, np.float32)


def _velocities(points: Floats) -> Floats:
    """Pixels per frame (T, N, 2), by central differences."""
    return np.gradient(points, axis=0) if len(points) > 1 else np.zeros_like(points)


def _smear(light: Floats, mask: NDArray[np.bool_], points: Floats, moved: Floats) -> Floats:
    """Motion blur: each pixel is averaged along the way that the nearby points of the person move in the exposure."""
    import cv2

    size = len(light)
    reach = float(np.abs(moved).max())
    if reach < 0.5:
        return light
    moved = np.clip(moved, -0.2 * size, 0.2 * size)
    axis = (np.arange(_GRID) + 0.5) * size / _GRID
    gap = ((axis[:, None] - points[:, 0]) ** 2)[None] + ((axis[:, None] - points[:, 1]) ** 2)[:, None]
    weight = np.exp(-gap / (2 * (0.04 * size) ** 2)) + 1e-12
    field = np.einsum("yxn,nc->yxc", weight / weight.sum(-1, keepdims=True), moved).astype(np.float32)
    field = np.asarray(cv2.resize(field, (size, size)), np.float32)
    # What moves smears over what is beside it, so the field reaches beyond the person.
    near = cv2.blur(mask.astype(np.float32), (int(min(reach, 0.1 * size)) | 1,) * 2)
    field *= np.clip(3 * near, 0, 1)[..., None]
    column, row = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    total = np.zeros_like(light)
    for step in np.linspace(-0.5, 0.5, _TAPS, dtype=np.float32):
        total += cv2.remap(
            light, column + step * field[..., 0], row + step * field[..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    return total / np.float32(_TAPS)


def _expose(effects: Effects, light: Floats, rng: np.random.Generator) -> Floats:
    """Exposure and sensor noise, which grows with the root of the light and is coarser than a pixel in part."""
    light = light * np.float32(effects.exposure)
    if effects.noise:
        grain = rng.standard_normal(light.shape, np.float32)
        light = light + grain * (effects.noise * np.sqrt(0.25 + 1.5 * np.clip(light, 0, 1)))
    return light


def _style(effects: Effects, light: Floats) -> Frames:
    import cv2

    light = light * np.asarray(effects.tint, np.float32)
    light = (light - 0.5) * effects.contrast + 0.5
    grey = light.mean(-1, keepdims=True)
    light = grey + (light - grey) * effects.saturation
    if effects.sharpen:
        light = light + effects.sharpen * (light - cv2.GaussianBlur(light, (0, 0), 1.0))
    return np.asarray(np.rint(np.clip(light, 0, 1) * 255), np.uint8)


def _encode(effects: Effects, frames: Frames) -> Frames:
    import cv2
    import simplejpeg

    size = frames.shape[1]
    if effects.resize < 1:
        small = max(8, round(size * effects.resize))
        shrunk = (cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA) for frame in frames)
        frames = np.stack([cv2.resize(frame, (size, size), interpolation=cv2.INTER_LINEAR) for frame in shrunk])
    if effects.codec == "jpeg":
        coded = (simplejpeg.encode_jpeg(frame, effects.quality, "RGB", "420", fastdct=False) for frame in frames)
        return np.stack([simplejpeg.decode_jpeg(content, "RGB") for content in coded])
    if effects.codec == "mpeg4":
        return _through_mpeg4(frames, effects.quality)
    return frames


def _through_mpeg4(frames: Frames, quantiser: int) -> Frames:
    """Encode as MPEG-4 part 2 and decode: macroblocks and motion vectors as in any video.

    Not H.264: x264 gives other bytes now and then for the same frames, even on one thread.
    """
    import av
    from av.codec.context import Flags

    encoder: av.VideoCodecContext = av.CodecContext.create("mpeg4", "w")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
    encoder.flags = Flags.qscale | Flags.bitexact
    encoder.global_quality = quantiser * _LAMBDA
    decoder: av.VideoCodecContext = av.CodecContext.create("mpeg4", "r")
    decoder.thread_count = 1
    coded = [
        packet
        for frame in [*(av.VideoFrame.from_ndarray(f, format="rgb24") for f in frames), None]
        for packet in encoder.encode(frame)
    ]
    decoder.extradata = encoder.extradata
    shown = [frame.to_ndarray(format="rgb24") for packet in [*coded, None] for frame in decoder.decode(packet)]
    return np.stack(shown)

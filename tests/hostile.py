"""Files that break video tools: sound ones of odd kinds, and damaged ones, the same for the same seed."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

# Container -> codec, pixel format.
_USUAL = {
    "mp4": ("libx264", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
}

NO_VIDEO = {"sound.mp4", "empty.mp4", "text.mp4", "zeros.avi"}  # of `odd`


def encode(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (96, 64),
    frames: int = 12,
    fps: int = 12,
    times: Callable[[int], int] = lambda index: index,
    **options: str,
) -> Path:
    """A moving gradient. times: time stamp of each frame in 1 / fps s."""
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        ramp = np.add.outer(np.arange(size[1]), np.arange(size[0]))
        for index in range(frames):
            picture = np.repeat(((ramp * 3 + 20 * index) % 256).astype(np.uint8)[..., None], 3, 2)
            frame = av.VideoFrame.from_ndarray(picture).reformat(format=pixels)
            frame.pts, frame.time_base = times(index), Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound(path: Path) -> Path:
    """A moment of silence, without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _rotated(path: Path) -> Path:
    """The header's display matrix (tkhd) turned by 90 degrees."""
    data = bytearray(encode(path).read_bytes())
    place = data.index(b"tkhd") + 44
    for index, value in enumerate((0, 0x10000, 0, -0x10000, 0, 0)):
        data[place + 4 * index : place + 4 * index + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


def odd(folder: Path) -> list[Path]:
    """Whole files of kinds that are rare."""
    made = [
        encode(folder / "one_frame.mp4", frames=1),
        encode(folder / "one_pixel.mkv", "ffv1", "bgr0", (1, 1)),
        encode(folder / "wide_16k.mkv", "ffv1", "yuv420p", (16384, 32), frames=3),
        encode(folder / "tall_16k.mkv", "ffv1", "yuv420p", (32, 16384), frames=3),
        encode(folder / "large_16k.mkv", "mjpeg", "yuvj420p", (16384, 1024), frames=1),
        encode(folder / "1000_fps.mp4", fps=1000, frames=200),
        encode(folder / "one_per_hour.mkv", fps=1, frames=3, times=lambda index: 3600 * index),
        encode(folder / "ten_bit.mkv", "libx264", "yuv420p10le"),
        encode(folder / "alpha.webm", "libvpx-vp9", "yuva420p"),
        encode(folder / "alpha.mkv", "ffv1", "bgra"),
        encode(folder / "odd_size.mkv", "ffv1", "yuv444p", (63, 47)),
        encode(folder / "variable.mp4", times=lambda index: index * index),
        encode(folder / "late.mp4", times=lambda index: index + 300),
        encode(folder / "negative.mkv", times=lambda index: index - 6),
        encode(folder / "fragmented.mp4", movflags="frag_keyframe+empty_moov"),
        _rotated(folder / "rotated.mp4"),
        encode(folder / "two\nlines.mp4", frames=13),
        encode(folder / "näme 名前 🎬 'quoted' $(x).mp4"),
        sound(folder / "sound.mp4"),
    ]
    for name, content in (("empty.mp4", b""), ("text.mp4", b"<html>log in</html>"), ("zeros.avi", bytes(5000))):
        (folder / name).write_bytes(content)
        made.append(folder / name)
    return made


def damaged(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """Files of the usual containers: cut off, bytes changed in header or body, a piece missing or twice."""
    generator = np.random.default_rng(seed)
    whole = {kind: encode(folder / f"whole.{kind}", *how).read_bytes() for kind, how in _USUAL.items()}
    for kind in whole:
        (folder / f"whole.{kind}").unlink()
    for index in range(count):
        kind = list(whole)[index % len(whole)]
        data = bytearray(whole[kind])
        how = ("header", "body", "cut", "missing", "twice")[index // len(whole) % 5]
        first, after = sorted(generator.integers(0, len(data), 2))
        if how in {"header", "body"}:
            end = 600 if how == "header" else len(data)
            for place in generator.integers(0, end, generator.integers(1, 40)):
                data[place] = generator.integers(256)
        elif how == "cut":
            del data[first:]
        elif how == "missing":
            del data[first:after]
        else:
            data[first:first] = data[first:after]
        path = folder / f"{index:03d}_{how}.{kind}"
        path.write_bytes(data)
        yield path

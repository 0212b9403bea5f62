"""Files that break video tools: sound ones of odd kinds, damaged ones, and films in whatever container cameras write.

The same for the same seed.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

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


# Container -> codecs, and how else its films differ, see `film`.
_FILMS = {
    "mp4": ("libx264 libx265 mpeg4 libvpx-vp9 libsvtav1 mjpeg", "turn aspect edit late vary two sound cover parts"),
    "mov": ("libx264 libx265 mjpeg prores_ks", "turn aspect edit late vary two sound fields"),
    "mkv": ("libx264 libx265 libvpx-vp9 libsvtav1 mpeg4 mpeg2video", "turn aspect late vary two sound fields"),
    "webm": ("libvpx-vp9 libsvtav1", "late vary sound"),
    "ts": ("libx264 libx265 mpeg2video", "aspect late vary two sound fields"),
    "m2ts": ("libx264 libx265", "aspect late sound"),
    "mpg": ("mpeg2video mpeg1video libx264", "aspect two sound"),
    "avi": ("libx264 mpeg4 mjpeg", "aspect sound"),
    "flv": ("libx264 flv", "late vary sound"),
    "wmv": ("wmv2 msmpeg4", "late vary"),
    "gif": ("gif", ""),
    "3gp": ("libx264 mpeg4", "turn edit late vary sound"),
}
# What the encoder or the muxer writes otherwise than it is told.
_CANNOT = {
    "mpeg1video": {"aspect"},
    "mpeg2video": {"aspect"},
    "libvpx-vp9": {"aspect"},
    "libsvtav1": {"aspect"},
    "mjpeg": {"sound"},
}
_NOT_BOTH = ({"edit", "late"}, {"edit", "parts"}, {"parts", "two"}, {"sound", "vary"})
_INTERLACED = {"libx264", "mpeg2video", "prores_ks"}
_PIXELS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "gif": "rgb8"}
_SOUNDS = {"webm": "libopus", "mpg": "mp2", "avi": "libmp3lame"}
_BITS = 9
_FPS = 24
_CUT_OUT, _LATE = 30, 300  # frames


@dataclass(frozen=True)
class Film:
    """A video whose frames tell their numbers, from `first` on. times: of those that are shown, s from the first.

    size: as shown, (width, height). A player turns it counter-clockwise by so many quarters, then mirrors it.
    """

    path: Path
    times: tuple[float, ...]
    first: int
    size: tuple[int, int]
    turns: int
    mirrored: bool

    def number(self, shown: np.ndarray) -> int:
        """What a frame tells as it is shown (H, W, 3)."""
        coded = np.rot90(shown[:, ::-1] if self.mirrored else shown, -self.turns)
        cells = np.array_split(coded[len(coded) // 6 : len(coded) // 3].mean((0, 2)), _BITS)
        return sum(1 << bit for bit, cell in enumerate(cells) if cell[len(cell) // 3 : -len(cell) // 3].mean() > 128)


def films(folder: Path, count: int, seed: int = 0, frames: int = 120) -> Iterator[Film]:
    """Films of every container with each of its codecs in turn, and some of what else may be in them."""
    generator = np.random.default_rng(seed)
    kinds = [(kind, codec) for kind, (codecs, _) in _FILMS.items() for codec in codecs.split()]
    for index in range(count):
        kind, codec = kinds[index % len(kinds)]
        barred = _CANNOT.get(codec, set()) | (set() if codec in _INTERLACED else {"fields"})
        known = [one for one in _FILMS[kind][1].split() if one not in barred]
        how = generator.choice(known, min(len(known), int(generator.integers(3))), replace=False) if known else []
        keyint = int(generator.choice([12, 48, 250]))
        if set(how) in _NOT_BOTH:
            how = how[:1]
        name = "_".join([f"{index:03d}", codec, str(keyint), *sorted(how)])
        yield film(folder / f"{name}.{kind}", codec, keyint, set(how), frames, seed + index)


def film(path: Path, codec: str, keyint: int = 12, how: Collection[str] = (), frames: int = 120, seed: int = 0) -> Film:
    """how: turn; aspect: of the pixels, 4:3; edit: an edit list cuts out the first frames; late: begins late; vary: the
    frame rate; two: another video; sound, longer than the picture; cover, before the video; parts: fragmented; fields:
    interlaced. seed: of how it is turned and varies."""
    generator = np.random.default_rng(seed)
    ticks = np.cumsum(generator.integers(1, 4, frames) if "vary" in how else np.ones(frames, int))
    first = _CUT_OUT if "edit" in how else 0
    turns, mirrored = (int(generator.integers(4)), bool(generator.integers(2))) if "turn" in how else (0, False)
    movflags = {"movflags": "frag_keyframe+empty_moov"} if "parts" in how else {}
    with av.open(str(path), "w", options=movflags) as container:
        stream = _film_stream(container, codec, keyint, "fields" in how)
        if "aspect" in how:
            stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        if turns or mirrored:
            stream.set_display_rotation(90 * turns, hflip=mirrored)
        others = _other_streams(container, path.suffix[1:], how)
        for number, tick in enumerate(ticks - ticks[first] + (_LATE if "late" in how else 0)):
            _encode(container, stream, _telling(number), int(tick))
        container.mux(stream.encode(None))
        for other in others:
            _fill(container, other, int(ticks[-1]))
    if "cover" in how:
        _cover_first(path)
    width, height = 16 * _BITS * 4 // 3 if "aspect" in how else 16 * _BITS, 48
    times = tuple(((ticks - ticks[first])[first:] / _FPS).tolist())
    return Film(path, times, first, (height, width) if turns % 2 else (width, height), turns, mirrored)


def _film_stream(container: Any, codec: str, keyint: int, fields: bool) -> Any:
    options = {
        "libx264": {"preset": "ultrafast", "bf": "2", "x264-params": "scenecut=0" + ":tff=1" * fields},
        "libx265": {"preset": "ultrafast", "x265-params": f"bframes=2:keyint={keyint}:scenecut=0:log-level=none"},
        "libsvtav1": {"preset": "12", "svtav1-params": f"keyint={keyint}"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "mpeg4": {"bf": "2", "b": "2000k"},
        "mpeg2video": {"bf": "2", "b": "2000k"},
    }.get(codec, {"b": "2000k"})
    flags = {"flags": "+ildct+ilme"} if fields else {}
    stream = container.add_stream(codec, rate=_FPS, options={**options, **flags, "g": str(keyint)})
    stream.width, stream.height, stream.pix_fmt = 16 * _BITS, 48, _PIXELS.get(codec, "yuv420p")
    stream.codec_context.gop_size = keyint
    stream.codec_context.time_base = Fraction(1, _FPS)
    return stream


def _telling(number: int) -> np.ndarray:
    """A frame that tells its number in cells, above something that moves."""
    picture = np.full((48, 16 * _BITS, 3), 128, np.uint8)
    for bit in range(_BITS):
        picture[:24, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    picture[24:, number * 3 % 120 :][:, :20] = 220
    return picture


def _encode(container: Any, stream: Any, picture: np.ndarray, tick: int) -> None:
    frame = av.VideoFrame.from_ndarray(picture).reformat(format=stream.pix_fmt)
    frame.pts, frame.time_base = tick, Fraction(1, _FPS)
    container.mux(stream.encode(frame))


def _other_streams(container: Any, kind: str, how: Collection[str]) -> list[Any]:
    added = []
    if "two" in how:
        added.append(_film_stream(container, "mpeg2video" if kind in {"ts", "mpg"} else "mpeg4", 12, False))
    if "sound" in how:
        added.append(container.add_stream(_SOUNDS.get(kind, "aac"), rate=48000))
        added[-1].codec_context.layout = "mono"
    if "cover" in how:
        added.append(container.add_stream("mjpeg", rate=1))
        added[-1].width, added[-1].height, added[-1].pix_fmt = 64, 64, "yuvj420p"
        added[-1].disposition = Disposition.attached_pic
    return added


def _fill(container: Any, stream: Any, ticks: int) -> None:
    """Half as long as the film where it is a video, three seconds longer where it is sound."""
    if stream.type == "audio":
        wave = np.zeros((1, (ticks // _FPS + 3) * 48000), np.int16)
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        context = stream.codec_context
        resampler = av.AudioResampler(format=context.format or "fltp", layout="mono", rate=48000, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
    elif stream.disposition & Disposition.attached_pic:
        _encode(container, stream, np.zeros((64, 64, 3), np.uint8), 0)
    else:
        for tick in range(ticks // 2):
            _encode(container, stream, _telling(0), tick)
    container.mux(stream.encode(None))


def _cover_first(path: Path) -> None:
    """Move an MP4's tags, its cover among them, before its tracks, as some tools write them."""
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    boxes, place = [], at + 8
    while place < end:
        after = place + int.from_bytes(data[place : place + 4], "big")
        boxes.append(data[place:after])
        place = after
    boxes.sort(key=lambda box: box[4:8] != b"udta")
    path.write_bytes(data[: at + 8] + b"".join(boxes) + data[end:])

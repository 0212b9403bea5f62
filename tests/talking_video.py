"""Small videos with sound: a click where the picture flashes."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 48000


def write_talking(
    path: Path, times_ms: list[int], click_s: float, codec: str = "aac", frames=None, keyint: int = 10
) -> Path:
    """Frames (grey, or those given) shown from times_ms on; the sound is silent but for 20 ms of noise at click_s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "g": str(keyint)})
        sound = container.add_stream(codec, rate=RATE)
        sound.codec_context.layout = "mono"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times_ms):
            flash = 255 if abs(time / 1000 - click_s) < 0.021 else 40
            picture = np.full((48, 64, 3), flash, np.uint8) if frames is None else frames[index]
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        seconds = (times_ms[-1] + 40) / 1000
        wave = np.zeros(int(seconds * RATE) // 1024 * 1024, np.int16)
        at = int(click_s * RATE)
        wave[at : at + RATE // 50] = np.random.default_rng(0).integers(-30000, 30000, len(wave[at : at + RATE // 50]))
        resampler = av.AudioResampler(
            format=sound.codec_context.format or "s16", layout="mono", rate=RATE, frame_size=1024
        )
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return path


def heard_at(path: Path) -> float:
    """Seconds from the first frame of the loudest 5 ms."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        origin = float((video.start_time or 0) * video.time_base)
        loudest, found = 0.0, 0.0
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64).reshape(len(frame.layout.channels), -1)[0])
            for start in range(0, len(wave), 240):
                loud = float(wave[start : start + 240].mean())
                if loud > loudest:
                    loudest, found = loud, float(frame.pts * frame.time_base) + start / frame.sample_rate
    return found - origin

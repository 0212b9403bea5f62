"""Small videos whose frames can be told apart."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MILLISECOND = Fraction(1, 1000)


def write_video(path: Path, times_ms: list[int], size: tuple[int, int] = (64, 48)) -> Path:
    """Frame i is grey 8 * (i % 32), its left upper quarter white; shown from times_ms[i] on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "g": "5"})
        stream.width, stream.height = size
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        for index, time in enumerate(times_ms):
            picture = np.full((size[1], size[0], 3), 8 * (index % 32), np.uint8)
            picture[: size[1] // 2, : size[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shade(frame: np.ndarray) -> int:
    """Index of a frame by its grey, modulo 32."""
    return round(float(np.median(frame)) / 8)

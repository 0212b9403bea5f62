"""Interlaced frames are drawn whole: no comb, the same frames at the same times, wherever one begins to read."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.curation.decode import PyAvDecoder, pictures_at
from pipelines.curation.ingest import probe


def moving_fields(path: Path, codec: str, fields: bool = True, start: int = 0) -> Path:
    """A bar that moves by 4 pixels from field to field, 25 frames a second, lower lines first; or from frame to frame
    only. start: time stamp of the first of the 24 frames."""
    options = {"x264-params": "tff=1", "crf": "5"} if codec == "libx264" else {"b": "20M"}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(
            codec, rate=25, options={**options, "flags": "+ildct+ilme"} if fields else {}
        )
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        for index in range(24):
            picture = np.full((64, 256, 3), 30, np.uint8)
            for field in (0, 1):
                picture[1 - field :: 2, 10 + 8 * (index % 12) + 4 * field * fields :][:, :24] = 220
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p")
            frame.pts, frame.time_base = start + index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "libx264"), ("v.ts", "mpeg2video")])
def test_fields_leave_no_comb(tmp_path: Path, name: str, codec: str) -> None:
    path = moving_fields(tmp_path / name, codec)
    frames = list(PyAvDecoder().frames(path))
    assert [round(time * 25) for time, _ in frames] == list(range(24))
    assert probe(path, 0.9)["frames"] == 24
    for index, (time, frame) in enumerate(frames[2:-2], 2):
        grey = frame.mean(-1)
        inside = grey[8:-8]
        assert np.abs(inside[1:] - inside[:-1]).max() < 60, index  # 190 from line to line of a comb
        edge = 10 + 8 * (index % 12)
        assert np.flatnonzero(inside.mean(0) > 125)[0] == pytest.approx(edge, abs=2), index
        (alone,) = pictures_at(path, [time])
        assert (alone.rgb() == frame).all()


def test_fields_among_whole_frames(tmp_path: Path) -> None:
    parts = [moving_fields(tmp_path / f"{n}.ts", "libx264", n % 2 == 1, 50 + 24 * n) for n in range(4)]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(PyAvDecoder().frames(path))
    assert [round(time * 25) for time, _ in frames] == list(range(96))
    assert np.abs(np.diff(frames[30][1].mean(-1)[8:-8], axis=0)).max() < 60
    for time, frame in frames:
        (alone,) = pictures_at(path, [time])
        assert (alone.rgb() == frame).all(), time

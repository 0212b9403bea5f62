"""What was graded for a bright display looks on a usual one as it should."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.curation.decode import PyAvDecoder


def high_range(path: Path, transfer: int, signal: tuple[int, ...]) -> Path:
    """Grey columns of these 10-bit luma values, marked BT.2020 with a transfer."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx265", rate=24, options={"x265-params": "lossless=1:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 32 * len(signal), 64, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.colorspace, context.color_primaries, context.color_range = transfer, 9, 9, 1
        for _ in range(3):
            frame = av.VideoFrame(stream.width, 64, "yuv420p10le")
            for plane, values in zip(frame.planes, (np.repeat(signal, 32), [512], [512]), strict=True):
                row = np.zeros(plane.line_size // 2, np.uint16)
                row[: plane.width] = values if len(values) > 1 else values[0]
                plane.update(np.tile(row, plane.height).tobytes())
            frame.color_trc, frame.colorspace, frame.color_primaries, frame.color_range = transfer, 9, 9, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pq(light: float) -> float:
    """The signal for cd/m2 (BT.2100)."""
    power = (light / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(light: float) -> float:
    """The signal for cd/m2 on a display of 1000 (BT.2100)."""
    seen = (light / 1000) ** (1 / 1.2)
    return float(np.sqrt(3 * seen) if seen <= 1 / 12 else 0.17883277 * np.log(12 * seen - 0.28466892) + 0.55991073)


@pytest.mark.parametrize(("transfer", "signal_of"), [(16, pq), (18, hlg)])
def test_high_dynamic_range_is_shown_as_on_a_usual_display(
    tmp_path: Path, transfer: int, signal_of: Callable[[float], float]
) -> None:
    signal = tuple(round(64 + 876 * signal_of(light)) for light in (0, 20.3, 101.5, 203, 1000))
    path = high_range(tmp_path / "v.mp4", transfer, signal)
    columns = list(PyAvDecoder().frames(path))[1][1][32, 16::32].astype(float)
    assert np.ptp(columns, axis=1).max() <= 2  # grey
    black, dark, half, paper, peak = columns.mean(1)
    assert black <= 2
    assert dark == pytest.approx(255 * 0.1 ** (1 / 2.4), abs=1.5)
    assert half == pytest.approx(255 * 0.5 ** (1 / 2.4), abs=1.5)
    assert half < paper < 250 < peak

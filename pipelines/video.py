"""The one way in which the project writes video."""

import io
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def encode_mp4(frames: Iterable[NDArray[np.uint8]], fps: float, crf: int = 16) -> bytes:
    """H.264 in MP4, the same bytes every time.

    frames: RGB uint8 (H, W, 3), H and W even. crf: quality, lower is better.
    Raises: ValueError where there is no frame.
    """
    import av

    buffer = io.BytesIO()
    # Bit-exact muxing leaves out the encoder's version; the encoder itself repeats itself on one thread only.
    with av.open(buffer, "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        # A key frame per second, so that any second can be read without the ones before it. x264's look at how blocks
        # are used later (mbtree) reads memory that nobody wrote: at some sizes equal frames then give other bytes.
        options = {"crf": str(crf), "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
        stream.options = options | {"g": str(max(1, round(fps)))}
        count = 0
        for frame in frames:
            if not count:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            count += 1
        if not count:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode(None))
    return buffer.getvalue()

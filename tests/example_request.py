"""What the served model is asked with."""

from pathlib import Path

import av
import cv2

from pipelines.synthesis.avatars import render_avatar_video


def example(folder: Path) -> dict[str, bytes]:
    """A photo of a drawn person and a video of another, as bytes; leaves its files in a folder."""
    found = {}
    for seed, name in enumerate(("reference", "driving")):
        path = folder / f"{name}.mp4"
        render_avatar_video(path, seed=seed, seconds=0.5, fps=12, size=256, framing="upper")
        found[name] = path.read_bytes()
    with av.open(folder / "reference.mp4") as container:
        first = next(container.decode(video=0)).to_ndarray(format="bgr24")
    return found | {"reference": cv2.imencode(".png", first)[1].tobytes()}

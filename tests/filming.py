"""A photo and a driver whose people are known, so that no network has to find them, and the smallest model.

Run as a program it films as `animate` does once both people are found: FOLDER, the driver's name, the output's name,
and optionally how many seconds to hold at every
painted frame; the first 20 frames show nobody. It prints by how many MB its memory grew.
"""

import resource
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from tiny_training import TINY, awake

from pipelines.curation.watch import Followed, Portrait
from pipelines.progress import Progress
from pipelines.workspace import Workspace
from training.compose import Canvas
from training.config import ModelConfig
from training.model.animator import Animator
from training.painter import Painter
from training.reel import Drive, Outputs, Reel, Wish


def painter_of(config: ModelConfig = TINY.model) -> Painter:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Painter(awake(Animator(config)).eval().requires_grad_(False))


def points(count: int) -> np.ndarray:
    """Keypoints (T, 88, 3) that wander."""
    rng = np.random.default_rng(1)
    still = rng.uniform(0.2, 0.8, (1, 88, 2))
    walk = np.cumsum(rng.normal(0, 0.01, (count, 1, 2)), 0)
    return np.concatenate([still + walk, np.ones((count, 88, 1))], -1).astype(np.float32)


def portrait() -> Portrait:
    rng = np.random.default_rng(2)
    blocks = rng.integers(80, 180, (6, 8, 3), dtype=np.uint8)
    return Portrait(cv2.resize(blocks, (128, 96), interpolation=cv2.INTER_LINEAR), np.array((32, 16)), 64, points(1)[0])


def followed(path: Path, leave_out: int = 0) -> Followed:
    """Somebody in all frames of a video but the first ones."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = np.array([float(frame.time) for frame in container.decode(stream)])
        size, base = (stream.width, stream.height), stream.time_base
    side, count = min(size) * 3 // 4, len(times) - leave_out
    moves = np.round(np.linspace((0, 0), np.array(size) - side, count)).astype(np.int64)
    end = float(times[-1]) + 0.04
    return Followed(times[leave_out:], end, Fraction(base), points(count), moves, side, end)


def film(driver: Path, out: Path, config: ModelConfig = TINY.model, wish: Wish = Wish(), leave_out: int = 0) -> int:  # noqa: B008
    outputs = Outputs(out)
    parts = Workspace(str(outputs.parts / "test"))
    reel = Reel(lambda: painter_of(config), None, outputs, parts, wish, Progress("test", quiet=True))
    return reel.film(Canvas(portrait(), wish.crop), Drive(driver, followed(driver, leave_out)))


if __name__ == "__main__":
    folder, name, result, *hold = sys.argv[1:]
    if hold:
        fill = Canvas.filled
        Canvas.filled = lambda self, window: (time.sleep(float(hold[0])), fill(self, window))[1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    film(Path(folder) / name, Path(folder) / result, leave_out=20)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

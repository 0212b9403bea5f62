"""The scenes that both sides of a comparison draw: people in motion before a plain background."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Person, Studio
from pipelines.synthesis.scenes.scene import Camera, Floats, Light, look_at

FRAMES = 8  # of one person, as far apart as in a video with 8 frames per second
_CLOSE = 3  # every third person is seen from the hips up


@dataclass(frozen=True)
class Cast:
    """A person, what they do, and a light."""

    person: Person
    pose: Pose
    light: Light
    close: bool

    def camera(self, points: Floats, size: int) -> Camera:
        """A camera before the person. points (T, 88, 3): world."""
        low, high = points.reshape(-1, 3).min(0), points.reshape(-1, 3).max(0)
        if self.close:
            low[2] = (low[2] + high[2]) / 2
        extent = 1.25 * float(max(high[0] - low[0], high[2] - low[2], 0.5))
        target = (low + high) / 2 + np.array([0, 0, 0.04 * extent], np.float32)
        eye = target + np.array([0.15, -1.6 * extent, 0.1], np.float32)
        return look_at(eye.astype(np.float32), target.astype(np.float32), 1.6, size)


def cast(studio: Studio, seed: int) -> Cast:
    rng = np.random.default_rng([77, seed])
    pose = sample_motion(rng, studio.skeleton, 1.0).at(np.arange(FRAMES) / 8, studio.skeleton)
    direction = np.array([0.3, -0.8, 0.5], np.float32)
    grey = [np.full(3, value, np.float32) for value in (0.7, 0.1, 0.4, 0.2)]
    light = Light(direction / np.linalg.norm(direction), *grey)
    return Cast(studio.dress(sample_identity(rng)), pose, light, seed % _CLOSE == _CLOSE - 1)


def casts(studio: Studio, count: int) -> Iterator[Cast]:
    for seed in range(count):
        yield cast(studio, seed)

"""The part of a picture that a mesh may touch: engines work on no more than that."""

from dataclasses import dataclass

import numpy as np

from pipelines.synthesis.scenes.scene import NEAR, Camera, Floats


@dataclass(frozen=True)
class Box:
    """Columns from left to right and rows from top to bottom, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, vertices: Floats, camera: Camera) -> "Box":
        """The pixels that a mesh may touch; all where it reaches behind the camera."""
        if float((vertices @ camera.rotation[2]).min() + camera.translation[2]) < NEAR:
            return cls(0, 0, camera.size, camera.size)
        places = camera.project(vertices)
        low = np.clip(np.floor(places.min(0)) - 1, 0, camera.size - 1).astype(int)
        high = np.clip(np.ceil(places.max(0)) + 1, low + 1, camera.size).astype(int)
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def rows_columns(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def samples(self, size: int) -> "Box":
        """Where the samples of these pixels lie, as `scene.sampling` says."""
        return Box(
            2 * self.left + self.top,
            size - self.right + 2 * self.top,
            2 * self.right + self.bottom,
            size - self.left + 2 * self.bottom,
        )

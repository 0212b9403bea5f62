"""Recorded motion: poses at a fixed rate, read from the user's own files or fitted to curated clips.

On disk it is an npz of quaternions (x, y, z, w), without pickles. It is read lazily: a library of a thousand motions
costs nothing until one is drawn.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pipelines.engine import Row
from pipelines.errors import WorkError
from pipelines.manifest import Status
from pipelines.synthesis import lot
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.scenes.scene import Floats
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Recorded:
    """Poses at times k / fps, k = 0 .. frames - 1."""

    pose: Pose
    fps: float

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (self.pose.frames - 1) / self.fps

    def at(self, times: NDArray[np.floating]) -> Pose:
        """Poses at times (T,) in seconds, held at the ends: rotations along the shortest arc, the rest linearly."""
        place = np.clip(np.asarray(times, np.float64) * self.fps, 0, self.pose.frames - 1)
        first = np.floor(place).astype(int)
        after = np.minimum(first + 1, self.pose.frames - 1)
        share = place - first
        rotations = {}
        for bone, matrices in self.pose.rotations.items():
            start, end = Rotation.from_matrix(matrices[first]), Rotation.from_matrix(matrices[after])
            arc = Rotation.from_rotvec((start.inv() * end).as_rotvec() * share[:, None])
            rotations[bone] = (start * arc).as_matrix().astype(np.float32)

        def mix(values: Floats) -> Floats:
            weight = share.reshape(-1, *[1] * (values.ndim - 1))
            return np.asarray((1 - weight) * values[first] + weight * values[after], np.float32)

        return Pose(rotations, mix(self.pose.translation), {name: mix(v) for name, v in self.pose.actions.items()})

    def save(self, path: Path) -> None:
        """Write an npz; equal motions give equal bytes."""
        bones, actions = sorted(self.pose.rotations), sorted(self.pose.actions)
        frames = self.pose.frames
        turned = [Rotation.from_matrix(self.pose.rotations[bone]).as_quat(canonical=True) for bone in bones]
        np.savez_compressed(
            path,
            fps=np.float64(self.fps),
            translation=self.pose.translation.astype(np.float32),
            bones=np.array(bones, np.str_),
            rotations=np.array(turned, np.float32).reshape(len(bones), frames, 4),
            actions=np.array(actions, np.str_),
            values=np.array([self.pose.actions[name] for name in actions], np.float32).reshape(len(actions), frames),
        )

    @classmethod
    def load(cls, path: Path) -> "Recorded":
        """Raises: WorkError where the file is missing or is not one of ours."""
        try:
            with np.load(path, allow_pickle=False) as file:
                turned = (Rotation.from_quat(quaternions).as_matrix() for quaternions in file["rotations"])
                rotations = {
                    str(bone): matrices.astype(np.float32) for bone, matrices in zip(file["bones"], turned, strict=True)
                }
                actions = {str(name): values for name, values in zip(file["actions"], file["values"], strict=True)}
                return cls(Pose(rotations, file["translation"], actions), float(file["fps"]))
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise WorkError(f"{path}: is not a readable motion; run `unimotion stage motions` again") from error


@dataclass(frozen=True)
class LibraryMotion:
    """A motion of the library. id: content hash; seconds: its length, known without reading the file."""

    id: str
    seconds: float
    path: Path

    @property
    def recorded(self) -> Recorded:
        """Read anew each time (7 us per frame), so that memory does not grow with the library."""
        return Recorded.load(self.path)


@dataclass(frozen=True)
class MotionLibrary:
    """The kept motions of the manifest `motions`, by split (train, validation, test), each in the order of ids."""

    by_split: dict[str, tuple[LibraryMotion, ...]]

    def draw(self, split: str, seconds: float, number: int) -> LibraryMotion | None:
        """A motion of the split that is long enough, by a random number (see `lot`); None where there is none."""
        place = lot.draw(self._keys[split], number, self._seconds[split] >= seconds) if split in self.by_split else None
        return None if place is None else self.by_split[split][place]

    @cached_property
    def _keys(self) -> dict[str, lot.Keys]:
        return {split: lot.keys_of(motion.id for motion in motions) for split, motions in self.by_split.items()}

    @cached_property
    def _seconds(self) -> dict[str, NDArray[np.float64]]:
        return {split: np.array([motion.seconds for motion in of]) for split, of in self.by_split.items()}

    @classmethod
    def load(cls, workspace: Workspace, rows: Iterable[Row]) -> "MotionLibrary":
        """rows: of the manifest; the files are read when a motion is used."""
        found: dict[str, list[LibraryMotion]] = {}
        for row in sorted(rows, key=lambda row: str(row["id"])):
            if row["status"] == Status.KEPT:
                motion = LibraryMotion(row["id"], row["seconds"], workspace.local(row["path"]))
                found.setdefault(row["split"], []).append(motion)
        return cls({split: tuple(motions) for split, motions in found.items()})

    def of(self, split: str) -> tuple[LibraryMotion, ...]:
        return self.by_split.get(split, ())

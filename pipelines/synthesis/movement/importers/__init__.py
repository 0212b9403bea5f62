"""Motion files that users own, read onto our skeleton: BVH, AMASS and SMPL-X parameters."""

from pathlib import Path

from pipelines.errors import DataError
from pipelines.synthesis.movement.importers.amass import read_smpl
from pipelines.synthesis.movement.importers.bvh import read_bvh
from pipelines.synthesis.movement.importers.retarget import retarget
from pipelines.synthesis.movement.recorded import Recorded
from pipelines.synthesis.movement.skeleton import Skeleton

_READERS = {".bvh": read_bvh, ".npz": read_smpl}
SUFFIXES = tuple(_READERS)
MOST_FRAMES = 20_000


def read_motion(path: Path, skeleton: Skeleton, most_fps: float) -> Recorded:
    """A file's motion at its own rate, divided so that it is at most about `most_fps`.

    Raises: DataError where the file is no usable motion.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: is no motion file that is known; use {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the path in motions.files")
    try:
        return retarget(reader(path, most_fps, MOST_FRAMES), skeleton)
    except DataError as error:
        raise DataError(str(error) if str(path) in str(error) else f"{path}: {error}") from error

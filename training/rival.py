"""The champion that a version has to beat: found in the registry, and brought to where all workers can read it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.errors import WorkError, one_line
from pipelines.manifest import digest_of
from pipelines.workspace import Workspace, file_sha256
from training import tracking
from training.export import CONFIG, WEIGHTS, check_model

_FOLDER = "evaluation/champion"


@dataclass(frozen=True)
class Rival:
    """version: its number in the registry. digest: of its network and weights; None where they cannot be loaded.
    trouble: why not."""

    version: str
    digest: str | None = None
    trouble: str | None = None

    @property
    def folder(self) -> str:
        """Of its model in the workspace."""
        return f"{_FOLDER}/{self.digest}"


@contextmanager
def brought(workspace: Workspace, version: str | None) -> Iterator[Rival | None]:
    """The version of that number, whose model is in the workspace inside; None where there is no number."""
    if version is None:
        yield None
        return
    uri = f"models:/{tracking.MODEL_NAME}/{version}"
    try:
        source = tracking.model_folder(workspace, uri)
        check_model(source)
    except WorkError as error:
        yield Rival(version, trouble=f"not compared with the champion, version {version}: {one_line(str(error))}")
        return
    names = (CONFIG, WEIGHTS)
    rival = Rival(version, digest_of([file_sha256(source / name) for name in names]))
    try:
        for name in names:
            with workspace.publish(f"{rival.folder}/{name}") as path:
                shutil.copyfile(source / name, path)
        yield rival
    finally:
        for name in names:
            workspace.remove(f"{rival.folder}/{name}")

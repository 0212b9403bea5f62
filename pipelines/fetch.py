"""Bring a remote file into the workspace, once."""

import shutil
from pathlib import Path

from pipelines.errors import DataError
from pipelines.manifest import digest_of
from pipelines.workspace import Workspace


def fetch(workspace: Workspace, url: str, folder: str) -> str | None:
    """Copy a remote URL into a folder of the workspace; None for a local path, which is read where it is.

    Raises: DataError where the URL cannot be read.
    """
    if "://" not in url:
        return None
    import fsspec

    suffix = Path(url.split("?", 1)[0]).suffix[:8]
    relative = f"{folder}/{digest_of('url', url)}{suffix}"
    if not workspace.exists(relative):
        try:
            with fsspec.open(url, "rb") as remote, workspace.publish(relative) as path, path.open("wb") as file:
                shutil.copyfileobj(remote, file, 2**20)
        except (FileNotFoundError, ValueError, ImportError) as error:
            raise DataError(f"{url}: cannot be fetched ({error}); correct the URL") from error
    return relative

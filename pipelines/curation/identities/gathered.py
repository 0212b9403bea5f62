"""What of each person is held against everybody, in one file: a new batch opens no file of an old one.

Biometric data, too: it is written anew in every run, of those who are there then.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.identities.face import Floats
from pipelines.workspace import Workspace

Gathered = tuple[Floats, Floats]


def gathered(
    workspace: Workspace, path: str, names: Sequence[str], look_up: Callable[[NDArray[np.int64]], Gathered]
) -> Gathered:
    """Faces (N, 128) and torsos (N, 256) of people with these sorted names, which say what was looked at and how.

    look_up: gives those of people, by their indices, whom the file does not have.
    """
    wanted = np.array(names, "S32")
    faces, torsos = np.empty((len(wanted), 128), np.float32), np.empty((len(wanted), 256), np.float32)
    known = np.zeros(len(wanted), np.bool_)
    if workspace.exists(path):
        with np.load(workspace.local(path), allow_pickle=False) as arrays:
            before = arrays["names"]
            _, here, there = np.intersect1d(wanted, before, assume_unique=True, return_indices=True)
            faces[here], torsos[here], known[here] = arrays["faces"][there], arrays["torsos"][there], True
        if known.all() and len(before) == len(wanted):
            return faces, torsos
    new = np.flatnonzero(~known)
    faces[new], torsos[new] = look_up(new)
    with workspace.publish(path) as file:
        np.savez(file, allow_pickle=False, names=wanted, faces=faces, torsos=torsos)
    return faces, torsos

"""What was compared, and what came of it: so that a new batch costs what is new, not all pairs again.

It only saves time: without it the same matches are found again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.workspace import Workspace

_ID = "S32"


@dataclass(frozen=True)
class Ledger:
    """ids: sorted, of items of which all pairs were compared. matches: `one` and `other` are indices of ids."""

    ids: NDArray[np.bytes_]
    matches: NDArray[np.void]

    @classmethod
    def load(cls, workspace: Workspace, path: str, key: str, dtype: np.dtype[np.void]) -> "Ledger":
        """key: digest of the code and config that compared; a ledger of others is taken for empty.
        dtype: of its matches.
        """
        if workspace.exists(path):
            with np.load(workspace.local(path), allow_pickle=False) as arrays:
                if str(arrays["key"]) == key:
                    return cls(arrays["ids"], arrays["matches"])
        return cls(np.empty(0, _ID), np.empty(0, dtype))

    def save(self, workspace: Workspace, path: str, key: str) -> None:
        with workspace.publish(path) as file:
            np.savez(file, key=np.array(key), ids=self.ids, matches=self.matches)

    def moved_to(self, ids: Sequence[str]) -> tuple["Ledger", NDArray[np.bool_]]:
        """The same for another set of items (sorted ids), and which of those have not been compared."""
        wanted = np.array(ids, _ID)
        place = np.searchsorted(wanted, self.ids)
        there = np.flatnonzero(place < len(wanted))
        there = there[wanted[place[there]] == self.ids[there]]
        fresh = np.ones(len(wanted), np.bool_)
        fresh[place[there]] = False
        new = np.full(len(self.ids), -1)
        new[there] = place[there]
        matches = self.matches.copy()
        for side in ("one", "other"):
            matches[side] = new[matches[side]]
        return Ledger(wanted, matches[(matches["one"] >= 0) & (matches["other"] >= 0)]), fresh

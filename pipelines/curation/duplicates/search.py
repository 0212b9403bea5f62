"""Which clips look alike at all: an exact search over one small vector per clip, in blocks.

A million vectors of 44 bytes are 44 MB, and holding one against all of them is one row of a matrix product: an index
that approximates would need more memory, and lose some of the copies that crops have changed most.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.duplicates.signature import Floats, mirror

_QUERIES, _AGAINST = 256, 1 << 15  # rows and columns of a block: 64 MB with the mirrored queries
_SCALE = 127.0


def packed(appearance: Floats) -> NDArray[np.int8]:
    """A vector of length 1 in a byte per coefficient."""
    return np.round(appearance * _SCALE).astype(np.int8)


def similar_pairs(
    appearances: NDArray[np.int8], videos: NDArray[np.int64], fresh: NDArray[np.bool_], least: float
) -> Iterator[NDArray[np.int64]]:
    """Pairs (N, 3) of clips from different videos whose appearances have a cosine of at least `least`.

    appearances: (clips, COEFFICIENTS), see `packed`. videos: number of each clip's video. fresh: clips that have not
    been compared; each pair with one of them comes once. The third column says whether the first one is mirrored.
    """
    wanted = np.flatnonzero(fresh)
    for first in range(0, len(wanted), _QUERIES):
        rows = wanted[first : first + _QUERIES]
        queries = _unpacked(appearances[rows])
        queries = np.concatenate([queries, mirror(queries)])
        for start in range(0, len(appearances), _AGAINST):
            alike = queries @ _unpacked(appearances[start : start + _AGAINST]).T >= least
            query, column = np.nonzero(alike)
            one, other = rows[query % len(rows)], column + start
            once = (videos[one] != videos[other]) & (~fresh[other] | (one < other))
            found = np.stack([one, other, query // len(rows)], axis=1)[once]
            if len(found):
                yield found


def _unpacked(appearances: NDArray[np.int8]) -> Floats:
    values = appearances.astype(np.float32)
    unpacked: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return unpacked

"""Which people may be the same, held against each other in blocks of matrix products: memory grows with the people,
not with their pairs.

A product only finds candidates, a little too many; each is then judged by itself, so that it does not matter what else
was in its block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.identities.face import Floats

_QUERIES, _AGAINST = 256, 1 << 15  # rows and columns of a block: 32 MB
_SLACK = 1e-4  # of a product of float32
Flags = NDArray[np.bool_]
Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class People:
    """faces: (N, 128), NaN where none was seen. torsos: (N, 256) of unit length, zeros where it was not seen.
    fresh: those who have not been compared."""

    faces: Floats
    torsos: Floats
    fresh: Flags

    @property
    def faced(self) -> Flags:
        known: Flags = np.isfinite(self.faces[:, 0])
        return known


def alike_faces(people: People, farthest: float) -> Iterator[tuple[Pairs, NDArray[np.float64]]]:
    """Pairs (K, 2) with somebody fresh whose faces are no farther apart than `farthest`, and their distances (K,)."""
    faces = np.nan_to_num(people.faces)
    # |a - b|^2 = |a|^2 + |b|^2 - 2ab as one product.
    half = (faces**2).sum(1, keepdims=True) / 2
    ones = np.ones_like(half)
    queries, keys = np.hstack([faces, -half, -ones]), np.hstack([faces, ones, half])
    least = -(farthest**2) / 2
    for pairs in _products(queries, keys, people.fresh & people.faced, people.faced, least):
        apart = np.linalg.norm(faces[pairs[:, 0]].astype(np.float64) - faces[pairs[:, 1]], axis=1)
        near = apart <= farthest
        yield pairs[near], apart[near]


def alike_clothes(people: People, least: float) -> Iterator[Pairs]:
    """Pairs (K, 2) with somebody fresh and somebody without a face whose torsos have about a cosine of `least`."""
    torsos, faced, fresh = people.torsos, people.faced, people.fresh
    everybody = np.ones(len(torsos), np.bool_)
    yield from _products(torsos, torsos, fresh & ~faced, everybody, least)
    yield from _products(torsos, torsos, fresh & faced, ~fresh & ~faced, least)


def _products(queries: Floats, keys: Floats, asked: Flags, against: Flags, least: float) -> Iterator[Pairs]:
    """Pairs of an `asked` row and one of `against` with a product of about `least` or more, each once, lower first."""
    rows, columns = np.flatnonzero(asked), np.flatnonzero(against)
    for first in range(0, len(rows), _QUERIES):
        some = rows[first : first + _QUERIES]
        for start in range(0, len(columns), _AGAINST):
            others = columns[start : start + _AGAINST]
            query, column = np.nonzero(queries[some] @ keys[others].T >= least - _SLACK)
            one, other = some[query], others[column]
            once = np.where(asked[other], one < other, True)
            yield np.sort(np.stack([one, other], axis=1)[once], axis=1)

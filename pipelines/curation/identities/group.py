"""Who is who, from pairs that look alike; and which videos have to stay together.

All of it depends on the pairs alone, not on their order.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

# gap: of faces their distance; of bodies what their torsos lack to a cosine of 1.
MATCH = np.dtype([("one", "i8"), ("other", "i8"), ("by_face", "?"), ("gap", "f8")])
MOST_IN_DOUBT = 30  # videos of a group that was joined in doubt
Labels = NDArray[np.int64]


def people_of(count: int, matches: NDArray[np.void], faced: NDArray[np.bool_]) -> Labels:
    """For each of `count` tracks the lowest index among those of the same person.

    matches: of dtype MATCH. faced: tracks with a face. The nearest pair of faces is joined first. Two people known by
    several tracks become one where at least half of the pairs across are alike: a chain of chance likenesses does not
    get far. Bodies then join tracks without a face to each other and to one person with a face, never two such.
    """
    ordered = np.sort(matches, order=["gap", "one", "other"])
    people = _People(count, faced)
    across: dict[int, dict[int, int]] = defaultdict(dict)
    by_face = [(int(one), int(other)) for one, other, is_face, _ in ordered if is_face]
    for one, other in by_face:
        across[one][other] = across[other][one] = 1
    for pair in by_face:
        one, other = (people.find(track) for track in pair)
        if one != other and 2 * across[one][other] >= people.size[one] * people.size[other]:
            kept, gone = people.join(one, other)
            _merge(across, kept, gone)
    for track, another, is_face, _ in ordered:
        one, other = people.find(int(track)), people.find(int(another))
        if not is_face and one != other and not (people.has_face[one] and people.has_face[other]):
            people.join(one, other)
    roots = np.array([people.find(track) for track in range(count)], np.int64)
    lowest = np.full(count, count, np.int64)
    np.minimum.at(lowest, roots, np.arange(count))
    return lowest[roots]


class _People:
    """Disjoint sets of tracks, each known by one of them."""

    def __init__(self, count: int, faced: NDArray[np.bool_]) -> None:
        self._parent = list(range(count))
        self.size = [1] * count
        self.has_face = faced.tolist()

    def find(self, track: int) -> int:
        while self._parent[track] != track:
            self._parent[track] = self._parent[self._parent[track]]
            track = self._parent[track]
        return track

    def join(self, one: int, other: int) -> tuple[int, int]:
        """Returns the set that stays and the one that is gone."""
        kept, gone = (one, other) if self.size[one] >= self.size[other] else (other, one)
        self._parent[gone] = kept
        self.size[kept] += self.size[gone]
        self.has_face[kept] |= self.has_face[gone]
        return kept, gone


def _merge(across: dict[int, dict[int, int]], kept: int, gone: int) -> None:
    """The pairs across to others of two sets that became one."""
    for third, count in across.pop(gone).items():
        del across[third][gone]
        if third != kept:
            across[kept][third] = across[third][kept] = across[kept].get(third, 0) + count


def groups_of(videos: int, shown: NDArray[np.int64], copies: NDArray[np.int64]) -> Labels:
    """For each of `videos` the lowest index among those that may not be separated: it shows a person of another, or is
    a copy of it, or both hang on a third.

    shown: (K, 2) of video and person. copies: (K, 2) of videos.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    people = int(shown[:, 1].max(initial=-1)) + 1
    links = np.concatenate([shown + np.array([0, videos]), copies])
    size = videos + people
    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(size, size))
    _, parts = connected_components(graph.tocsr(), directed=False)
    _, first, place = np.unique(parts[:videos], return_index=True, return_inverse=True)
    lowest: Labels = first[place]
    return lowest


def doubts_of(person: Labels, perhaps: Labels, matches: NDArray[np.void]) -> NDArray[np.int64]:
    """Pairs (K, 2) of tracks that may show one person, though that is not sure; the nearest first.

    person, perhaps: of each track, by `people_of` from the sure matches alone, and from all. matches: all.
    """
    one, other = matches["one"], matches["other"]
    doubtful = matches[(perhaps[one] == perhaps[other]) & (person[one] != person[other])]
    ordered = np.sort(doubtful, order=["gap", "one", "other"])
    pairs: NDArray[np.int64] = np.stack([ordered["one"], ordered["other"]], axis=1)
    return pairs


def joined_in_doubt(group: Labels, doubts: NDArray[np.int64]) -> Labels:
    """Groups of videos (see `groups_of`) with those joined that a doubt ties, each called after its first video.

    doubts: (K, 2) of videos, the nearest first. None makes a group of more than `MOST_IN_DOUBT` videos: among many
    people everybody is somewhat like somebody, and all doubts together would tie the whole corpus.
    """
    size = np.bincount(group, minlength=len(group)).tolist()
    called = list(range(len(group)))

    def find(name: int) -> int:
        while called[name] != name:
            called[name] = called[called[name]]
            name = called[name]
        return name

    for pair in doubts.tolist():
        low, high = sorted(find(int(group[video])) for video in pair)
        if low != high and size[low] + size[high] <= MOST_IN_DOUBT:
            called[high] = low
            size[low] += size[high]
    return np.array([find(name) for name in group.tolist()], np.int64)

"""How much of who somebody is leaks into motion tokens: what the nearest other token shares with each.

Tokens that carry motion alone are nearest to the same pose of somebody else; tokens that carry
identity, to another pose of the same person.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Shares of the tokens whose nearest neighbour is of a kind, and what a blind choice would have."""

    # The same person in another pose: what should not be.
    person: float
    person_chance: float
    # Another person in the same pose: what should be.
    pose: float
    pose_chance: float
    # Tokens that have others to choose from.
    tokens: int


def leakage(
    tokens: NDArray[np.float32],
    people: NDArray[np.generic],
    frames: NDArray[np.generic],
    groups: NDArray[np.generic],
    within_group: bool = True,
) -> Leakage:
    """tokens: (N, D), near where their cosine is large. people, frames, groups: (N,) ids of each.

    Equal frames of one group are the same pose. within_group: neighbours are looked for in a
    token's own group alone, where every person is in every pose; else among all.
    Raises: ValueError where no token has another to choose from.
    """
    lengths = np.linalg.norm(tokens, axis=1, keepdims=True)
    directions = tokens / np.maximum(lengths, np.finfo(np.float32).tiny)
    hits, chances = [], []
    for number in range(len(tokens)):
        candidates = np.arange(len(tokens)) != number
        if within_group:
            candidates &= groups == groups[number]
        if not candidates.any():
            continue
        same_person = people == people[number]
        same_pose = (frames == frames[number]) & (groups == groups[number])
        kinds = np.stack([same_person & ~same_pose, same_pose & ~same_person])
        nearness = np.where(candidates, directions @ directions[number], -np.inf)
        hits.append(kinds[:, nearness.argmax()])
        chances.append(kinds[:, candidates].mean(1))
    if not hits:
        raise ValueError("no token has another to choose from; give two of a group at least")
    (person, pose), (person_chance, pose_chance) = np.mean(hits, axis=0), np.mean(chances, axis=0)
    return Leakage(
        person=float(person),
        person_chance=float(person_chance),
        pose=float(pose),
        pose_chance=float(pose_chance),
        tokens=len(hits),
    )

"""Who is who: the people seen in a frame are assigned to the people known so far, all at once.

The cost of a pair grows with how far the pose is from where it is expected, and with how different they look. What was
not seen for a while may be farther from where it is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipelines.curation.appearance import Look, difference
from pipelines.curation.networks.pose import Pose
from pipelines.curation.tracking import TORSO, Box, Points, extent, overlap, same_person

# How far from the expected place a pose may be, in torsos, and how much farther per second unseen.
_REACH, _REACH_PER_S = 0.7, 2.5
_MOST_DIFFERENT = 0.4  # of looks: frames of one person differ by less (95 % within 0.3), others mostly by more


@dataclass(frozen=True)
class Sighting:
    """A person found in a frame. pose: (33, 3). box: around its visible points. found: what the network said."""

    pose: Points
    box: Box
    look: Look
    found: Pose


@dataclass(frozen=True)
class Expected:
    """A person known from earlier frames. pose: (33, 3), where it is expected now. unseen_s: since they were seen."""

    pose: Points
    look: Look
    unseen_s: float


def cost(expected: Expected, seen: Sighting, aspect: float) -> float:
    """From 0 (surely the same person) to 1; infinite where they cannot be. aspect: frame width / height."""
    reach = _REACH + _REACH_PER_S * expected.unseen_s
    far = distance(expected.pose, seen.pose, aspect) / reach
    unlike = difference(expected.look, seen.look) / _MOST_DIFFERENT
    return (far + unlike) / 2 if max(far, unlike) < 1 else float("inf")


def assign(expected: Sequence[Expected], seen: Sequence[Sighting], aspect: float) -> dict[int, int]:
    """Index expected -> index seen, at the least total cost, as many as can be the same. No person is given to two."""
    costs = np.array([[cost(e, s, aspect) for s in seen] for e in expected]).reshape(len(expected), len(seen))
    # A pair is worth more than none, however dear it is.
    rows, columns = linear_sum_assignment(np.where(np.isfinite(costs), 2 - costs, 0), maximize=True)
    pairs = [(int(e), int(s)) for e, s in zip(rows, columns, strict=True) if np.isfinite(costs[e, s])]
    found: dict[int, int] = {}
    for e, s in sorted(pairs, key=lambda pair: (costs[pair], pair)):
        # One person may have been seen twice, in two places that were looked at.
        if not any(coincide(seen[s], seen[other], aspect) for other in found.values()):
            found[e] = s
    return found


def coincide(a: Sighting, b: Sighting, aspect: float) -> bool:
    """Whether two sightings in one frame are of one person."""
    return same_person(a.pose, b.pose, aspect) or overlap(a.box, b.box)[0] > 0.7


def distance(a: Points, b: Points, aspect: float) -> float:
    """Mean distance of the nose, shoulders and hips of two poses (33, 3), in sizes of the larger one's torso."""
    apart = np.linalg.norm((a[TORSO, :2] - b[TORSO, :2]) * [aspect, 1.0], axis=1).mean()
    return float(apart) / max(extent(a, aspect), extent(b, aspect), 1e-6)

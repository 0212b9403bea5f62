"""Who is who in a frame."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.appearance import Look
from pipelines.curation.assignment import Expected, Sighting, assign, coincide, cost, distance
from pipelines.curation.networks.pose import Pose
from pipelines.curation.tracking import Points, box_of_pose

ASPECT = 1.5
STEP = 1 / 16


def standing(x: float) -> Points:
    pose = np.full((33, 3), 0.9, np.float32)
    pose[:, 0] = x + np.linspace(-0.05, 0.05, 33)
    pose[:, 1] = np.linspace(0.2, 0.9, 33)
    return pose


def wearing(colour: int) -> Look:
    colours = np.zeros((3, 3, 8), np.float32)
    colours[..., colour] = 1
    return Look(colours, np.ones(3, np.float32))


def seen(x: float, colour: int = 0) -> Sighting:
    box = box_of_pose(standing(x), ASPECT)
    assert box is not None
    return Sighting(standing(x), box, wearing(colour), Pose(standing(x), 1.0))


def expected(x: float, colour: int = 0, unseen_s: float = STEP) -> Expected:
    return Expected(standing(x), wearing(colour), unseen_s)


def test_the_nearest_of_those_who_look_alike() -> None:
    assert assign([expected(0.3), expected(0.6)], [seen(0.58), seen(0.32)], ASPECT) == {0: 1, 1: 0}


def test_all_at_once_not_each_the_nearest_to_them() -> None:
    """The first is nearer to what only the second can be."""
    assert assign([expected(0.5), expected(0.62)], [seen(0.54), seen(0.42)], ASPECT) == {0: 1, 1: 0}


def test_clothes_outweigh_places() -> None:
    assert assign([expected(0.45, 1), expected(0.55, 5)], [seen(0.45, 5), seen(0.55, 1)], ASPECT) == {0: 1, 1: 0}


def test_a_stranger_and_somebody_far_away_are_nobody_known() -> None:
    assert assign([expected(0.3, 1)], [seen(0.3, 6), seen(0.7, 1)], ASPECT) == {}
    assert assign([], [seen(0.3)], ASPECT) == assign([expected(0.3)], [], ASPECT) == {}


def test_who_was_hidden_may_be_farther_away() -> None:
    assert cost(expected(0.3), seen(0.6), ASPECT) == float("inf")
    assert cost(expected(0.3, unseen_s=1.0), seen(0.6), ASPECT) < 1


def test_one_person_seen_twice_is_not_two() -> None:
    found = assign([expected(0.5), expected(0.54)], [seen(0.5), seen(0.502)], ASPECT)
    assert len(found) == 1
    assert coincide(seen(0.5), seen(0.502), ASPECT)
    assert not coincide(seen(0.5), seen(0.7), ASPECT)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=4, unique=True),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2)), min_size=1, max_size=5, unique_by=lambda p: p[0]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_sightings_does_not_matter(
    places: list[float], people: list[tuple[float, int]], shuffled: object
) -> None:
    known = [expected(x, unseen_s=0.5) for x in places]
    one = [seen(x, colour) for x, colour in people]
    order = list(range(len(one)))
    shuffled.shuffle(order)  # type: ignore[attr-defined]
    first, second = assign(known, one, ASPECT), assign(known, [one[i] for i in order], ASPECT)
    total = [
        sum(cost(known[e], group[s], ASPECT) for e, s in found.items())
        for found, group in ((first, one), (second, [one[i] for i in order]))
    ]
    # Of two assignments that cost the same either will do.
    assert abs(total[0] - total[1]) < 1e-5 or {e: order[s] for e, s in second.items()} == first


def test_distance_is_in_torsos() -> None:
    torso = float(np.ptp(standing(0)[[0, 11, 12, 23, 24], 1]))
    np.testing.assert_allclose(distance(standing(0.2), standing(0.4), ASPECT), 0.2 * ASPECT / torso, rtol=1e-4)

"""A draw holds when another candidate leaves, and every candidate is as likely."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.synthesis import lot

NUMBERS = st.integers(0, 2**63 - 1)


@given(st.sets(st.text(min_size=1), min_size=2, max_size=20), NUMBERS, st.data())
def test_only_the_draws_of_the_one_that_leaves_change(names: set[str], number: int, data: st.DataObject) -> None:
    ordered = sorted(names)
    place = lot.draw(lot.keys_of(ordered), number)
    assert place is not None
    others = data.draw(st.sets(st.sampled_from(ordered)))
    subset = sorted(others | {ordered[place]})
    again = lot.draw(lot.keys_of(subset), number)
    assert again is not None
    assert subset[again] == ordered[place]


def test_all_are_as_likely_and_what_is_not_allowed_is_not_drawn() -> None:
    keys, rng = lot.keys_of(map(str, range(10))), np.random.default_rng(0)
    numbers = [int(number) for number in rng.integers(2**63, size=5000)]
    counts = np.bincount([lot.draw(keys, number) or 0 for number in numbers], minlength=10)
    assert 420 < counts.min() <= counts.max() < 580
    allowed = np.arange(10) % 2 == 1
    assert {lot.draw(keys, number, allowed) for number in numbers[:100]} == {1, 3, 5, 7, 9}
    assert lot.draw(keys, 1, np.zeros(10, np.bool_)) is None
    assert lot.draw(lot.keys_of([]), 1) is None

"""Labels stay with what they are about when footage is joined and retimed."""

from itertools import pairwise

import numpy as np

from tests.labelled.footage import ABSENT, HARDLY, KEPT, OUT, UNCLEAR, Cut, joined
from tests.unit.labelled.still_footage import footage


def test_parts_are_cut_where_they_meet_and_their_people_are_others() -> None:
    whole = joined([footage(1.0), footage(0.5, grey=200), footage(0.7)])
    assert whole.cuts == (Cut(1.0), Cut(1.5))
    assert len(whole.frames) == 22
    assert whole.right.shape == (22, 3)
    for person, (first, after) in enumerate(pairwise([0, 10, 15, 22])):
        inside = whole.right[:, person] == KEPT
        assert inside[first:after].all()
        assert inside.sum() == after - first
        assert (whole.there[~inside, person] == OUT).all()
        assert (whole.right[~inside, person] == ABSENT).all()
    assert (np.diff(whole.source) > 0).all()


def test_a_dissolve_mixes_and_is_unclear() -> None:
    first, second = footage(1.0, grey=0), footage(1.0, grey=200)
    whole = joined([first, second], soft=0.4)
    assert len(whole.frames) == 16
    assert whole.cuts == (Cut(0.8, 0.4),)
    inside = slice(6, 10)
    assert set(whole.right[inside].ravel()) <= {UNCLEAR, ABSENT}
    assert whole.there[inside].max() == HARDLY
    assert (whole.right[:6, 0] == KEPT).all()
    assert (whole.right[10:, 1] == KEPT).all()
    means = whole.frames.mean((1, 2, 3))
    assert (np.diff(means[5:11]) > 10).all()
    assert means[5] == first.frames[5].mean()
    assert means[10] == second.frames[4].mean()


def test_a_fade_goes_through_black() -> None:
    whole = joined([footage(1.0), footage(1.0)], soft=0.4, through_black=True)
    assert len(whole.frames) == 20
    assert whole.cuts == (Cut(1.0, 0.4),)
    means = whole.frames.mean((1, 2, 3))
    assert means[9:11].max() < 60 < means[7]
    assert set(whole.right[8:12].ravel()) == {UNCLEAR, ABSENT}


def test_retiming_moves_cuts_and_labels() -> None:
    whole = joined([footage(1.0), footage(1.0)])
    doubled = whole[np.repeat(np.arange(20), 2)]
    assert doubled.cuts == (Cut(2.0),)
    assert (doubled.right[:20, 0] == KEPT).all()
    later = whole[np.arange(4, 20)]
    assert later.cuts == (Cut(0.6),)
    assert later.source[0] == np.float32(0.4)
    assert whole[np.arange(12, 20)].cuts == ()


def test_a_reason_is_given_to_those_who_have_none() -> None:
    judged = footage(1.0).judged("dark", 0.3, 0.6).judged("blurred", 0.5, 0.8)
    assert judged.right[:, 0].tolist() == [KEPT] * 3 + ["dark"] * 3 + ["blurred"] * 2 + [KEPT] * 2

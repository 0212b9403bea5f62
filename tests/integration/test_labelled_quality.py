"""The decisions of curation on rendered videos whose truth is known (docs/curation-quality.md)."""

from pathlib import Path

import pytest

from tests.labelled.run import Quality, measure, numbers

# The goals that docs/curation-quality.md holds the measured against.
GOALS = {
    "cuts_f1": 0.98,
    "soft_cuts_f1": 0.98,
    "people_exact": 0.95,
    "pck": 0.9,
    "rejected_f1": 0.95,
    "copies_recall": 0.98,
    "copies_precision": 0.99,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Quality:
    return measure(tmp_path_factory.mktemp("labelled"), small=True)


def test_two_people_a_cut_and_a_blurred_one_are_told_apart(small: Quality) -> None:
    tally = small.whole
    assert (tally.cuts.right, tally.cuts.false, tally.cuts.missed) == (1, 0, 0)
    assert {pair for pair, looks in tally.decisions.items() if looks > 2} == {(None, None), ("blurred", "blurred")}
    found = numbers(tally)
    assert found["people_exact"] is not None
    assert found["people_exact"] >= 0.9
    assert found["pck"] is not None
    assert found["pck"] >= 0.9
    assert found["swapped_hands"] is not None
    assert found["swapped_hands"] <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_decision_reaches_its_goal(tmp_path: Path) -> None:
    quality = measure(tmp_path, small=False, workers=2)
    found = {name: value for name, value in numbers(quality.whole).items() if value is not None}
    found |= {"copies_recall": quality.copies.recall, "copies_precision": quality.copies.precision}
    missed = {name: found[name] for name, goal in GOALS.items() if found[name] < goal}
    assert not missed
    assert found["swapped_hands"] <= 0.01

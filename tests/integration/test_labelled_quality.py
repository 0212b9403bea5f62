"""The decisions of curation on rendered videos whose truth is known (docs/curation-quality.md)."""

from pathlib import Path

import pytest

from tests.labelled.run import Quality, measure, numbers


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
def test_every_decision_is_as_good_as_published(tmp_path: Path) -> None:
    quality = measure(tmp_path, small=False, workers=2)
    print(numbers(quality.whole), quality.copies)

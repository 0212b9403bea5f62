"""People are too near where they hide each other or fill each other's square, and alone where they are far apart."""

import numpy as np
import pytest

from tests.labelled.footage import KEPT, UNCLEAR
from tests.labelled.nearness import several_people


@pytest.mark.parametrize(("shift", "expected"), [(300, KEPT), (120, UNCLEAR), (55, "several_people")])
def test_by_their_distance(shift: float, expected: str) -> None:
    boxes = np.array([[[0, 0, 50, 200], [shift, 0, shift + 50, 200]]], np.float32)
    assert set(several_people(boxes, np.zeros((1, 2, 2), np.float32)).ravel()) == {expected}


def test_who_hides_somebody_is_as_unfit_as_who_is_hidden() -> None:
    boxes = np.array([[[0, 0, 50, 200], [500, 0, 550, 200], [900, 0, 950, 200]]], np.float32)
    hidden = np.zeros((1, 3, 3), np.float32)
    hidden[0, 0, 1] = 0.3
    assert several_people(boxes, hidden)[0].tolist() == ["several_people", "several_people", KEPT]

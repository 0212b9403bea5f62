"""What is right follows from what there is, and survives the file."""

from pathlib import Path

import numpy as np

from tests.labelled.footage import HARDLY, KEPT, UNCLEAR, joined
from tests.labelled.labels import Labels
from tests.unit.labelled.still_footage import empty, footage


def right(of: Labels, person: int = 0) -> list[str]:
    return [str(code) for code in of.right[:, person] if code]


def test_what_is_too_short_and_what_is_nearly_so() -> None:
    assert right(Labels.of(footage(0.8), "a", "f", "a")) == ["too_short"] * 8
    assert right(Labels.of(footage(1.1), "a", "f", "a")) == [UNCLEAR] * 11
    assert right(Labels.of(footage(1.2), "a", "f", "a")) == [KEPT] * 12
    shots = Labels.of(joined([footage(0.5), footage(1.5)]), "a", "f", "a")
    assert right(shots, 0) == ["too_short"] * 5
    assert right(shots, 1) == [KEPT] * 15


def test_near_a_change_either_is_right() -> None:
    changed = Labels.of(footage(4.0).judged("dark", 2.0), "a", "f", "a")
    assert right(changed) == [KEPT] * 18 + [UNCLEAR] * 4 + ["dark"] * 18
    rest = Labels.of(footage(3.0).judged("dark", 0.6), "a", "f", "a")
    assert right(rest)[:4] == ["too_short"] * 4


def test_people_are_counted_where_that_is_clear() -> None:
    shots = joined([footage(1.0), empty(0.5)])
    shots.there[3] = HARDLY
    count = Labels.of(shots, "a", "f", "a").count
    assert count.tolist() == [1, 1, 1, -1, *[1] * 6, *[0] * 5]


def test_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = Labels.of(joined([footage(1.3), footage(1.4)], soft=0.4), "name", "factor", "family")
    made.save(tmp_path / "labels.npz")
    read = Labels.load(tmp_path / "labels.npz")
    for name in made.__dataclass_fields__:
        ours, theirs = getattr(made, name), getattr(read, name)
        assert np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs, name

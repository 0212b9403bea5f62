import numpy as np
import pytest

from pipelines.evaluation.statistics import clustered_interval, paired_differences


def rows(values: dict[str, float | None], shift: float = 0.0) -> list[dict[str, object]]:
    """values: "group-pair" -> value. Groups of odd numbers show faces."""
    made = []
    for sample, value in values.items():
        group = sample.split("-")[0]
        framing = "face" if int(group) % 2 else "full"
        measured = None if value is None else value + shift
        made.append({"sample": sample, "group": group, "framing": framing, "m": measured})
    return made


def noisy(groups: int, shift: float = 0.0) -> list[dict[str, object]]:
    random = np.random.default_rng(3)
    values = {f"{group}-{pair}": random.normal(shift) for group in range(groups) for pair in range(3)}
    return rows(values)


def test_pairs_are_differences_on_the_same_samples() -> None:
    ours = rows({"0-a": 5, "1-a": 3, "1-b": None, "2-a": 7})
    theirs = rows({"1-a": 1, "0-a": 1, "1-b": 1, "9-z": 100})
    overall, *framings = paired_differences(ours, theirs, ["m"])
    assert (overall.mean, overall.samples, overall.groups) == (3, 2, 2)
    assert {one.framing: (one.mean, one.low) for one in framings} == {
        "full": (4, None),
        "face": (2, None),
    }
    assert framings[0].sign == 0


def test_equal_methods_are_apart_by_nothing() -> None:
    overall = paired_differences(noisy(8), noisy(8), ["m"])[0]
    assert (overall.mean, overall.low, overall.high, overall.sign) == (0, 0, 0, 0)


def test_a_constant_gain_is_sure_and_has_a_sign() -> None:
    theirs = noisy(8)
    ours = [{**row, "m": row["m"] - 0.1} for row in theirs]  # type: ignore[operator]
    assert paired_differences(ours, theirs, ["m"])[0].sign == -1
    assert paired_differences(theirs, ours, ["m"])[0].sign == 1


def test_the_order_of_rows_does_not_matter() -> None:
    ours, theirs = noisy(9, 0.3), rows({f"{group}-{pair}": 0 for group in range(9) for pair in range(3)})
    assert paired_differences(ours, theirs, ["m"]) == paired_differences(ours[::-1], theirs[::-1], ["m"])


def test_what_was_measured_nowhere_is_left_out() -> None:
    assert paired_differences(rows({"0-a": None}), rows({"0-a": 1}), ["m"]) == []


def test_pairs_of_a_group_are_no_independent_samples() -> None:
    alike = [[value] * 10 for value in np.random.default_rng(0).normal(size=8)]
    alone = [[value] for group in alike for value in group]
    low, high = clustered_interval(alike)
    narrow_low, narrow_high = clustered_interval(alone)
    assert high - low > 2 * (narrow_high - narrow_low)


@pytest.mark.parametrize("groups", [6, 18])
def test_the_interval_holds_the_truth_as_often_as_it_says(groups: int) -> None:
    random = np.random.default_rng(groups)
    inside = 0
    for seed in range(200):
        middles = random.normal(0, 1, groups)
        low, high = clustered_interval([middle + random.normal(0, 0.5, 3) for middle in middles], seed)
        inside += low <= 0 <= high
    assert inside >= 0.9 * 200

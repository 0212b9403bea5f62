"""Results become a flat object and a table; suites that did not run keep theirs; processes answer and fail in words."""

import json
from pathlib import Path

import pytest

from infra.bench.__main__ import SUITES, main
from infra.bench.results import Result, merge, table
from infra.bench.workers import Worker


def test_results_of_other_suites_stay(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    merge(path, [Result("shards.speed", 2.0, "ratio", "a copy", "higher", 1.0)], ["shards"])
    merge(path, [Result("synthesis.old", 1.0, "ratio", "x", "lower")], ["synthesis"])
    merge(path, [Result("synthesis.memory", 1.2, "ratio", "the start", "lower", 1.05)], ["synthesis"])
    assert json.loads(path.read_text("utf-8")) == {
        "shards.speed": {"value": 2.0, "unit": "ratio", "against": "a copy", "better": "higher", "goal": 1.0},
        "synthesis.memory": {"value": 1.2, "unit": "ratio", "against": "the start", "better": "lower", "goal": 1.05},
    }


def test_names_must_be_of_the_suite_and_unique(tmp_path: Path) -> None:
    result = Result("shards.speed", 2.0, "ratio", "a copy", "higher")
    with pytest.raises(ValueError, match=r"shards\.speed"):
        merge(tmp_path / "bench.json", [result], ["synthesis"])
    with pytest.raises(ValueError, match="twice"):
        merge(tmp_path / "bench.json", [result, result], ["shards"])


@pytest.mark.parametrize(
    ("better", "value", "met"), [("higher", 3.0, True), ("higher", 2.9, False), ("lower", 3.1, False)]
)
def test_goals_are_met_from_the_right_side(better: str, value: float, met: bool) -> None:
    result = Result("synthesis.x", value, "ratio", "y", better, 3.0)  # type: ignore[arg-type]
    assert result.met is met
    assert ("MISSED" in table([result])) is not met


def test_an_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("speed", *SUITES))


def test_processes_answer_in_turn_and_tell_what_went_wrong() -> None:
    with Worker(_make) as worker:
        assert worker.ask(2) == 8
        worker.start(3)
        assert worker.wait() == 12
        with pytest.raises(RuntimeError, match="ValueError: not 5"):
            worker.ask(5)
        assert worker.ask(1) == 4


def _make():  # type: ignore[no-untyped-def]
    def times_four(number: int) -> int:
        if number == 5:
            raise ValueError("not 5")
        return 4 * number

    return times_four

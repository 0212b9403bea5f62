import pyarrow as pa
import pytest

from pipelines.manifest import build, digest_of, schema_of
from pipelines.report.funnel import code_of, seconds_of, step_of


def rows(*outcomes: tuple[str, str | None, int]) -> list[dict[str, object]]:
    made = []
    for status, reason, count in outcomes:
        for i in range(count):
            common = {"id": digest_of(status, reason, i), "parent_id": None, "status": status, "reason": reason}
            made.append(common | {"start_s": 1.0, "end_s": 3.5})
    return made


SCHEMA = schema_of(start_s=pa.float64(), end_s=pa.float64())


def test_every_row_is_in_one_part() -> None:
    found = rows(("kept", None, 6), ("rejected", "too_dark: mean 12", 1), ("rejected", "blurred: 3", 3))
    found += rows(("quarantined", "RuntimeError: boom", 2))
    step = step_of("clips", "clips", build(found, SCHEMA))
    assert (step.total, step.kept, step.rejected, step.quarantined) == (12, 6, 4, 2)
    assert [(part.status, part.label, part.count) for part in step.parts] == [
        ("kept", "kept", 6),
        ("rejected", "blurred", 3),
        ("rejected", "too dark", 1),
        ("quarantined", "quarantined", 2),
    ]
    assert sum(part.share for part in step.parts) == pytest.approx(100, abs=0.01)
    for before, after in zip(step.parts, step.parts[1:], strict=False):
        assert after.start == pytest.approx(before.start + before.share, abs=0.01)
    assert step.footage == 15.0


def test_an_empty_stage_has_no_parts() -> None:
    step = step_of("clips", "clips", build([], SCHEMA))
    assert (step.total, step.parts, step.footage) == (0, (), None)


def test_reasons_are_told_by_their_kind() -> None:
    assert code_of("too_small: 84 px tall") == "too small"
    assert code_of(None) == "no reason given"
    assert len(code_of("x" * 500)) == 80


def test_lengths_come_from_what_the_row_has() -> None:
    assert seconds_of({"duration": 4.0}) == 4.0
    assert seconds_of({"duration": None, "start_s": 1.0, "end_s": 1.5}) == 0.5
    assert seconds_of({"frames": 4}) is None

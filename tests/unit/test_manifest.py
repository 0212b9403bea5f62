"""A manifest's digest depends on its content and on nothing else."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import manifest as manifests
from pipelines.errors import WorkError
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.workspace import Workspace

SCHEMA = schema_of(score=pa.float64(), name=pa.string())
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=8),
            "status": st.sampled_from(list(Status)),
            "score": st.none() | st.floats(allow_nan=False),
            "name": st.none() | st.text(max_size=20),
        }
    ),
    unique_by=lambda row: row["id"],
    max_size=12,
)


@given(ROWS, st.randoms())
def test_digest_ignores_the_order_of_rows(rows: list[dict[str, Any]], random: Any) -> None:
    made = manifests.build(rows, SCHEMA)
    random.shuffle(rows)
    assert manifests.build(rows, SCHEMA).digest == made.digest


@given(ROWS.filter(bool))
def test_digest_sees_any_change(rows: list[dict[str, Any]]) -> None:
    before = manifests.build(rows, SCHEMA).digest
    rows[0]["name"] = (rows[0]["name"] or "") + "!"
    assert manifests.build(rows, SCHEMA).digest != before
    assert len(before) <= 36  # what MLflow takes


@given(ROWS)
def test_counts_add_up(rows: list[dict[str, Any]]) -> None:
    counts = manifests.build(rows, SCHEMA).counts
    assert counts.total == len(rows) == counts.kept + counts.rejected + counts.quarantined


def test_write_and_read_back(workspace: Workspace) -> None:
    rows = [{"id": "b", "status": Status.KEPT, "score": 0.5, "name": "ü\n<"}, {"id": "a", "status": Status.REJECTED}]
    written = manifests.write(workspace, "stage/batch", manifests.build(rows, SCHEMA), "finger", retry=2)
    found = manifests.read(workspace, "stage/batch")
    assert (found.digest, found.fingerprint, found.retry) == (written.digest, "finger", 2)
    assert [row["id"] for row in found.rows(status=None)] == ["a", "b"]
    assert [row["name"] for row in found.rows()] == ["ü\n<"]
    assert manifests.batches_of(workspace, "stage") == ["batch"]


def test_the_file_is_the_same_bytes_each_time(workspace: Workspace) -> None:
    made = manifests.build([{"id": "a", "status": Status.KEPT}], SCHEMA)
    contents = []
    for folder in ("one", "two"):
        manifests.write(workspace, folder, made, "finger", retry=0)
        contents.append(workspace.local(manifests.manifest_path(folder)).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_damaged_manifest_is_named(workspace: Workspace, content: bytes) -> None:
    with workspace.publish(manifests.manifest_path("stage")) as path:
        path.write_bytes(content)
    with pytest.raises(WorkError, match=r"stage\.parquet: is not a manifest; delete it"):
        manifests.read(workspace, "stage")


def test_foreign_parquet_is_refused(workspace: Workspace) -> None:
    with workspace.publish(manifests.manifest_path("stage")) as path:
        pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(WorkError, match="is not a manifest"):
        manifests.read(workspace, "stage")


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"id": "a", "status": "kept"}, {"id": "a", "status": "kept"}], "occurs twice"),
        ([{"id": "a", "status": "lost"}], "lost"),
        ([{"id": "a", "status": "kept", "colour": 1}], "colour"),
    ],
)
def test_wrong_rows_are_bugs(rows: list[dict[str, Any]], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        manifests.build(rows, SCHEMA)


def test_join_takes_a_row_of_several_batches_once_and_prefers_it_kept() -> None:
    one = manifests.build([{"id": "a", "status": "rejected"}, {"id": "b", "status": "kept"}], SCHEMA)
    two = manifests.build([{"id": "a", "status": "kept"}], SCHEMA)
    joined = manifests.join([one, two])
    assert joined.counts.kept == 2
    assert joined.digest == manifests.join([two, one]).digest


def test_digest_of_does_not_see_key_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 2, "b": 1})

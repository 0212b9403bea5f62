"""What becomes of a row that a stage works on with rows of several inputs, where one of them did not keep its own.

Inputs need not be of one making: one may have failed on an item, or been brought up to date without the others. Such a
row comes out with the verdict of the input that did not keep it, so that nothing disappears and nothing is taken for
kept.
"""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.manifest import Manifest, Row, Status


def agree(inputs: Mapping[str, Manifest], lead: str, others: tuple[tuple[str, str], ...]) -> tuple[pa.Table, list[Row]]:
    """Kept rows of `lead` whose rows in all other inputs are kept too, and one row for each of the rest.

    others: (input, column): its row is the one whose id stands in that column, `id` or `video_id` of the row of `lead`,
    or `parent_id` of the row found before. A column that is null names no row, and nothing is asked of that input.
    A row of the rest has the id of the one that it stands for, and the status and reason of the first input that did
    not keep it; it is quarantined where that input knows nothing of it.
    """
    table = inputs[lead].table
    table = table.filter(pc.equal(table["status"], Status.KEPT)).combine_chunks()
    names = {column: table[column] for column in ("id", "video_id") if column in table.column_names}
    agreed = pa.array([True] * len(table), pa.bool_())
    carried: dict[str, Row] = {}
    for name, column in others:
        other = inputs[name].table.combine_chunks()
        wanted = names[column]
        place = pc.index_in(wanted, value_set=other["id"])
        names["parent_id"] = other["parent_id"].take(place)
        status, reason = other["status"].take(place), other["reason"].take(place)
        kept = pc.fill_null(pc.equal(status, Status.KEPT), False)
        fine = pc.or_(pc.is_null(wanted), kept)
        for row in _verdicts(name, table, status, reason, pc.invert(fine)):
            carried.setdefault(row["id"], row)
        agreed = pc.and_(agreed, fine)
    return table.filter(agreed), list(carried.values())


def _verdicts(
    name: str, table: pa.Table, status: pa.ChunkedArray, reason: pa.ChunkedArray, lost: pa.ChunkedArray
) -> Iterator[Row]:
    unknown = f"missing_input: {name} has no row of it; bring the stages before this one up to date"
    about = {"id": table["id"], "status": status, "reason": reason}
    if "video_id" in table.column_names:
        about["video_id"] = table["video_id"]
    for row in pa.table(about).filter(lost).to_pylist():
        verdict = {} if row["status"] else {"status": Status.QUARANTINED, "reason": unknown}
        yield {**row, "parent_id": row["id"], **verdict}

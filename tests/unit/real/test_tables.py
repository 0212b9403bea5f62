"""The table has rendered figures beside real ones, and says what missed its goal; the bench takes folders."""

from pathlib import Path

import pytest

from infra.bench.__main__ import main
from tests.real.labels import Material
from tests.real.run import Report, figures, tables
from tests.real.tables import ROWS, markdown, rendered_figures, side_by_side

DOCUMENT = """
| decision | goal | measured | met |
| --- | --- | --- | --- |
| body, PCK@0.1 | ≥ .90 of visible points | .948 | yes |
| hands on the other arm | ≤ .01 of looks | .020 | **no** |

| right | seconds | precision | recall | what was decided instead (s) |
| --- | --- | --- | --- | --- |
| kept | 139.8 | .975 | .996 | not_found 0.6 |

| decision | goal | rendered | real | met |
| --- | --- | --- | --- | --- |
| body, PCK@0.1 | ≥ .90 | .948 | .100 | **no** |
"""


def test_rendered_figures_are_read_from_their_tables_alone() -> None:
    assert rendered_figures(DOCUMENT) == {"body, PCK@0.1": ".948", "hands on the other arm": ".020", "kept": ".996"}


def test_a_gap_is_seen() -> None:
    found = dict.fromkeys(ROWS) | {"body": 0.7, "swapped": 0.005, "kept": 1.0}
    text = markdown(
        "2 photos.", side_by_side(found, rendered_figures(DOCUMENT)), [("a.jpg", "1 of 2 people not found")]
    )
    assert "| body, PCK@0.1 | ≥ .900 | .948 | .700 | **no** |" in text
    assert "| hands on the other arm | ≤ .010 | .020 | .005 | yes |" in text
    assert "| kept what is to be kept | ≥ .950 | .996 | 1.000 | yes |" in text
    assert "| photos: people found | ≥ .950 | – | – | – |" in text
    assert "| a.jpg | 1 of 2 people not found |" in text


def test_nothing_to_count_is_no_figure() -> None:
    empty = Report(Material((), (), ()), (), (), 0.0)
    assert figures(empty) == dict.fromkeys(ROWS)
    assert "0 photos and frames with 0 people to find" in tables(empty)


def test_the_document_has_a_place_for_the_table() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "curation-quality.md").read_text("utf-8")
    assert text.index("<!-- real tables: begin -->") < text.index("<!-- real tables: end -->")


def test_the_bench_refuses_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["real", str(tmp_path / "photos")]) == 2
    assert "photos is no folder" in capsys.readouterr().err

"""Suite `real`: how well curation decides on real people who were labelled, and how fast (docs/curation-quality.md).

    python -m infra.bench real [FOLDER...]

Without a folder the labels of the repository are taken, and no table is written (python -m tests.real.run does).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.bench.results import Result
from tests.real.run import figures, measure
from tests.real.tables import ROWS


def run(folders: Sequence[Path] = ()) -> Iterator[Result]:
    report = measure(folders)
    found = figures(report)
    clips, photos = len(report.judged), len(report.photos)
    for key, row in ROWS.items():
        if (value := found[key]) is not None:
            against = f"{row.name}; {clips if row.of_clips else photos} {'clips' if row.of_clips else 'photos'}"
            name = "video_seconds_per_core_second" if key == "speed" else key
            yield Result(f"real.{name}", value, "", against, row.better, row.goal)

"""Write the page that people open in the morning: data, training, model and what went wrong, in one HTML file.

It needs curated videos alone: what has not been made yet is not in it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.manifest import Row, Status, digest_of, schema_of
from pipelines.stage import Context, Stage

PAGE = "report/index.html"


@dataclass(frozen=True)
class ReportConfig:
    """The most of each kind that the page shows; it says how many more there are.

    clips, rejected_clips (of each reason), copies: on the first page. per_page, pages: of the pages that have them all.
    """

    clips: int = 48
    rejected_clips: int = 12
    copies: int = 12
    per_page: int = 200
    pages: int = 100
    pair_groups: int = 6
    test_pairs: int = 8
    listed: int = 200


def _run(context: Context) -> list[Row]:
    from pipelines.report.assemble import assemble
    from pipelines.report.page import render

    made_at = datetime.now(UTC).strftime("%-d %B %Y, %H:%M UTC")
    page = assemble(context.workspace, context.inputs, context.config, made_at)
    with context.workspace.publish(PAGE) as path:
        path.write_text(render(page), "utf-8")
    context.progress.say(str(context.workspace.local(PAGE)))
    digests = {name: found.digest for name, found in context.inputs.items()}
    return [{"id": digest_of("report", digests), "parent_id": None, "status": Status.KEPT, "path": PAGE}]


STAGE = Stage(
    name="report",
    config=ReportConfig,
    schema=schema_of(path=pa.string()),
    run=_run,
    needs=(
        "videos",
        "people",
        "clips",
        "duplicates",
        "coverage",
        "identities",
        "split",
    ),
    uses=("pairs", "shards", "train", "model", "evaluation"),
    version=2,
)

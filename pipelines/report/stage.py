"""Write the page that people open in the morning: data, training, model and what went wrong, in one HTML file.

It needs curated videos alone: what has not been made yet is not in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.batches import not_current
from pipelines.manifest import Manifest, Row, Status, digest_of, manifest_path, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

PAGE = "report/index.html"
NEEDS = ("videos", "people", "clips", "duplicates", "coverage", "identities", "split")
USES = ("pairs", "shards", "train", "model", "evaluation")


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


def report_stage(registry: Callable[[Workspace], str | None]) -> Stage:
    """The stage, which no more than any other of the pipelines knows the registry.

    registry: gives the number of the version that is the champion, None where there is none. It is asked when the page
    is made, and a page that names another, or other batches as not current, is made again.
    """

    def champion(workspace: Workspace) -> str | None:
        return registry(workspace) if workspace.exists(manifest_path("model")) else None

    def run(context: Context) -> list[Row]:
        return _run(context, champion(context.workspace))

    def outdated(workspace: Workspace, found: Manifest) -> bool:
        now = {"champion": champion(workspace), "not_current": not_current(workspace)}
        return any(row.get(name) != value for row in found.rows() for name, value in now.items())

    schema = schema_of(path=pa.string(), champion=pa.string(), not_current=pa.list_(pa.string()))
    return Stage("report", ReportConfig, schema, run, needs=NEEDS, uses=USES, version=5, outdated=outdated)


def _run(context: Context, champion: str | None) -> list[Row]:
    from pipelines.report.assemble import assemble
    from pipelines.report.page import render

    made_at = datetime.now(UTC).strftime("%-d %B %Y, %H:%M UTC")
    page = assemble(context.workspace, context.inputs, context.config, made_at, champion)
    with context.workspace.publish(PAGE) as path:
        path.write_text(render(page), "utf-8")
    context.progress.say(str(context.workspace.local(PAGE)))
    name = digest_of("report", {name: found.digest for name, found in context.inputs.items()})
    told = {"champion": champion, "not_current": page.not_current}
    return [{"id": name, "parent_id": None, "status": Status.KEPT, "path": PAGE, **told}]

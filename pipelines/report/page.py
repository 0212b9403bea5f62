"""The report as one HTML file: what it holds, and the template that writes it. Nothing is loaded from a network."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.report.charts import Bars, duration, number
from pipelines.report.coverage import Coverage
from pipelines.report.funnel import Step
from pipelines.report.gallery import ClipCard, Sheet
from pipelines.report.pairs import ChartGroup, PairCard
from pipelines.report.results import Evaluation, Training
from pipelines.report.view import Casualty, SourceLine, SplitLine, StageLine

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Fact:
    """One of the numbers at the top."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Verdict:
    """kind: passed or failed."""

    kind: str
    text: str


@dataclass(frozen=True)
class Page:
    """Everything on the page. verdict: None where nothing was judged. *_hidden: how many of a kind are left out.
    most_listed: how long a list may be."""

    title: str
    subtitle: str
    workspace: str
    made_at: str
    verdict: Verdict | None
    facts: tuple[Fact, ...]
    funnel: tuple[Step, ...]
    sources: list[SourceLine]
    splits: list[SplitLine]
    largest_group: int
    clips_in_doubt: int
    kept_clips: Sheet
    rejected_clips: tuple[Sheet, ...]
    copies: Sheet
    score_charts: tuple[Bars, ...]
    coverage: Coverage
    pairs: tuple[PairCard, ...]
    pairs_hidden: int
    pair_charts: tuple[ChartGroup, ...]
    training: Training
    evaluation: Evaluation
    stages: list[StageLine]
    model: list[tuple[str, str]]
    # Batches that are not curated as they are listed now.
    not_current: list[str]
    quarantined: list[Casualty]
    rejected: list[Casualty]
    rejected_reasons: list[tuple[str, str, int]]
    most_listed: int


def render(page: Page) -> str:
    """The page as HTML; every text in it is escaped."""
    return _environment().get_template("report.html.jinja").render(page=page)


def render_sheet(title: str, cards: tuple[ClipCard, ...], names: list[str], place: int, count: int, hidden: int) -> str:
    """One page of a long sheet as HTML. names: of the files of all its pages; place: which of them this is.
    count: cards on all pages together. hidden: those that no page shows."""
    about = {"title": title, "cards": cards, "names": names, "place": place, "count": count, "hidden": hidden}
    return _environment().get_template("sheet.html.jinja").render(about)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration)
    return environment

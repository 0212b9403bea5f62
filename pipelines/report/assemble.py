"""Put the page together from the manifests and artefacts of a workspace."""

from collections.abc import Mapping

from pipelines import manifest as manifests
from pipelines.batches import not_current
from pipelines.manifest import Manifest, Status, schema_of
from pipelines.report import browse, gallery, quality, results, view
from pipelines.report import pairs as pair_gallery
from pipelines.report.browse import Limits
from pipelines.report.charts import duration, number
from pipelines.report.coverage import coverage
from pipelines.report.funnel import funnel
from pipelines.report.page import Fact, Page, Verdict
from pipelines.report.stage import USES, ReportConfig
from pipelines.stage import BATCH_STAGES, folder_of, seconds_of
from pipelines.workspace import Workspace

_NOTHING = manifests.build([], schema_of())


def assemble(
    workspace: Workspace, made: Mapping[str, Manifest], config: ReportConfig, made_at: str, champion: str | None
) -> Page:
    """made: stage -> manifest, in the order of the stages. made_at: the time, in words. champion: number of the version
    that the registry has as champion at that time, None where it has none."""
    inputs = {**made, **{stage: _NOTHING for stage in USES if stage not in made}}
    kept, rejected = view.clips_and_rejected(inputs)
    clips = {row["id"]: row for row in inputs["clips"].rows()}
    copied = inputs["duplicates"].rows(Status.REJECTED)
    copies = {row["id"]: row for row in copied if row["id"] in clips and row["copy_of"] in clips}
    browse.forget_pages(workspace)
    names = view.video_names(inputs)
    groups = inputs["pairs"].rows()
    pairs = pair_gallery.pair_groups(workspace, config.pair_groups) if "shards" in made else ()
    trained = results.training(workspace, inputs["train"])
    judged = results.evaluation(workspace, inputs["evaluation"], config.test_pairs)
    model = results.registered(workspace, inputs["model"], champion)
    lost = view.casualties(inputs, Status.REJECTED)
    sources, splits, steps = view.source_lines(inputs), view.split_lines(inputs), funnel(inputs)
    videos = sum(line.videos for line in splits)
    name = results.version(workspace, judged) if model else "no registered model"
    amounts = f"{_plural(len(kept), 'clip')} of {_plural(videos, 'video')}"
    if groups:
        amounts += f" and {_plural(len(groups), 'rendered pair group')}"
    headline = results.headline(judged)
    return Page(
        title=headline or amounts,
        subtitle=f"{name} · {amounts}" if headline else f"Not judged: {name}",
        workspace=workspace.url,
        made_at=made_at,
        verdict=_verdict(judged, champion),
        facts=(*_data_facts(inputs, splits), *_model_facts(trained, judged)),
        funnel=steps,
        sources=sources,
        splits=splits,
        largest_group=view.largest_group(inputs),
        clips_in_doubt=view.clips_in_doubt(inputs),
        kept_clips=browse.sheet_of(
            workspace,
            "Kept",
            kept,
            lambda row: gallery.kept_clip(workspace, row, names[row["video_id"]]),
            Limits(config.clips, config.per_page, config.pages),
        ),
        rejected_clips=tuple(
            browse.sheet_of(
                workspace,
                reason,
                rows,
                lambda row: gallery.rejected_clip(workspace, row, names[row["video_id"]]),
                Limits(config.rejected_clips, config.per_page, config.pages),
            )
            for reason, rows in browse.by_reason([row for row in rejected if row["id"] not in copies])
        ),
        copies=browse.sheet_of(
            workspace,
            "Copies",
            list(copies.values()),
            lambda row: gallery.copy_beside(workspace, clips[row["id"]], clips[row["copy_of"]], row, names),
            Limits(config.copies, config.per_page, config.pages),
        ),
        score_charts=quality.score_charts(workspace, inputs),
        coverage=coverage(inputs),
        pairs=pairs,
        pairs_hidden=len(groups) - len(pairs),
        pair_charts=pair_gallery.distributions(groups),
        training=trained,
        evaluation=judged,
        stages=[_stage_line(workspace, stage, manifest) for stage, manifest in made.items()],
        model=model,
        not_current=not_current(workspace),
        quarantined=view.casualties(inputs, Status.QUARANTINED),
        rejected=lost,
        rejected_reasons=view.reasons(lost),
        most_listed=config.listed,
    )


def _plural(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _stage_line(workspace: Workspace, stage: str, manifest: Manifest) -> view.StageLine:
    batches = manifests.batches_of(workspace, stage) if stage in BATCH_STAGES else [None]
    seconds = seconds_of(workspace, [folder_of(stage, batch) for batch in batches])
    return view.stage_line(stage, manifest, len(batches), seconds)


def _verdict(judged: results.Evaluation, champion: str | None) -> Verdict | None:
    """Passing the gate makes nobody the champion: variants never are, and people move the alias by hand."""
    if judged.passed is None:
        return None
    if champion is None:
        holder = "there is no champion"
    elif champion == judged.version:
        holder = "this version is the champion"
    else:
        holder = f"the champion is version {champion}"
    return Verdict("passed", f"Gate passed; {holder}") if judged.passed else Verdict("failed", f"Gate closed; {holder}")


def _data_facts(inputs: Mapping[str, Manifest], splits: list[view.SplitLine]) -> list[Fact]:
    videos = inputs["videos"].counts
    held_out = sum(line.pair_groups for line in splits if line.name != "train")
    seconds = sum(line.clip_seconds for line in splits)
    return [
        Fact("Videos", number(videos.kept), f"of {number(videos.total)} listed"),
        Fact("Clips", number(sum(line.clips for line in splits)), f"{duration(seconds)} of people"),
        Fact("Pair groups", number(inputs["pairs"].counts.kept), f"{number(held_out)} held out"),
    ]


def _model_facts(trained: results.Training, judged: results.Evaluation) -> list[Fact]:
    facts = []
    for metric in judged.metrics:
        if metric.guarded:
            own, *others = metric.means
            told = (f"{name}: {number(mean)}" for name, mean in zip(judged.methods[1:], others, strict=True))
            facts.append(Fact(metric.figure.name, f"{number(own)} {metric.figure.unit}".strip(), "; ".join(told)))
    if trained.steps:
        facts.append(Fact("Training", duration(trained.seconds), f"{number(trained.steps)} steps"))
    return facts

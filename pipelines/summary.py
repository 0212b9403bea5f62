"""What a workspace holds, in numbers: read back from the manifests on disk, never remembered."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pipelines import manifest as manifests
from pipelines.evaluation.gate import GUARDS
from pipelines.manifest import Manifest, Status, digest_of
from pipelines.stage import Result, Stage, folder_of, seconds_of
from pipelines.workspace import Workspace

SUMMARY = "summary.json"


def stage_summary(workspace: Workspace, stage: Stage) -> dict[str, Any] | None:
    """Counts, seconds (None where they are not known) and digest of a stage over all its batches; None where it never
    ran."""
    folders = (
        [folder_of(stage.name, b) for b in manifests.batches_of(workspace, stage.name)]
        if stage.per_batch
        else [stage.name]
    )
    folders = [folder for folder in folders if workspace.exists(manifests.manifest_path(folder))]
    if not folders:
        return None
    made = [manifests.read(workspace, folder) for folder in folders]
    seconds = seconds_of(workspace, folders)
    counts = [m.counts for m in made]
    return {
        "in": sum(c.total for c in counts),
        "kept": sum(c.kept for c in counts),
        "rejected": sum(c.rejected for c in counts),
        "quarantined": sum(c.quarantined for c in counts),
        "seconds": None if seconds is None else round(seconds, 2),
        "digest": made[0].digest if len(made) == 1 else digest_of([m.digest for m in made]),
    }


def summarize(workspace: Workspace, stages: Sequence[Stage]) -> dict[str, Any]:
    """What every stage that ran came to, by its name."""
    found = ((stage.name, stage_summary(workspace, stage)) for stage in stages)
    return {name: summary for name, summary in found if summary is not None}


def describe(workspace: Workspace, summary: dict[str, Any]) -> str:
    """The end of `unimotion run`, for people."""
    lines = ["", f"{'stage':<12}{'in':>7}{'kept':>7}{'rejected':>10}{'quarantined':>13}{'seconds':>10}  digest"]
    for name, stage in summary["stages"].items():
        seconds = "–" if stage["seconds"] is None else f"{stage['seconds']:.1f}"
        lines.append(
            f"{name:<12}{stage['in']:>7}{stage['kept']:>7}{stage['rejected']:>10}{stage['quarantined']:>13}"
            f"{seconds:>10}  {stage['digest'][:12]}"
        )
    if training := summary.get("training"):
        chosen = f"{training['preset']} {training['variant']}".rstrip()
        losses = f"loss {training['loss_first']:.3f} -> {training['loss_last']:.3f}"
        speed = f"{training['ms_per_step']:.0f} ms per step"
        lines += ["", f"training    {training['steps']} steps ({chosen}), {losses}, {speed}"]
    if model := summary.get("model"):
        lines.append(f"model       {model['uri']}" + "".join(f", {alias}" for alias in model["aliases"]))
        champion = f"models:/{model['name']}/{model['champion']}" if model["champion"] else "none"
        lines.append(f"champion    {champion}")
    if evaluation := summary.get("evaluation"):
        for method, means in evaluation["metrics"].items():
            values = "  ".join(f"{one.metric} {means[one.metric]:.3f}" for one in GUARDS if one.metric in means)
            lines.append(f"{method:<12}{values}" if len(method) < 12 else f"{method}  {values}")
        if trouble := evaluation["champion_trouble"]:
            lines.append(f"champion    {trouble}")
        reasons = "; ".join(evaluation["reasons"])
        lines.append(f"gate        {evaluation['gate']}" + (f": {reasons}" if reasons else ""))
    usual = workspace == Workspace("workspace")
    home = "" if usual else f" WORKSPACE={shlex.quote(workspace.url)}"
    where = "" if usual else f" --workspace {shlex.quote(workspace.url)}"
    lines += [
        "",
        f"report      {workspace.local_root / 'report' / 'index.html'}",
        f"pages       make dev{home}    (Dagster http://127.0.0.1:3000, MLflow http://127.0.0.1:5000)",
        f"animate     .venv/bin/unimotion animate{where} --reference PHOTO --driving CLIP --out MP4",
    ]
    return "\n".join(lines)


_USERS_OWN = ("motions", "pairs")  # stages that read files of the user's beside the videos, without a parent


def complaints(workspace: Workspace, batches: Iterable[str | None], stages: Iterable[str] = _USERS_OWN) -> list[str]:
    """One sentence for each source that gave nothing: quarantined anywhere, or a video without people.

    stages: those that have been run; what their own files came to is told, too.
    """
    sentences: list[str] = []
    for stage in sorted({*stages} & {*_USERS_OWN}):
        made = _read(workspace, stage)
        lost = [row for row in made.rows(Status.QUARANTINED) if row["parent_id"] is None] if made else []
        sentences += [str(row["reason"]) for row in lost]
    for batch in batches:
        for stage in ("sources", "videos", "people", "clips"):
            made = _read(workspace, folder_of(stage, batch))
            sentences += [str(row["reason"]) for row in made.rows(Status.QUARANTINED)] if made else []
        videos, people = (_read(workspace, folder_of(stage, batch)) for stage in ("videos", "people"))
        if videos and people:
            sentences += _without_people(videos, people)
    return sentences


def _without_people(videos: Manifest, people: Manifest) -> list[str]:
    found: dict[str, set[str]] = {}
    for row in people.rows(status=None):
        found.setdefault(row["video_id"], set()).add(str(row["reason"]).split(":")[0] if row["reason"] else "")
    return [
        f"{video['url']}: no person was found in it; remove it, or use a video that shows one person larger"
        for video in videos.rows()
        if found.get(video["id"]) == {"no_person"}
    ]


def _read(workspace: Workspace, folder: str) -> Manifest | None:
    return manifests.read(workspace, folder) if workspace.exists(manifests.manifest_path(folder)) else None


def result_line(result: Result) -> str:
    """One line about a finished stage."""
    counts = result.counts
    name = f"{result.stage} [{result.batch}]" if result.batch else result.stage
    state = f"{result.seconds:6.1f} s" if result.recomputed and result.seconds is not None else "up to date"
    parts = [f"{counts.kept} kept"]
    parts += [f"{counts.rejected} rejected"] if counts.rejected else []
    parts += [f"{counts.quarantined} quarantined"] if counts.quarantined else []
    return f"{name:<22} {state:>10}  {', '.join(parts)} of {counts.total}  {result.digest[:12]}"


def result_json(result: Result) -> dict[str, Any]:
    return {**asdict(result.counts), **{k: v for k, v in asdict(result).items() if k != "counts"}}


def publish(workspace: Workspace, summary: dict[str, Any]) -> None:
    with workspace.publish(SUMMARY) as path:
        path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")

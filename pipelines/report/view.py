"""What the report shows, gathered from the manifests; no pictures are made and no HTML is written here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipelines.manifest import Manifest, Row, Status
from pipelines.report.funnel import code_of, seconds_of

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class StageLine:
    """One stage: how its rows fared, the seconds that it took when it was last done (None where that is not known), the
    digest of its manifest."""

    name: str
    batches: int
    total: int
    kept: int
    rejected: int
    quarantined: int
    seconds: float | None
    digest: str


@dataclass(frozen=True)
class Casualty:
    """A row that was not kept. item: what people know it by."""

    stage: str
    status: str
    item: str
    reason: str


@dataclass(frozen=True)
class SourceLine:
    """What came from one source under one licence."""

    source: str
    licence: str
    videos: int
    clips: int
    video_seconds: float
    clip_seconds: float


@dataclass(frozen=True)
class SplitLine:
    """people: as `identities` tells them apart."""

    name: str
    videos: int
    people: int
    clips: int
    clip_seconds: float
    pair_groups: int


def stage_line(name: str, manifest: Manifest, batches: int, seconds: float | None) -> StageLine:
    counts = manifest.counts
    return StageLine(
        name, batches, counts.total, counts.kept, counts.rejected, counts.quarantined, seconds, manifest.digest
    )


def video_names(inputs: Mapping[str, Manifest]) -> dict[str, str]:
    """Id of each video, kept or not -> what people know it by; of one that `videos` no longer has, its id in short."""
    known = {row["id"]: _file_name(row) for row in inputs["videos"].rows(status=None)}
    used = inputs["clips"].table["video_id"].drop_null().unique().to_pylist()
    return {video: video[:12] for video in used} | known


def casualties(inputs: Mapping[str, Manifest], status: Status) -> list[Casualty]:
    """Every row with a status, in the order of the stages; a row is called after the video that it came from."""
    names = video_names(inputs)
    rows = (row for manifest in inputs.values() for row in manifest.rows(status=None))
    # A stage that only judges a row keeps its id: that is no step towards the video.
    parents = {row["id"]: row["parent_id"] for row in rows if row["parent_id"] != row["id"]}
    found = []
    for stage, manifest in inputs.items():
        for row in manifest.rows(status):
            ancestor = row["id"]
            while ancestor is not None and ancestor not in names:
                ancestor = parents.get(ancestor)
            item = row["id"][:12] if ancestor is None else names[ancestor]
            found.append(
                Casualty(
                    stage,
                    str(status),
                    ", ".join(filter(None, (item, span_of(row)))),
                    row["reason"] or "no reason given",
                )
            )
    return found


def clips_and_rejected(inputs: Mapping[str, Manifest]) -> tuple[list[Row], list[Row]]:
    """Rows of `clips`: those that are used, and those that are not, copies of others among them, with the reason.

    The reason is that of the first stage that did not keep it.
    """
    dropped = {
        row["id"]: row
        for stage in ("split", "identities", "coverage", "duplicates")
        for status in (Status.REJECTED, Status.QUARANTINED)
        for row in inputs[stage].rows(status)
    }
    kept, rejected = inputs["clips"].rows(), inputs["clips"].rows(Status.REJECTED)
    rejected += [{**row, "reason": dropped[row["id"]]["reason"]} for row in kept if row["id"] in dropped]
    return [row for row in kept if row["id"] not in dropped], rejected


def reasons(items: Iterable[Casualty]) -> list[tuple[str, str, int]]:
    """(stage, kind of reason, how many), in the order of the stages and most first."""
    counted = Counter((item.stage, code_of(item.reason)) for item in items)
    stages = list(dict.fromkeys(stage for stage, _ in counted))
    ordered = sorted(counted.items(), key=lambda entry: (stages.index(entry[0][0]), -entry[1], entry[0][1]))
    return [(stage, code, count) for (stage, code), count in ordered]


def _file_name(row: Row) -> str:
    """The name of a video's file; a row that failed has only its error, which begins with the path."""
    where = row.get("url") or (row["reason"] or "").partition(": ")[0]
    return PurePosixPath(where).name if "/" in where else row["id"][:12]


def span_of(row: Row) -> str:
    """Where in its video a row lies, in words; empty where it does not say."""
    if row.get("start_s") is None or row.get("end_s") is None:
        return ""
    return f"{row['start_s']:.1f}–{row['end_s']:.1f} s"


def source_lines(inputs: Mapping[str, Manifest]) -> list[SourceLine]:
    """Videos and clips by source and licence, the most video first."""
    videos, (clips, _) = inputs["videos"].rows(), clips_and_rejected(inputs)
    kinds = {(row["source"] or "not stated", row["licence"] or "not stated") for row in [*videos, *clips]}
    lines = []
    for source, licence in kinds:
        mine = [
            [
                row
                for row in rows
                if ((row["source"] or "not stated"), (row["licence"] or "not stated")) == (source, licence)
            ]
            for rows in (videos, clips)
        ]
        lines.append(SourceLine(source, licence, len(mine[0]), len(mine[1]), *(_seconds(rows) for rows in mine)))
    return sorted(lines, key=lambda line: (-line.video_seconds, line.source, line.licence))


def split_lines(inputs: Mapping[str, Manifest]) -> list[SplitLine]:
    seconds = {row["id"]: seconds_of(row) or 0.0 for row in inputs["clips"].rows()}
    lines = []
    for name in SPLITS:
        clips = [row for row in inputs["split"].rows() if row["split"] == name]
        pairs = [row for row in inputs["pairs"].rows() if row["split"] == name]
        length = sum(seconds.get(row["id"], 0.0) for row in clips)
        videos, people = (len({row[kind] for row in clips}) for kind in ("video_id", "identity"))
        lines.append(SplitLine(name, videos, people, len(clips), length, len(pairs)))
    return lines


def largest_group(inputs: Mapping[str, Manifest]) -> int:
    """The most videos that may not be separated, because they share people or are copies."""
    groups = dict(zip(*inputs["identities"].table.select(["video_id", "group"]).to_pydict().values(), strict=True))
    return max(Counter(group for group in groups.values() if group).values(), default=0)


def clips_in_doubt(inputs: Mapping[str, Manifest]) -> int:
    """Clips of videos that are in a group only because somebody in them may be somebody of another."""
    return sum(row["in_doubt"] or False for row in inputs["identities"].rows())


def _seconds(rows: Iterable[Row]) -> float:
    return sum(seconds_of(row) or 0.0 for row in rows)

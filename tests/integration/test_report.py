"""The page from a small workspace: true counts, nothing from the network, and no way in for hostile names."""

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_shards import clip_sample, pair_sample

from pipelines import manifest
from pipelines.curation import clips, ingest, people
from pipelines.curation.coverage.stage import STAGE as COVERAGE
from pipelines.curation.coverage.traits import TRAITS
from pipelines.curation.duplicates.stage import STAGE as DUPLICATES
from pipelines.curation.identities.stage import STAGE as IDENTITIES
from pipelines.curation.listing import list_sources, write_batch
from pipelines.curation.quality.scores import Thresholds, criteria
from pipelines.curation.split import STAGE as SPLIT
from pipelines.curation.split import SplitConfig
from pipelines.engine import Engine
from pipelines.evaluation.figures import TOKEN_SHARES, token_figure
from pipelines.evaluation.gate import METHODS
from pipelines.manifest import Row, digest_of
from pipelines.report.stage import PAGE, ReportConfig
from pipelines.shards.stage import STAGE as SHARDS
from pipelines.shards.stage import ShardsConfig
from pipelines.shards.write import write_shard
from pipelines.stage import Stage, folder_of, run_stage
from pipelines.summary import describe, summarize
from pipelines.synthesis import pairs
from pipelines.workspace import Workspace
from training import promotion, tracking
from training.stages import EVALUATION, MODEL, REPORT, TRAIN
from training.summary import summarize as summarize_training

DATA = ("data:image/jpeg;base64,", "data:image/webp;base64,")
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>.mp4'


class Page(HTMLParser):
    """What a browser would see of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.cells[-1][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def row(self, head: str, length: int) -> list[str]:
        (found,) = [row for row in self.cells if row and row[0].strip() == head and len(row) == length]
        return [cell.strip() for cell in found]


def publish(workspace: Workspace, stage: Stage, rows: list[Row]) -> None:
    folder = folder_of(stage.name, "b" if stage.per_batch else None)
    manifest.write(workspace, folder, manifest.build(rows, stage.schema), digest_of(rows), 0)
    with workspace.publish(f"{folder}/seconds.json") as path:
        path.write_text("61.5")


def row(name: str, status: str = "kept", reason: str | None = None, parent: str | None = None, **more: Any) -> Row:
    return {"id": digest_of(name), "parent_id": parent, "status": status, "reason": reason} | more


def publish_curation(workspace: Workspace, kept: int) -> None:
    """One video with as many kept clips, two rejected ones and a copy of another, and a video that failed."""
    video = row("v", url=f"file:///videos/{HOSTILE}", source="park <b>", licence="CC0-1.0", duration=12.5)
    failed = row("w", "quarantined", f"/data/cut.mp4: {HOSTILE} ends too early")
    publish(workspace, ingest.STAGE, [video, failed])
    publish(workspace, people.STAGE, [row("t", parent=video["id"]), row("u", "rejected", "too_short: 0.2 s")])
    rows = []
    for i in range(kept):
        members = clip_sample(i, "train")
        name = digest_of("clip", i)
        for suffix, member in (("mp4", "mp4"), ("npy", "keypoints.npy")):
            with workspace.publish(f"clips/b/{name}.{suffix}") as path:
                path.write_bytes(members[member])
        about = {"start_s": 1.0 * i, "end_s": 1.0 * i + 1, "frames": 12, "fps": 12.0, "size": 96}
        about |= {"video_id": video["id"], "source": video["source"], "licence": video["licence"]}
        about |= {"path": f"clips/b/{name}.mp4", "keypoints_path": f"clips/b/{name}.npy"}
        about |= {"thumbnail_path": "clips/b/dark.jpg", "sharpness": 100.0 * (i + 1)}
        rows.append({"id": name, "parent_id": digest_of("t"), "status": "kept", **about})
    with workspace.publish("clips/b/dark.jpg") as path:
        cv2.imwrite(str(path), np.zeros((40, 30, 3), np.uint8))
    dark = {"video_id": video["id"], "thumbnail_path": "clips/b/dark.jpg", "start_s": 4.0, "end_s": 5.5}
    rows.append(row("r", "rejected", "too_dark: mean 3", digest_of("t"), **dark))
    rows.append(row("q", "rejected", "<i>odd</i>: x", digest_of("t"), video_id=video["id"]))
    copy = row("copy", parent=digest_of("t"), video_id=video["id"], start_s=9.0, end_s=9.5, sharpness=20.0)
    copy |= {"thumbnail_path": "clips/b/dark.jpg"}
    with workspace.publish("clips/b/criteria.json") as path:
        path.write_text(json.dumps([asdict(criterion) for criterion in criteria(Thresholds())]))
    publish(workspace, clips.STAGE, [*rows, copy])
    judged = [{key: each[key] for key in ("id", "status", "video_id")} for each in rows[:kept]]
    about = {"copy_of": rows[0]["id"], "offset_s": 0.5, "mirrored": True, "agreement": 0.9}
    about |= {"status": "rejected", "reason": "duplicate: of x", "video_id": video["id"]}
    judged.append({"id": copy["id"], **about})
    publish(workspace, DUPLICATES, [{**each, "parent_id": each["id"]} for each in judged])
    shares = {trait: [1.0] + [0.0] * (len(kinds) - 1) for trait, kinds in TRAITS.items()}
    motion = {"seconds": 1.0, "cell": "front, arms down and down", **shares}
    publish(workspace, COVERAGE, [{**each, "parent_id": each["id"], **motion} for each in judged[:kept]])
    known = {"identity": "somebody", "group": video["id"]}
    who = [{**each, "parent_id": each["id"], **known, "in_doubt": i == 0} for i, each in enumerate(judged[:kept])]
    publish(workspace, IDENTITIES, who)
    run_stage(SPLIT, workspace, SplitConfig(), Engine(), quiet=True)


def publish_pairs(workspace: Workspace, groups: int) -> None:
    rows = []
    for split, first in (("train", 0), ("test", 1000)):
        samples = [(f"p{i}", pair_sample(i, split, identities=2, frames=3)) for i in range(first, first + groups)]
        if samples:
            record = write_shard(workspace, f"pairs/shards/{split}-00000.tar", samples)
            place = {"shard_path": record.path, "shard_sha256": record.sha256, "shard_bytes": record.bytes}
            rows += [{"id": key, "parent_id": None, "status": "kept", "split": split, **place} for key, _ in samples]
    publish(workspace, pairs.STAGE, rows)
    run_stage(SHARDS, workspace, ShardsConfig(), Engine(), quiet=True)


def publish_model(workspace: Workspace, passed: bool) -> None:
    history = {"step": list(range(50)), "loss": np.linspace(2, 1, 50).tolist(), "flow": [None] * 20 + [0.5] * 30}
    with workspace.publish("train/x/history.parquet") as path:
        pq.write_table(pa.table(history), path)
    chosen = {"preset": "smoke", "variant": "no-hands"}
    run = {"seed": 7, "steps": 50, "parameters": 1234567, "history_path": "train/x/history.parquet"}
    run |= {"augmentations_path": "train/x/augmentations.jpg", "samples_folder": "train/x/samples", "best_step": 50}
    publish(workspace, TRAIN, [row("run", **chosen, **run)])
    model = {"parameters": 1, "weights_sha256": "ab" * 32, "shards_digest": "d"}
    publish(workspace, MODEL, [row("model", **chosen, **model)])
    pictures = ["evaluation/grids/g.jpg", "train/x/augmentations.jpg"]
    for picture in (*pictures, *(f"train/x/samples/{step:08d}.jpg" for step in (10, 20, 30, 40))):
        with workspace.publish(picture) as path:
            cv2.imwrite(str(path), np.full((64, 256, 3), 90, np.uint8))
    measured = {"sample": "p1000.1", "group": "p1000", "framing": "full", "frames": 2}
    measured |= {"grid_path": "evaluation/grids/g.jpg", "lpips_vgg": 0.1525}
    publish(workspace, EVALUATION, [row(m, method=m, **measured) for m in METHODS])
    shares = dict(zip(TOKEN_SHARES, (0.25, 0.2, 0.5, 0.1), strict=True))
    means = {
        "model": {"lpips_vgg": 0.1525, "silhouette_iou": 0.9, "body_px": 7.0, "sharpness": 0.75, "ssim": 0.5},
        "copy-reference": {"lpips_vgg": 0.28, "silhouette_iou": 0.6, "body_px": 6.1, "sharpness": 1.8, "ssim": 0.6},
        "champion": {"lpips_vgg": 0.2, "silhouette_iou": 0.8, "body_px": 8.0, "sharpness": 0.5},
        "truth": {"lpips_vgg": 0.0, "silhouette_iou": 0.94, "body_px": 5.6, "sharpness": 1.0},
    }
    means["model"] |= {token_figure("left_hand", share): value for share, value in shares.items()}
    copied = {
        "lpips_vgg": difference("lpips_vgg", -0.1275, -0.15, -0.1),
        "silhouette_iou": difference("silhouette_iou", 0.3, 0.2, 0.4),
        "body_px": difference("body_px", 0.9, -0.5, 2.3),
        "sharpness": difference("sharpness", -1.05, -1.5, -0.5),
        "ssim": difference("ssim", -0.1, -0.2, -0.05),
    }
    differences = {"copy-reference": copied, "champion": {"lpips_vgg": difference("lpips_vgg", -0.0475, None, None)}}
    reasons = [] if passed else ["body_px is not surely better than copy-reference's: the difference is 0.9"]
    judged = {"passed": passed, "reasons": reasons, "samples": 1, "means": means, "differences": differences}
    judged |= {"version": "3", "champion": "2", "champion_trouble": None}
    for relative, content in {
        "train/run.json": {"mlflow_run_id": "r1", "ms_per_step": 250.0, "waiting_share": 0.01, "training_seconds": 75},
        "model/registered.json": {"name": "x-unimotion", "version": "3", "mlflow_run_id": "r1", "fingerprint": "f"},
        "evaluation/gate.json": judged,
    }.items():
        with workspace.publish(relative) as path:
            path.write_text(json.dumps(content))


def difference(metric: str, mean: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"metric": metric, "framing": "all", "mean": mean, "low": low, "high": high, "samples": 1, "groups": 1}


def build_page(workspace: Workspace, config: ReportConfig | None = None) -> Page:
    run_stage(REPORT, workspace, config or ReportConfig(), Engine(), quiet=True)
    return Page(workspace.local(PAGE).read_text("utf-8"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Page]:
    workspace = Workspace(str(tmp_path_factory.mktemp("report")))
    publish_curation(workspace, kept=3)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=True)
    return workspace, build_page(workspace)


def test_the_counts_are_those_of_the_manifests(full: tuple[Workspace, Page]) -> None:
    workspace, page = full
    for name in (*REPORT.needs, *REPORT.uses):
        folder = folder_of(name, "b") if name in ("videos", "people", "clips") else name
        found = manifest.read(workspace, folder)
        counts = found.counts
        shown = page.row(name, 7)
        assert shown[1:5] == [str(n) for n in (counts.total, counts.kept, counts.rejected, counts.quarantined)]
        assert shown[6] == found.digest
    assert page.row("videos", 7)[5] == "1 min 2 s"
    assert "1 of 2 videos kept" in page.text
    assert "4 of 6 clips kept" in page.text
    assert "3 of 4 different clips kept" in page.text
    assert "3 of 3 clips to train on kept" in page.text
    lines = [page.row(split, 6) for split in ("train", "validation", "test")]
    assert [sum(int(line[column]) for line in lines) for column in (1, 2, 3)] == [1, 1, 3]
    assert "largest group that may not be parted: 1 video" in page.text
    assert "kept together in doubt, not as one person: 1 clip" in page.text
    assert [line[5] for line in lines] == ["2", "0", "2"]
    assert page.row("park <b>", 6)[1:] == ["CC0-1.0", "1", "12.5 s", "3", "3.0 s"]


def test_batches_that_are_not_curated_as_listed_are_named_as_soon_as_they_are_listed(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=1)
    assert "not curated as listed" not in build_page(workspace).text
    write_batch(workspace, list_sources([str(tmp_path / "new.mp4")], None, None), "late")
    assert re.search(
        r"1 batch\s+is not curated as listed now, .* of it are in nothing on this page: late",
        build_page(workspace).text,
    )


def test_nothing_is_loaded_from_anywhere(full: tuple[Workspace, Page]) -> None:
    _, page = full
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", *DATA)), attributes
    assert not re.search(r"url\(|@import", page.html)
    assert not page.of("script") + page.of("link") + page.of("iframe")


def test_hostile_names_stay_text(full: tuple[Workspace, Page]) -> None:
    _, page = full
    assert HOSTILE in page.text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not page.of("i") or all("class" in attributes for attributes in page.of("i"))
    assert "<i>odd</i>" in page.text


def test_every_picture_is_described(full: tuple[Workspace, Page]) -> None:
    _, page = full
    alts = [attributes.get("alt") or "" for attributes in page.of("img")]
    assert len([alt for alt in alts if alt.startswith("Frame of clip")]) == 3
    assert len([alt for alt in alts if alt.startswith("Rejected candidate")]) == 1
    # 4 groups of 2 identities: 3 frames and 6 layers each, and a moving preview of each group.
    assert len([alt for alt in alts if alt.startswith("identity")]) == 4 * 2 * 9
    assert alts.count("2 people do the same motion, moving") == 4
    assert len([alt for alt in alts if alt.startswith("Test pair p1000")]) == 1
    assert all(alts)
    assert all(svg.get("aria-label") for svg in page.of("svg"))


def test_it_tells_of_training_model_and_gate(full: tuple[Workspace, Page]) -> None:
    _, page = full
    assert len([svg for svg in page.of("svg") if svg["class"] == "chart"]) == 3 + len(TRAITS)
    assert "Preset smoke no-hands, seed 7" in page.text
    assert "1,234,567 parameters" in page.text
    steps = [image["alt"] for image in page.of("img") if image.get("title") in {"step 10", "step 30", "step 40"}]
    assert len(steps) == 3
    assert any(image.get("title") == "augmentations" for image in page.of("img"))
    assert "models:/x-unimotion/3" in page.text
    assert "The model is surely better than repeating the reference in 2 of the 3 figures that decide" in page.text
    figures = {cells[0].split("decides")[0].strip(): cells for cells in page.cells if len(cells) == 7}
    minus = "\N{MINUS SIGN}"
    (found,) = [cells for name, cells in figures.items() if name.startswith("LPIPS (VGG) around the person")]
    told = [f"{minus}0.128 {minus}0.150 to {minus}0.100, better", f"{minus}0.0475"]
    assert [cell.strip() for cell in found[1:]] == ["0.152", "0.280", "0.200", "0", *told]
    assert "decides" in found[0]
    assert "lower is better" in found[0]
    (found,) = [cells for name, cells in figures.items() if name.startswith("Body's points")]
    assert found[5].strip() == f"+0.900 {minus}0.500 to +2.30"
    assert found[6].strip() == "–"
    (found,) = [cells for name, cells in figures.items() if name.startswith("SSIM")]
    assert found[5].strip().endswith("worse")
    assert "decides" not in found[0]
    (found,) = [cells for name, cells in figures.items() if name.startswith("Sharpness")]
    assert "1 is best" in found[0]
    assert found[5].strip() == f"{minus}1.05 {minus}1.50 to {minus}0.500"
    (head,) = [cells for cells in page.cells if cells[:2] == ["Figure", "Model"]]
    methods = ["Reference repeated", "Champion, version 2", "Truth"]
    assert head[2:] == [*methods, "Less: reference repeated", "Less: champion, version 2"]
    assert page.row("Left hand", 5)[1:] == ["25 %", "20 %", "50 %", "10 %"]
    assert "Gate passed; there is no champion" in page.text


def test_the_champion_is_the_version_that_the_registry_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 3, a variant, was judged last and passed; the alias is on version 1, and then moved by hand."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=3)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=True)
    assert "Gate passed; there is no champion" in build_page(workspace).text
    run = tracking.start_run(workspace, "f" * 64, {"a": 1}, "d")
    for number in "123":
        folder = tmp_path / f"export{number}"
        folder.mkdir()
        (folder / "config.json").write_text(number)
        assert tracking.register(workspace, folder, f"weights {number}", run, {}) == number
    for holder, verdict in (("1", "the champion is version 1"), ("3", "this version is the champion")):
        promotion.promote(workspace, holder, "test")
        page = build_page(workspace)
        assert f"Gate passed; {verdict}" in page.text
        assert page.row("Version", 2)[1] == "models:/x-unimotion/3"
        assert page.row("Champion", 2)[1] == f"models:/x-unimotion/{holder}"
        summary = {"stages": summarize(workspace, [MODEL]), **summarize_training(workspace)}
        assert summary["model"]["champion"] == holder
        assert summary["model"]["aliases"] == (["champion"] if holder == "3" else ["challenger"])
        del summary["training"]
        assert f"champion    models:/x-unimotion/{holder}\n" in describe(workspace, summary)
    assert not run_stage(REPORT, workspace, ReportConfig(), Engine(), quiet=True).recomputed


def test_scores_are_drawn_with_their_limit(full: tuple[Workspace, Page]) -> None:
    _, page = full
    (chart,) = [svg for svg in page.of("svg") if (svg["aria-label"] or "").startswith("sharpness")]
    assert chart["aria-label"] == "sharpness: median 150, at least 65: 1 of 4 miss it"
    assert [line["class"] for line in page.of("line")].count("limit") == 1
    counts = [int(text.rpartition(": ")[2]) for text in re.findall(r'missed".*?<title>(.*?)</title>', page.html)]
    assert sum(counts) == 1


def test_what_the_clips_lack_is_said(full: tuple[Workspace, Page]) -> None:
    _, page = full
    assert "turn: left, right, back" in page.text
    assert "legs: bent, raised" in page.text
    assert page.row("front, arms down and down", 3) == ["front, arms down and down", "3.0 s", "100 %"]


def test_a_copy_stands_beside_its_original(full: tuple[Workspace, Page]) -> None:
    _, page = full
    (alt,) = [image["alt"] for image in page.of("img") if (image["alt"] or "").startswith("Copy")]
    assert "beside its original of" in (alt or "")
    assert "+0.5 s, mirrored" in page.text


def test_what_was_not_kept_is_listed_with_its_reason(full: tuple[Workspace, Page]) -> None:
    _, page = full
    rows = [[cell.strip() for cell in row] for row in page.cells]
    assert ["videos", "cut.mp4", f"/data/cut.mp4: {HOSTILE} ends too early"] in rows
    assert ["clips", f"{Path(HOSTILE).name}, 4.0–5.5 s", "too_dark: mean 3"] in rows
    assert ["people", "too short", "1"] in rows
    assert ["clips", "too dark", "1"] in rows
    assert ["duplicates", f"{Path(HOSTILE).name}", "duplicate: of x"] in rows


def test_a_closed_gate_says_why(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=3)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=False)
    page = build_page(workspace, ReportConfig(clips=1, rejected_clips=1, pair_groups=1, listed=1))
    assert "body_px is not surely better than copy-reference" in page.text
    assert "3 more groups are not shown" in page.text
    assert "3 more rejected items are not shown" in page.text
    assert len([i for i in page.of("img") if (i["alt"] or "").startswith("Frame of clip")]) == 1


def test_a_champion_that_was_not_compared_is_said(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=3)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=True)
    told = json.loads(workspace.local("evaluation/gate.json").read_text())
    told["champion_trouble"] = "not compared with the champion, version 2: it is gone"
    with workspace.publish("evaluation/gate.json") as path:
        path.write_text(json.dumps(told))
    assert "Not compared with the champion, version 2: it is gone." in build_page(workspace).text
    for stage in (TRAIN, MODEL):  # the registry knows no version 3
        workspace.remove(manifest.manifest_path(stage.name))
    summary = {"stages": {}, **summarize_training(workspace)}
    lines = describe(workspace, summary).splitlines()
    assert "model       lpips_vgg 0.152  silhouette_iou 0.900  body_px 7.000" in lines
    assert "champion    not compared with the champion, version 2: it is gone" in lines


def test_a_verdict_of_an_earlier_version_is_no_error(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=3)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=True)
    with workspace.publish("evaluation/gate.json") as path:
        path.write_text(json.dumps({"passed": True, "reasons": [], "samples": 1, "means": {}, "version": "3"}))
    assert "judged by an earlier version of the foundry; run `unimotion evaluate`" in build_page(workspace).text


def test_long_sheets_have_pages_of_their_own(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=5)
    publish_pairs(workspace, groups=2)
    publish_model(workspace, passed=True)
    first = build_page(workspace, ReportConfig(clips=1, per_page=2))
    assert [link["href"] for link in first.of("a") if (link["href"] or "").endswith(".html")] == [
        "clips/kept-0001.html"
    ]
    pages = [Page(path.read_text()) for path in sorted((tmp_path / "report" / "clips").iterdir())]
    assert [len(page.of("img")) for page in pages] == [2, 2, 1]
    for page in pages:
        targets = {link["href"] for link in page.of("a")}
        assert targets <= {"../index.html#clips", *(f"kept-000{n}.html" for n in (1, 2, 3))}
        assert not page.of("script") + page.of("link") + page.of("iframe")
    build_page(workspace, ReportConfig(clips=1, per_page=2, pages=2))
    left = sorted((tmp_path / "report" / "clips").iterdir())
    assert [path.name for path in left] == ["kept-0001.html", "kept-0002.html"]
    assert "1 more of them are not shown" in Page(left[0].read_text()).text


def test_curated_videos_are_enough_for_a_page(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    publish_curation(workspace, kept=3)
    page = build_page(workspace)
    assert "3 clips of 1 video" in page.text
    assert "Not judged: no registered model" in page.text
    assert "No pairs were rendered" in page.text
    assert {cells[0].strip() for cells in page.cells if len(cells) == 7} >= {"clips", "split"}
    assert not {cells[0].strip() for cells in page.cells if len(cells) == 7} & set(REPORT.uses)
    publish_pairs(workspace, groups=2)
    assert page.row("clips", 7) == (page := build_page(workspace)).row("clips", 7)
    assert page.row("pairs", 7)[1] == "4"


def test_an_almost_empty_workspace_has_a_page_too(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    for stage in (ingest.STAGE, people.STAGE, clips.STAGE, DUPLICATES, COVERAGE, IDENTITIES, TRAIN, MODEL, EVALUATION):
        publish(workspace, stage, [])
    run_stage(SPLIT, workspace, SplitConfig(), Engine(), quiet=True)
    publish_pairs(workspace, groups=0)
    page = build_page(workspace)
    for text in ("No clip was kept", "No pairs were rendered", "no training history", "No model has been evaluated"):
        assert text in page.text
    assert "Everything was kept" in page.text

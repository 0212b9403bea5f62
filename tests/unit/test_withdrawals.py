"""A withdrawn video is rejected wherever its bytes turn up, and what stages made of it is deleted."""

import json
from pathlib import Path

import pytest

from pipelines import manifest as manifests
from pipelines import withdrawals
from pipelines.curation import sources
from pipelines.curation.ingest import STAGE, VideosConfig
from pipelines.curation.listing import STARTER, list_sources, source_row, write_batch
from pipelines.engine import Engine, Journal, Outcome
from pipelines.manifest import Row, Status
from pipelines.purge import purge
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace
from tests.unit.curation.test_ingest import write_video


def bring(workspace: Workspace, batch: str) -> Result:
    return run_stage(STAGE, workspace, VideosConfig(), Engine(1), batch, quiet=True)


def rows(workspace: Workspace, batch: str, status: Status | None) -> list[Row]:
    return manifests.read(workspace, f"videos/{batch}").rows(status)


@pytest.fixture
def batches(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Batch `one` has two videos, one of them under two URLs; batch `two` has another."""
    for name, frames in (("a", 24), ("b", 25), ("c", 26)):
        write_video(tmp_path / f"{name}.mp4", frames)
    (tmp_path / "a2.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    for batch, names in (("one", ("a", "a2", "b")), ("two", ("c",))):
        write_batch(workspace, list_sources([f"file://{tmp_path}/{name}.mp4" for name in names], None, None), batch)
        bring(workspace, batch)
    return workspace


def video_of(workspace: Workspace, batch: str, name: str) -> Row:
    return next(row for row in rows(workspace, batch, Status.KEPT) if row["url"].endswith(name))


def test_a_withdrawal_is_recorded_once(workspace: Workspace) -> None:
    assert withdrawals.record(workspace, "a" * 32, "asked us to – by mail")
    assert not withdrawals.record(workspace, "a" * 32, "another")
    assert withdrawals.withdrawn(workspace) == {"a" * 32}
    assert withdrawals.reason_for(workspace, "a" * 32) == "withdrawn: asked us to – by mail"


def test_all_copies_are_rejected_and_other_batches_and_videos_are_left_alone(
    batches: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = video_of(batches, "one", "a.mp4")
    files = {row["url"]: row["path"] for row in rows(batches, "one", None)}
    withdrawals.record(batches, gone["id"], "mail of 3 May")
    monkeypatch.setattr("pipelines.curation.ingest.fetch", lambda *_: pytest.fail("nothing is fetched again"))
    assert not bring(batches, "two").recomputed
    result = bring(batches, "one")
    assert (result.counts.total, result.counts.kept, result.counts.rejected) == (3, 1, 2)
    assert {row["reason"] for row in rows(batches, "one", Status.REJECTED)} == {"withdrawn: mail of 3 May"}
    assert {url.rsplit("/", 1)[1]: batches.exists(path) for url, path in files.items()} == {
        "a.mp4": False,
        "a2.mp4": False,
        "b.mp4": True,
    }
    assert gone["id"] not in (batches.local_root / "videos" / "one" / "journal.jsonl").read_text()
    assert not bring(batches, "one").recomputed


def test_the_same_bytes_under_another_url_stay_out(batches: Workspace, tmp_path: Path) -> None:
    gone = video_of(batches, "one", "a.mp4")
    withdrawals.record(batches, gone["id"], None)
    (tmp_path / "new.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    write_batch(batches, list_sources([f"file://{tmp_path}/new.mp4"], None, None), "three")
    assert bring(batches, "three").counts.rejected == 1
    (row,) = rows(batches, "three", None)
    assert (row["id"], row["path"], row["reason"]) == (gone["id"], None, "withdrawn: no reason was given")
    assert len(batches.children("videos/files")) == 4  # those of the first two batches, not yet run again
    assert not bring(batches, "three").recomputed


def test_a_withdrawal_while_a_batch_was_worked_on_is_noticed_afterwards(batches: Workspace) -> None:
    made = manifests.read(batches, "videos/one")
    gone = video_of(batches, "one", "b.mp4")
    withdrawals.record(batches, gone["id"], None)
    manifests.write(batches, "videos/one", made, made.fingerprint, 0)
    assert bring(batches, "one").recomputed
    assert gone["id"] not in {row["id"] for row in rows(batches, "one", Status.KEPT)}


def test_a_video_of_the_starter_batch_is_taken_out_of_the_workspace(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_video(tmp_path / "v.mp4").read_bytes()

    def unpack(_: object) -> list[Row]:
        with workspace.publish("sources/starter/files/v.mp4") as path:
            path.write_bytes(content)
        about = dict.fromkeys(("licence", "source", "consent"), "x")
        return [source_row("pypi://v.mp4", "sources/starter/files/v.mp4", **about)]

    monkeypatch.setattr(sources, "_fetch_videos", unpack)

    def run() -> list[bool]:
        config = sources.SourcesConfig(avatars=0)
        first = run_stage(sources.STAGE, workspace, config, Engine(1), STARTER, quiet=True)
        return [first.recomputed, bring(workspace, STARTER).recomputed]

    run()
    withdrawals.record(workspace, rows(workspace, STARTER, Status.KEPT)[0]["id"], None)
    assert run() == [True, True]
    assert workspace.children("sources/starter/files") == []
    assert [row["status"] for row in rows(workspace, STARTER, None)] == [Status.REJECTED]
    assert run() == [False, False]


def test_a_journal_forgets_withdrawn_videos_under_every_config_and_their_files_go(workspace: Workspace) -> None:
    def path_of(name: str) -> str:
        with workspace.publish(f"clips/b/files/{name}.jpg") as path:
            path.write_text(name)
        return f"clips/b/files/{name}.jpg"

    outcomes = [
        Outcome("old config", [{"id": "c1", "video_id": "gone", "thumbnail_path": path_of("c1")}]),
        Outcome("new config", [{"id": "c2", "video_id": "gone", "path": path_of("c2")}]),
        Outcome("kept", [{"id": "c3", "video_id": "here", "path": path_of("c3")}]),
        Outcome("pair", [{"id": "c4", "origins": [{"id": "here"}, {"id": "gone"}], "shard_path": path_of("c4")}]),
        Outcome("error of now", error="a: bad"),
        Outcome("error of then", error="b: bad"),
    ]
    path_of("left by a kill")
    file = workspace.local_root / "clips" / "b" / "journal.jsonl"
    with Journal(file).writer() as append:
        for outcome in outcomes:
            append(outcome)
    with file.open("a") as torn:
        torn.write('{"key": "gone')
    purge(workspace, "clips/b", Journal(file), {"kept", "error of now"}, frozenset({"gone"}))
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == ["kept", "error of now"]
    assert workspace.children("clips/b/files") == ["c3.jpg"]

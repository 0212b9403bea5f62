"""What lies beside the manifests may be lost, as in a fresh clone, where DVC brings the manifests alone: the stage that
made it makes it again."""

import shutil
from pathlib import Path

import pytest
from small_corpus import RUN, bring, publish, read, write

from pipelines.curation import clips, ingest, people
from pipelines.engine import Engine
from pipelines.purge import files_of
from pipelines.report.stage import PAGE
from pipelines.stage import Stage, run_stage
from pipelines.summary import describe, result_line, summarize
from pipelines.workspace import Workspace
from training.stages import REPORT

MADE_UP = ("videos", "people", "clips")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(str(tmp_path_factory.mktemp("whole")))
    publish(workspace)
    return workspace


@pytest.fixture
def copied(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.local_root, tmp_path, dirs_exist_ok=True)
    return Workspace(str(tmp_path))


def digests(workspace: Workspace) -> dict[str, str]:
    return {stage.name: bring(workspace, stage).digest for stage in RUN}


def named(workspace: Workspace) -> set[str]:
    return {path for stage in RUN for row in read(workspace, stage) for path in files_of(row)}


def test_a_fresh_clone_makes_everything_but_the_manifests_again(whole: Workspace, workspace: Workspace) -> None:
    for place in ("manifests", *MADE_UP):
        shutil.copytree(whole.local_root / place, workspace.local_root / place)
    assert digests(workspace) == digests(whole)
    for path in named(whole):
        assert workspace.exists(path), path
    assert not any(bring(workspace, stage).recomputed for stage in RUN)


@pytest.mark.parametrize("stage", RUN, ids=lambda stage: stage.name)
def test_any_file_of_a_stage_may_be_lost(whole: Workspace, copied: Workspace, stage: Stage) -> None:
    before, wanted = digests(whole), named(whole)
    lost = [path for path in (copied.local_root / stage.name).rglob("*") if path.is_file() and path.name != ".lock"]
    assert lost
    for path in lost:
        path.unlink()
        assert digests(copied) == before, path
        assert not [name for name in wanted if not copied.exists(name)], path
    shutil.rmtree(copied.local_root / stage.name)
    assert digests(copied) == before
    assert not [name for name in wanted if not copied.exists(name)]


def test_nobody_needs_to_know_how_long_a_stage_took(copied: Workspace) -> None:
    for path in copied.local_root.rglob("seconds.json"):
        path.unlink()
    results = [bring(copied, stage) for stage in RUN]
    assert [(result.recomputed, result.seconds) for result in results] == [(False, None)] * len(RUN)
    assert "up to date" in result_line(results[0])
    found = summarize(copied, list(RUN))
    assert {about["seconds"] for about in found.values()} == {None}
    assert "split" in describe(copied, {"stages": found})
    copied.remove(PAGE)
    assert bring(copied, REPORT).recomputed
    assert '<td class="n">–</td>' in copied.local(PAGE).read_text("utf-8")


def test_the_limits_that_clips_were_judged_by_are_written_again(workspace: Workspace) -> None:
    write(workspace, ingest.STAGE, [])
    track = {"id": "t", "parent_id": "v", "video_id": "v", "status": "kept"}
    write(workspace, people.STAGE, [track])

    def cut() -> bool:
        return run_stage(clips.STAGE, workspace, clips.ClipsConfig(), Engine(), "b", quiet=True).recomputed

    assert (cut(), cut()) == (True, False)
    workspace.remove(f"clips/b/{clips.CRITERIA}")
    assert (cut(), cut()) == (True, False)
    assert workspace.exists(f"clips/b/{clips.CRITERIA}")

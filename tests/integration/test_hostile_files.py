"""Whatever lies in a folder of videos, a run ends, and says what became of each file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import manifest as manifests
from pipelines.curation import clips, ingest, people
from pipelines.curation.listing import list_sources, write_batch
from pipelines.engine import Engine
from pipelines.manifest import Status
from pipelines.stage import run_stage
from pipelines.workspace import Workspace
from tests.hostile import NO_VIDEO, damaged, odd


@pytest.fixture(autouse=True)
def shut_ray_down() -> Iterator[None]:
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def probe_all(workspace: Workspace, paths: list[Path], workers: int = 1) -> tuple[str, dict[str, str]]:
    """Run the stage `videos` over files. Returns the batch, and file name -> what became of it; none may be unsure."""
    batch = write_batch(workspace, list_sources([str(path) for path in paths], None, None))
    run_stage(ingest.STAGE, workspace, ingest.VideosConfig(), Engine(workers), batch, quiet=True)
    names = {row["id"]: Path(row["url"]).name for row in manifests.read(workspace, f"sources/{batch}").rows()}
    made = manifests.read(workspace, f"videos/{batch}")
    assert made.retry == 0, [row["reason"] for row in made.rows(Status.QUARANTINED)]
    found = made.rows(status=None)
    for row in found:
        assert row["status"] == Status.KEPT or row["reason"]
    return batch, {names[row["parent_id"]]: row["status"] for row in found}


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    rare = odd(tmp_path)
    broken = list(damaged(tmp_path, 80))
    _, found = probe_all(Workspace(str(tmp_path / "workspace")), rare + broken)
    assert set(found) == {path.name for path in rare + broken}
    assert {path.name for path in rare if found[path.name] != Status.KEPT} == NO_VIDEO
    statuses = {found[path.name] for path in broken}
    assert {Status.KEPT, Status.QUARANTINED} <= statuses  # some damage is found only when all is decoded


@pytest.mark.slow
def test_300_files_go_through_curation_alike_on_1_and_4_workers(tmp_path: Path) -> None:
    paths = [*odd(tmp_path), *damaged(tmp_path, 278)]
    digests = []
    for workers in (1, 4):
        workspace = Workspace(str(tmp_path / f"workspace{workers}"))
        batch, found = probe_all(workspace, paths if workers == 1 else paths[::-1], workers)
        assert len(found) == 300
        made = []
        for stage in (people.STAGE, clips.STAGE):
            made.append(run_stage(stage, workspace, stage.config(), Engine(workers), batch, quiet=True))
            rows = manifests.read(workspace, f"{stage.name}/{batch}")
            assert rows.retry == 0, [row["reason"] for row in rows.rows(Status.QUARANTINED)]
        kept = {row["id"] for row in manifests.read(workspace, f"videos/{batch}").rows()}
        seen = {row["parent_id"] for row in manifests.read(workspace, f"people/{batch}").rows(status=None)}
        assert seen == kept
        digests.append([result.digest for result in made])
    assert digests[0] == digests[1]

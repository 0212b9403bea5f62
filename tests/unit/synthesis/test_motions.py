"""The motions stage: files become motions of one format with a split; changed, bad and doubled files are noticed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipelines import manifest as manifests
from pipelines.cli import main
from pipelines.curation import clips, split
from pipelines.engine import Engine, Row
from pipelines.errors import UsageError
from pipelines.manifest import Status
from pipelines.stage import Result, run_stage
from pipelines.synthesis.body.model import AnnyBody
from pipelines.synthesis.motions import SCHEMA, STAGE, MotionsConfig, list_files
from pipelines.synthesis.movement.recorded import MotionLibrary
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.workspace import Workspace
from tests.unit.synthesis.motion_files import dialect, write_bvh
from tests.unit.synthesis.movement.test_importers import moving

Bring = Callable[..., Result]


@pytest.fixture
def bring(workspace: Workspace) -> Bring:
    for folder, stage in (("clips/monday", clips.STAGE), ("split", split.STAGE)):
        manifests.write(workspace, folder, manifests.build([], stage.schema), "", retry=0)

    def run(*files: Path | str, **settings: Any) -> Result:
        config = MotionsConfig(files=tuple(map(str, files)), **settings)
        return run_stage(STAGE, workspace, config, Engine(), quiet=True)

    return run


@pytest.fixture
def bvh(skeleton: Skeleton, tmp_path: Path) -> Path:
    path = tmp_path / "moves" / "walk.bvh"
    path.parent.mkdir()
    write_bvh(path, skeleton, moving(skeleton), dialect("xsens"))
    return path


def rows(workspace: Workspace, status: Status) -> list[Row]:
    return manifests.read(workspace, "motions").rows(status)


def test_without_files_and_clips_there_is_nothing(bring: Bring) -> None:
    assert bring().counts.total == 0
    assert not bring().recomputed


def test_a_file_becomes_a_motion_that_the_library_finds(bring: Bring, workspace: Workspace, bvh: Path) -> None:
    assert bring(bvh.parent).counts.kept == 1
    (row,) = rows(workspace, Status.KEPT)
    library = MotionLibrary.load(workspace, [row])
    (motion,) = library.of(row["split"])
    assert motion.recorded.pose.frames == row["frames"] == 8
    assert motion.seconds == pytest.approx(motion.recorded.seconds, abs=1e-3)
    assert set(row) == set(SCHEMA.names)
    assert not bring(bvh.parent).recomputed


def test_what_changes_inside_a_file_changes_the_motion(bring: Bring, workspace: Workspace, bvh: Path) -> None:
    before = bring(bvh)
    (old,) = rows(workspace, Status.KEPT)
    bvh.write_text(bvh.read_text().replace("OFFSET", "OFFSET ", 1))
    after = bring(bvh)
    (new,) = rows(workspace, Status.KEPT)
    assert after.recomputed
    assert before.digest != after.digest
    assert not workspace.exists(old["path"])
    assert workspace.exists(new["path"])


def test_a_motion_pruned_by_another_config_is_made_again(bring: Bring, workspace: Workspace, bvh: Path) -> None:
    first = bring(bvh)
    assert bring().counts.total == 0
    assert bring(bvh).digest == first.digest
    (row,) = rows(workspace, Status.KEPT)
    assert workspace.exists(row["path"])


def test_bad_and_doubled_files_stay_in_the_manifest(bring: Bring, workspace: Workspace, bvh: Path) -> None:
    (bvh.parent / "again.bvh").write_bytes(bvh.read_bytes())
    (bvh.parent / "notes.bvh").write_text("not a motion")
    result = bring(bvh.parent, bvh.parent / "missing.npz")
    assert (result.counts.kept, result.counts.rejected, result.counts.quarantined) == (1, 1, 2)
    (double,) = rows(workspace, Status.REJECTED)
    assert double["reason"].startswith("duplicate: same bytes as ")
    reasons = sorted(row["reason"] for row in rows(workspace, Status.QUARANTINED))
    assert [reason.split(": ", 1)[1] for reason in reasons] == [
        "no such file; correct the path in motions.files",
        "has no HIERARCHY and MOTION sections; export it as BVH again",
    ]


def test_files_are_found_by_folder_and_glob_once(bvh: Path) -> None:
    np.savez(bvh.parent / "other.npz", poses=np.zeros(3))
    (bvh.parent / "readme.txt").write_text("")
    found = list_files((str(bvh.parent), str(bvh.parent / "*.npz"), "https://host/a.bvh"))
    assert found == [str(bvh.parent / "other.npz"), str(bvh), "https://host/a.bvh"]


def test_a_folder_of_other_formats_is_refused_with_what_it_holds(bring: Bring, tmp_path: Path) -> None:
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.zeros((4, 322)))
    with pytest.raises(UsageError, match=r"holds no motion \(\.bvh \.npz\), but 2 \.npy, .*; name another folder"):
        bring(tmp_path)


def test_what_a_folder_has_beside_motions_is_counted(bvh: Path) -> None:
    (bvh.parent / "a.fbx").touch()
    (bvh.parent / "again").symlink_to(bvh.parent)
    said: list[str] = []
    assert list_files((str(bvh.parent),), said.append) == [str(bvh)]
    assert said == [f"{bvh.parent}: skipped 1 .fbx, 1 link to a folder; only .bvh and .npz are read"]


def test_a_name_that_is_not_utf8_is_quarantined_beside_the_others(
    bring: Bring, workspace: Workspace, bvh: Path
) -> None:
    shutil.copy(bvh, os.fsdecode(os.fsencode(bvh.parent) + b"/w\xe9.bvh"))
    assert bring(bvh.parent).counts.kept == 1
    (lost,) = rows(workspace, Status.QUARANTINED)
    assert lost["reason"] == f"{bvh.parent}/w\\xe9.bvh: its name is not UTF-8; rename it and run the same command again"


def test_the_command_names_a_bad_file_and_takes_the_others(bring: Bring, workspace: Workspace, bvh: Path) -> None:
    bring()
    (bvh.parent / "notes.bvh").write_text("not a motion")
    params = bvh.parent / "params.yaml"
    params.write_text(f"motions: {{files: ['{bvh.parent}/*.bvh']}}\n")
    arguments = ["motions", "--workspace", workspace.url, "--params", str(params), "--workers", "1"]
    for _ in range(2):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 1
        assert f"unimotion: {bvh.parent}/notes.bvh: has no HIERARCHY" in done.output
        assert len(rows(workspace, Status.KEPT)) == 1


def put_clips(workspace: Workspace, skeleton: Skeleton) -> None:
    """Three clips of a person who raises an arm, as curation leaves them; nobody can be seen in the last."""
    raised = skeleton.pose({"left_arm_raise": np.linspace(20, 120, 6)}, {})
    points = AnnyBody().pose({}, raised).points
    seen = np.ones((6, 88, 3), np.float32)
    seen[..., 0], seen[..., 1] = 0.5 + points[..., 0] / 2.4, 0.5 - points[..., 2] / 2.4
    found, decided = [], []
    for name, side in (("a", "train"), ("b", "test"), ("c", "train")):
        with workspace.publish(f"clips/monday/files/{name}.keypoints.npy") as path:
            np.save(path, seen * (1, 1, name != "c"))
        about = {"id": name, "parent_id": name, "status": Status.KEPT, "video_id": f"video {name}"}
        files = {"path": f"clips/monday/files/{name}.mp4", "keypoints_path": f"clips/monday/files/{name}.keypoints.npy"}
        found.append({**about, **files, "fps": 16.0, "licence": "CC0-1.0"})
        decided.append({**about, "split": side})
    manifests.write(workspace, "clips/monday", manifests.build(found, clips.STAGE.schema), "", retry=0)
    manifests.write(workspace, "split", manifests.build(decided, split.STAGE.schema), "", retry=0)


def test_clips_become_motions_of_the_split_of_their_video(
    bring: Bring, workspace: Workspace, skeleton: Skeleton
) -> None:
    put_clips(workspace, skeleton)
    result = bring()
    assert (result.counts.kept, result.counts.quarantined) == (2, 1)
    made = {row["parent_id"]: row for row in rows(workspace, Status.KEPT)}
    assert {name: (row["kind"], row["split"], row["licence"]) for name, row in made.items()} == {
        "a": ("clip", "train", "CC0-1.0"),
        "b": ("clip", "test", "CC0-1.0"),
    }
    assert all(row["error"] < 0.03 for row in made.values())
    (motion,) = MotionLibrary.load(workspace, made.values()).of("test")
    wrist = skeleton.placed(motion.recorded.pose.rotations)[0]["wrist.L"]
    assert wrist[-1, 2] - wrist[0, 2] > 0.4
    (blind,) = rows(workspace, Status.QUARANTINED)
    assert blind["reason"].startswith("clips/monday/files/c.mp4: fewer than")


def test_a_loose_fit_is_rejected_with_its_error(bring: Bring, workspace: Workspace, skeleton: Skeleton) -> None:
    put_clips(workspace, skeleton)
    assert bring(max_error=0.0).counts.rejected == 2
    for row in rows(workspace, Status.REJECTED):
        assert row["reason"].startswith("loose_fit: 0.0")
        assert row["error"] > 0
        assert row["path"] is None


def test_clips_can_be_left_out(bring: Bring, workspace: Workspace, skeleton: Skeleton) -> None:
    put_clips(workspace, skeleton)
    assert bring(clips=False).counts.total == 0

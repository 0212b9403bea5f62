"""The pairs stage writes the sample contract, the same bytes whatever the order, and repeats nothing."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipelines.curation import ingest
from pipelines.engine import Engine
from pipelines.errors import UsageError, WorkError
from pipelines.manifest import Row, Status, read
from pipelines.stage import run_stage
from pipelines.synthesis import motions
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.recorded import Recorded
from pipelines.synthesis.pairs import STAGE, PairsConfig
from pipelines.workspace import Workspace
from tests.pairs_inputs import EMPTY, publish

SMALL = PairsConfig(
    train_groups=3,
    validation_groups=0,
    test_groups=1,
    identities=2,
    frames=2,
    size=32,
    groups_per_shard=2,
    engine="raster",
    texture=64,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = publish(Workspace(str(tmp_path_factory.mktemp("pairs"))), EMPTY)
    run_stage(STAGE, workspace, SMALL, Engine(), quiet=True)
    return workspace


def shards(workspace: Workspace) -> dict[str, bytes]:
    folder = Path(workspace.url) / "pairs" / "shards"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows_of(workspace: Workspace) -> list[Row]:
    return read(workspace, "pairs").rows()


def test_shards_keep_the_sample_contract(made: Workspace) -> None:
    import simplejpeg

    assert [name.split("-")[0] for name in shards(made)] == ["test", "train", "train"]
    rows = {row["id"]: row for row in rows_of(made)}
    assert len(rows) == 4
    seen = set()
    for content in shards(made).values():
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
            assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in tar.getmembers()} == {(0, 0, "", True)}
        for name in [name for name in files if name.count(".") == 1]:
            about = json.loads(files[name])
            key = about["id"]
            seen.add(key)
            assert name == f"{key}.json"
            assert about["kind"] == "pair"
            assert (about["frames"], about["size"]) == (2, 32)
            assert about["split"] == rows[key]["split"]
            assert about["identities"] == rows[key]["identities"]
            assert about["motion"] == rows[key]["motion"]
            assert about["motion_frames"] == 1
            for take in ("motion", "photo"):
                with np.load(io.BytesIO(files[f"{key}.{take}.npz"]), allow_pickle=False) as pose:
                    assert pose["rotations"].shape == (len(pose["bones"]), 1, 3, 3)
                    assert pose["values"].shape == (len(pose["actions"]), 1)
                    assert pose["translation"].shape == (1, 3)
            for i in range(2):
                with np.load(io.BytesIO(files[f"{key}.i{i}.npz"]), allow_pickle=False) as arrays:
                    kinds = {field: (arrays[field].dtype.name, arrays[field].shape) for field in arrays.files}
                assert kinds == {
                    "keypoints": ("float32", (2, 88, 3)),
                    "keypoints3d": ("float32", (2, 88, 3)),
                    "mask": ("bool", (2, 32, 32)),
                    "part": ("uint8", (2, 32, 32)),
                    "source": ("uint16", (2, 2, 16, 16)),
                    "source_seen": ("bool", (2, 16, 16)),
                    "source_part": ("uint8", (2, 16, 16)),
                    "boxes": ("float32", (2, 3, 4)),
                    "extrinsics": ("float32", (2, 4, 4)),
                    "depth": ("float16", (2, 32, 32)),
                    "normals": ("float16", (2, 32, 32, 3)),
                    "intrinsics": ("float32", (3, 3)),
                }
                identity = json.loads(files[f"{key}.i{i}.json"])
                assert identity["identity"]["id"] == about["identities"][i]
                assert identity["shot"]["framing"] in {about["framing"], "full"}
                for t in range(2):
                    assert simplejpeg.decode_jpeg(files[f"{key}.i{i}.t{t}.jpg"]).shape == (32, 32, 3)
    assert seen == set(rows)


def test_second_run_has_nothing_to_do(made: Workspace) -> None:
    assert not run_stage(STAGE, made, SMALL, Engine(), quiet=True).recomputed


def test_bytes_do_not_depend_on_what_was_made_before(made: Workspace, tmp_path: Path) -> None:
    other = publish(Workspace(str(tmp_path / "other")), EMPTY)
    bigger = PairsConfig(**{**vars(SMALL), "train_groups": 1, "groups_per_shard": 1})
    run_stage(STAGE, other, bigger, Engine(), quiet=True)
    run_stage(STAGE, other, SMALL, Engine(), quiet=True)
    assert shards(other) == shards(made)
    assert rows_of(other) == rows_of(made)


def test_a_shard_lost_to_another_config_is_made_again(made: Workspace) -> None:
    before = shards(made)
    run_stage(STAGE, made, PairsConfig(**{**vars(SMALL), "seed": 5, "train_groups": 1}), Engine(), quiet=True)
    assert not set(before) & set(shards(made))
    assert run_stage(STAGE, made, SMALL, Engine(), quiet=True).recomputed
    assert shards(made) == before


def test_unknown_engine_stops_the_stage(workspace: Workspace) -> None:
    publish(workspace, EMPTY)
    with pytest.raises((UsageError, WorkError), match="voxels"):
        run_stage(STAGE, workspace, PairsConfig(**{**vars(SMALL), "engine": "voxels"}), Engine(), quiet=True)


def test_the_users_pictures_are_used_and_a_changed_one_is_noticed(workspace: Workspace, tmp_path: Path) -> None:
    import cv2

    publish(workspace, EMPTY)
    mine = tmp_path / "mine"
    mine.mkdir()
    for seed in range(12):
        cv2.imwrite(str(mine / f"{seed}.png"), np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8))
    (mine / "bad.png").write_text("bad")
    config = PairsConfig(**{**vars(SMALL), "picture_share": 1.0, "backgrounds": (str(mine),)})
    result = run_stage(STAGE, workspace, config, Engine(), quiet=True)
    assert (result.counts.kept, result.counts.quarantined) == (4, 1)
    places: dict[str, set[object]] = {}
    for row in rows_of(workspace):
        for view in row["views"]:
            assert view["place"] == "picture"
            places.setdefault(row["split"], set()).add(view["background"])
    assert not places["train"] & places["test"]
    assert not run_stage(STAGE, workspace, config, Engine(), quiet=True).recomputed
    cv2.imwrite(str(mine / "0.png"), np.zeros((64, 64, 3), np.uint8))
    assert run_stage(STAGE, workspace, config, Engine(), quiet=True).recomputed


def motion_rows(workspace: Workspace, videos: dict[str, str]) -> list[Row]:
    """videos: name of a motion -> its split; each is fitted to a video of its own."""
    rows: list[Row] = []
    for number, (name, split) in enumerate(videos.items()):
        turn = np.zeros((60, 3, 3), np.float32) + np.eye(3, dtype=np.float32)
        place = np.zeros((60, 3), np.float32) + number
        with workspace.publish(f"motions/files/{name}.npz") as path:
            Recorded(Pose({"root": turn, "head": turn}, place, {}), 30.0).save(path)
        about = {"split": split, "path": f"motions/files/{name}.npz", "seconds": 59 / 30, "video_id": f"video-{name}"}
        rows.append(
            {
                "id": f"motion-{name}",
                "parent_id": None,
                "status": Status.KEPT,
                "licence": "CC0",
                "consent": "y",
                **about,
            }
        )
    return rows


def video_rows(motions_of: list[Row]) -> list[Row]:
    """Of the videos that motions were taken from."""
    names = [row["video_id"] for row in motions_of]
    return [{"id": name, "parent_id": name, "status": Status.KEPT, "licence": "CC0", "consent": "y"} for name in names]


def test_recorded_motions_of_a_split_are_followed_in_it(workspace: Workspace) -> None:
    rows = motion_rows(workspace, {"train": "train", "test": "test"})
    publish(workspace, EMPTY | {ingest.STAGE: video_rows(rows), motions.STAGE: rows})
    run_stage(STAGE, workspace, PairsConfig(**{**vars(SMALL), "recorded_share": 1.0}), Engine(), quiet=True)
    assert {row["source"] for row in rows_of(workspace)} == {"motion-train", "motion-test"}
    assert all(row["source"] == f"motion-{row['split']}" for row in rows_of(workspace))
    for row in rows_of(workspace):
        origin = {"kind": "video", "id": f"video-{row['split']}", "licence": "CC0", "consent": "y"}
        assert row["origins"] == [origin]
        with tarfile.open(workspace.local(row["shard_path"])) as tar:
            about = json.loads(tar.extractfile(f"{row['id']}.json").read())  # type: ignore[union-attr]
        assert about["origins"] == [origin]


def test_a_motion_that_leaves_changes_the_shards_that_followed_it(workspace: Workspace) -> None:
    config = PairsConfig(**{**vars(SMALL), "recorded_share": 0.5, "train_groups": 8, "groups_per_shard": 1})
    rows = motion_rows(workspace, dict.fromkeys("abcd", "train"))
    videos = {ingest.STAGE: video_rows(rows)}
    publish(workspace, EMPTY | videos | {motions.STAGE: rows})
    run_stage(STAGE, workspace, config, Engine(), quiet=True)
    before, used = shards(workspace), {row["shard_path"]: row["source"] for row in rows_of(workspace)}
    gone = next(source for source in used.values() if source != "procedural")
    publish(workspace, EMPTY | videos | {motions.STAGE: [row for row in rows if row["id"] != gone]})
    run_stage(STAGE, workspace, config, Engine(), quiet=True)
    after = shards(workspace)
    held = {path.rsplit("/", 1)[1] for path, source in used.items() if source == gone}
    assert before.keys() - after.keys() == held
    assert all(after[name] == content for name, content in before.items() if name not in held)


@pytest.mark.parametrize(
    "wrong",
    [
        {"train_groups": -1}, {"frames": 0}, {"size": 33}, {"size": 0}, {"identities": 1}, {"fps": 0.0},
        {"groups_per_shard": 0}, {"picture_share": 1.5}, {"recorded_share": -0.1}, {"seed": -3},
    ],
)  # fmt: skip
def test_wrong_values_are_named(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name) as error:
        PairsConfig(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)

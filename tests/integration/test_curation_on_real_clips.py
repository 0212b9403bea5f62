"""Shots, people, clips and identities on real videos, held against what people see (../shared/clips/manifest.csv)."""

import shutil
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines import manifest as manifests
from pipelines.curation import clips as clips_stage
from pipelines.curation import ingest, people
from pipelines.curation.decode import DecordDecoder, Frame, PyAvDecoder
from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.identities import stage as identities
from pipelines.curation.shots import CutDetector, may_cut, windows
from pipelines.curation.transnet import TransNet
from pipelines.curation.whole_body import keypoints_of
from pipelines.engine import Engine, Row
from pipelines.manifest import Status
from pipelines.stage import Stage, run_stage
from pipelines.workspace import Workspace, file_sha256

BATCH = "test"
SIZE = (640, 360)
FPS = 24


def write_video(path: Path, frames: Iterable[Frame]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "16"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    return path


def excerpt(path: Path, start: float, end: float) -> list[Frame]:
    """Frames at the rate of the source, at most `FPS`."""
    return [frame for _, frame in PyAvDecoder(FPS, SIZE).frames(path, start, end)]


def ingest_videos(workspace: Workspace, paths: Sequence[Path]) -> dict[str, str]:
    """Publish the manifest of the stage `videos`. Returns id -> file name."""
    rows: list[Row] = []
    for path in paths:
        sha256 = file_sha256(path)
        about = {"url": str(path), "licence": "CC-BY-4.0", "source": path.stem, "sha256": sha256}
        rows.append({"id": sha256[:32], "status": Status.KEPT, **about, **ingest.probe(path, 0.9)})
    manifests.write(workspace, f"videos/{BATCH}", manifests.build(rows, ingest.SCHEMA), "test", retry=0)
    return {row["id"]: path.name for row, path in zip(rows, paths, strict=True)}


def curate(workspace: Workspace, engine: Engine) -> list[str]:
    """Digests of the stages."""
    stages = (people.STAGE, clips_stage.STAGE)
    return [run_stage(s, workspace, s.config(), engine, BATCH, quiet=True).digest for s in stages]


class Curated:
    """Rows of a stage by the name of the video, in the order of time."""

    def __init__(self, workspace: Workspace, names: dict[str, str]) -> None:
        self.workspace, self._names = workspace, names

    def rows(self, stage: str, video: str, status: Status | None = None) -> list[Row]:
        rows = manifests.read(self.workspace, f"{stage}/{BATCH}").rows(status)
        return sorted(
            (row for row in rows if self._names.get(row["video_id"]) == video), key=lambda row: float(row["start_s"])
        )


@pytest.fixture(scope="module")
def curated(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Curated:
    """Two videos of one signer; a splice of another and a juggler; a room that is empty, then has someone in it."""
    folder = tmp_path_factory.mktemp("videos")
    splice = excerpt(clips / "asl" / "please.mkv", 0.5, 2.0) + excerpt(clips / "football_juggle.mp4", 0.0, 2.0)
    paths = [
        clips / "asl" / "again.mkv",
        clips / "asl" / "help.mkv",
        write_video(folder / "splice.mp4", splice),
        write_video(folder / "room.mp4", excerpt(clips / "walk_one_by_one.mp4", 0.0, 1.5)),
    ]
    workspace = Workspace(str(tmp_path_factory.mktemp("workspace")))
    names = ingest_videos(workspace, paths)
    curate(workspace, Engine(workers=1))
    return Curated(workspace, names)


@pytest.mark.slow
def test_takes_of_one_signer_at_one_desk_are_told_apart(workspace: Workspace, clips: Path, tmp_path: Path) -> None:
    """TransNet alone takes two of these four for cuts."""
    takes = [excerpt(clips / "asl" / f"{name}.mkv", 0.6, 1.9) for name in ("again", "no", "help", "book", "learn")]
    video = write_video(tmp_path / "joined.mp4", [frame for take in takes for frame in take])
    ingest_videos(workspace, [video])
    run_stage(people.STAGE, workspace, people.PeopleConfig(), Engine(), BATCH, quiet=True)
    shots = {
        (row["shot"], row["shot_start_s"]) for row in manifests.read(workspace, f"people/{BATCH}").rows(status=None)
    }
    found = sorted(start for number, start in shots if number)
    true = (np.cumsum([len(take) for take in takes])[:-1] / FPS).tolist()
    assert found == pytest.approx(true, abs=2.01 / FPS)


def test_padded_content_is_kept_at_its_own_rate_and_a_freeze_is_found(
    workspace: Workspace, clips: Path, tmp_path: Path
) -> None:
    new = excerpt(clips / "asl" / "sister.mkv", 0.2, 2.7)[::2]
    padded = [frame for frame in new for _ in range(2)]
    ingest_videos(workspace, [write_video(tmp_path / "v.mp4", [*padded[:32], *[padded[31]] * 24, *padded[32:]])])
    curate(workspace, Engine())
    rows = sorted(manifests.read(workspace, f"clips/{BATCH}").rows(status=None), key=lambda row: float(row["start_s"]))
    frozen = [row for row in rows if (row["reason"] or "").startswith("repeated_frames")]
    kept = [row for row in rows if row["status"] == Status.KEPT]
    assert [(row["start_s"], row["end_s"]) for row in frozen] == [pytest.approx((32 / FPS, 56 / FPS), abs=0.2)]
    assert [row["fps"] for row in kept] == pytest.approx([FPS / 2] * len(kept), abs=0.1)
    assert sum(row["seconds"] for row in kept) >= 2.0
    assert all(len(DecordDecoder(workspace.local(row["path"]))) == row["frames"] for row in kept)


def test_cuts_are_the_same_as_if_the_network_were_asked_everywhere(clips: Path) -> None:
    small = PyAvDecoder(size=(48, 27))
    parts = {"asl/again.mkv": 2.5, "football_juggle.mp4": 3.0, "asl/book.mkv": 3.5}
    taken = [[frame for _, frame in small.frames(clips / name, end=end)] for name, end in parts.items()]
    frames = [frame for part in taken for frame in part]
    network, expected, asked = TransNet(), [], []
    for window, first, count in windows(iter(frames)):
        expected += (network(window)[first : first + count] > 0.5).tolist()
        asked.append(may_cut(window, first, count))
    assert [probability > 0.5 for probability in CutDetector().stream(iter(frames))] == expected
    assert np.flatnonzero(expected).tolist() == [len(taken[0]) - 1, len(taken[0]) + len(taken[1]) - 1]
    assert False in asked, "nothing was saved"


def test_the_splice_is_cut_where_it_was_joined(curated: Curated) -> None:
    first, second = curated.rows("people", "splice.mp4")
    assert (first["shot"], second["shot"], first["shot_start_s"]) == (0, 1, 0)
    assert first["shot_end_s"] == second["shot_start_s"] == pytest.approx(36 / FPS, abs=2.1 / FPS)
    assert second["shot_end_s"] == pytest.approx(84 / FPS, abs=1e-3)
    assert {row["shot"] for row in curated.rows("people", "again.mkv")} == {0}


def test_a_signer_has_a_pose_and_a_face_in_every_frame_and_hands_in_most(curated: Curated) -> None:
    for row in (*curated.rows("people", "again.mkv"), curated.rows("people", "splice.mp4")[0]):
        assert row["pose_rate"] == row["face_rate"] == 1.0
        assert row["any_hand_rate"] > 0.75
    assert len(curated.rows("people", "again.mkv")) == 1


def test_the_juggler_is_one_person_from_head_to_foot(curated: Curated) -> None:
    _, juggler = curated.rows("people", "splice.mp4")
    assert juggler["pose_rate"] == 1.0
    with np.load(curated.workspace.local(juggler["path"]), allow_pickle=False) as track:
        feet = [kp.BODY.index(name) for name in ("left_ankle", "right_ankle", "nose")]
        assert (keypoints_of(track["landmarks"])[:, feet, 2] > 0.5).all(axis=1).mean() > 0.8
        assert (np.diff(track["times"]) > 0).all()
        assert ((track["boxes"][:, 3] - track["boxes"][:, 1]) > 0.6).all()


def test_left_and_right_are_the_persons_own(curated: Curated) -> None:
    """Whoever faces the camera has their left on the picture's right; the hands are at their wrists."""
    for row in (*curated.rows("people", "again.mkv"), curated.rows("people", "splice.mp4")[0]):
        with np.load(curated.workspace.local(row["path"]), allow_pickle=False) as track:
            points = keypoints_of(track["landmarks"])
        left, right = (points[:, kp.BODY.index(f"{side}_shoulder"), 0] for side in ("left", "right"))
        assert (left > right).all()
        face_left, face_right = (
            points[:, kp.FACE_SLICE.start + kp.FACE.index(f"{s}_jaw"), 0] for s in ("left", "right")
        )
        assert (face_left > face_right).all()
        for side, part in (("left", kp.LEFT_HAND_SLICE), ("right", kp.RIGHT_HAND_SLICE)):
            seen = points[:, part.start, 2] > 0
            wrist = points[:, kp.BODY.index(f"{side}_wrist")]
            assert np.linalg.norm(points[seen, part.start, :2] - wrist[seen, :2], axis=1).mean() < 0.08


def test_an_empty_room_is_rejected_with_its_reason(curated: Curated) -> None:
    (row,) = curated.rows("people", "room.mp4")
    assert (row["status"], row["reason"]) == (Status.REJECTED, "no_person")
    assert row["end_s"] - row["start_s"] == pytest.approx(15 / FPS, abs=1e-3)
    assert curated.rows("clips", "room.mp4") == []


def test_clips_are_square_steady_and_labelled(curated: Curated) -> None:
    kept = curated.rows("clips", "again.mkv", Status.KEPT) + curated.rows("clips", "splice.mp4", Status.KEPT)
    assert len(kept) == 3
    for row in kept:
        decoder = DecordDecoder(curated.workspace.local(row["path"]))
        points = np.load(curated.workspace.local(row["keypoints_path"]), allow_pickle=False)
        assert len(decoder) == row["frames"] == len(points)
        assert decoder.get_batch([0]).shape[1:] == (row["size"], row["size"], 3)
        assert points.dtype == np.float32
        assert points.shape[1:] == (kp.COUNT, 3)
        assert row["frames"] == pytest.approx((row["end_s"] - row["start_s"]) * row["fps"], abs=1.5)
        seen = points[..., 2] > 0.5
        # A hip just below the picture is still placed.
        assert ((points[seen][:, :2] > -0.01) & (points[seen][:, :2] < 1.01)).mean() > 0.97
        nose = points[:, kp.BODY.index("nose")]
        assert nose[:, 1].max() < 0.5
        assert row["sharpness"] > 100
        assert (row["licence"], row["reason"]) == ("CC-BY-4.0", None)
        assert curated.workspace.local(row["thumbnail_path"]).read_bytes()[:2] == b"\xff\xd8"


def test_one_signer_is_one_person_in_two_videos(curated: Curated) -> None:
    workspace = curated.workspace

    def run(stage: Stage) -> str:
        return run_stage(stage, workspace, stage.config(), Engine(workers=1), quiet=True).digest

    run(duplicates.STAGE)
    whole = manifests.read(workspace, "duplicates")
    late = curated.rows("clips", "help.mkv", Status.KEPT)[0]["video_id"]
    early = [row for row in whole.rows(None) if row["video_id"] != late]
    manifests.write(workspace, "duplicates", manifests.build(early, duplicates.SCHEMA), "early", retry=0)
    run(identities.STAGE)
    manifests.write(workspace, "duplicates", whole, "whole", retry=0)
    grown = run(identities.STAGE)
    rows = {row["id"]: row for row in manifests.read(workspace, "identities").rows()}
    again, help_, signer, juggler = (
        rows[row["id"]]
        for video in ("again.mkv", "help.mkv", "splice.mp4")
        for row in curated.rows("clips", video, Status.KEPT)
    )
    assert again["identity"] == help_["identity"]
    assert again["group"] == help_["group"]
    assert len({again["identity"], signer["identity"], juggler["identity"]}) == 3
    assert signer["group"] == juggler["group"] != again["group"]
    shutil.rmtree(workspace.local_root / "identities")
    workspace.remove(manifests.manifest_path("identities"))
    assert run(identities.STAGE) == grown


def test_run_again_does_nothing(curated: Curated) -> None:
    for stage in (people.STAGE, clips_stage.STAGE):
        again = run_stage(stage, curated.workspace, stage.config(), Engine(workers=1), BATCH, quiet=True)
        assert not again.recomputed


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    paths = [
        clips / "asl" / "eat.mkv",
        write_video(tmp_path / "juggle.mp4", excerpt(clips / "football_juggle.mp4", 0.0, 1.5)),
    ]
    contents = []
    for workers in (1, 2):
        workspace = Workspace(str(tmp_path / f"workspace-{workers}"))
        ingest_videos(workspace, paths)
        digests = curate(workspace, Engine(workers=workers))
        made = sorted(
            p for s in ("people", "clips") for p in (workspace.local_root / s).rglob("*.[nmj]p*") if p.is_file()
        )
        contents.append((digests, [(p.name, file_sha256(p)) for p in made]))
    assert contents[0] == contents[1]
    assert len(contents[0][1]) >= 8

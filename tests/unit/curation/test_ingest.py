"""Only whole, readable videos pass; each other file is named with what is wrong with it."""

import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import manifest as manifests
from pipelines.curation.ingest import STAGE, VideosConfig, probe
from pipelines.curation.listing import list_sources, write_batch
from pipelines.engine import Engine
from pipelines.errors import DataError, UsageError
from pipelines.fetch import FetchLimits
from pipelines.manifest import Status
from pipelines.params import Params
from pipelines.stage import Result, run_stage
from pipelines.workspace import Workspace
from tests.faulty_web import Web, serve
from tests.hostile import sound


def write_video(
    path: Path, frames: int = 24, size: tuple[int, int] = (64, 48), fps: int = 12, faststart: bool = True
) -> Path:
    """A small video of moving noise; with the header first, so that a cut leaves it readable."""
    options = {"movflags": "faststart"} if faststart and path.suffix == ".mp4" else {}
    generator = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float, name: str) -> Path:
    content = path.read_bytes()
    target = path.with_name(name)
    target.write_bytes(content[: int(len(content) * share)])
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm.mkv", ".avi"])
def test_probe_reads_what_was_written(tmp_path: Path, suffix: str) -> None:
    found = probe(write_video(tmp_path / f"v{suffix}"), 0.9)
    assert (found["codec"], found["width"], found["height"], found["frames"]) == ("h264", 64, 48, 24)
    assert found["fps"] == pytest.approx(12)
    assert found["duration"] == pytest.approx(2, abs=0.1)


def test_rotated_video_has_the_size_that_people_see(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO 14496-12: the track header's matrix, here a turn by 90 degrees
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
    found = probe(path, 0.9)
    assert (found["width"], found["height"], found["rotation"] % 180) == (48, 64, 90)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_truncated_video_is_told_from_a_whole_one(tmp_path: Path, suffix: str, share: float) -> None:
    whole = write_video(tmp_path / f"v{suffix}")
    probe(whole, 0.9)
    with pytest.raises(DataError, match=rf"cut{suffix}: is (truncated|not a video or is cut off)"):
        probe(cut(whole, share, f"cut{suffix}"), 0.9)


def test_mp4_without_its_header(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mp4", faststart=False)
    with pytest.raises(DataError, match=r"cut\.mp4: is not a video or is cut off; copy or download it again"):
        probe(cut(whole, 0.5, "cut.mp4"), 0.9)


def test_bad_files_beside_good_ones(workspace: Workspace, tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.mp4")
    (tmp_path / "copy of good.mp4").write_bytes(good.read_bytes())
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    result, rows = bring(workspace, [str(tmp_path / "gone.mp4"), *map(str, sorted(tmp_path.glob("*.mp4")))])
    assert (result.counts.kept, result.counts.rejected, result.counts.quarantined) == (1, 1, 3)
    reasons = sorted(str(row["reason"]).removeprefix(f"{tmp_path}/") for row in rows if row["status"] != Status.KEPT)
    assert reasons == [
        f"duplicate: same bytes as {tmp_path}/copy of good.mp4",
        "empty.mp4: is empty; copy or download it again",
        "gone.mp4: no such file; correct the path and ingest again",
        "text.mp4: is not a video or is cut off; copy or download it again, or convert it to H.264 in MP4",
    ]


def test_audio_is_no_video(tmp_path: Path) -> None:
    path = sound(tmp_path / "sound.mp4")
    with pytest.raises(DataError, match=r"sound\.mp4: has no video stream"):
        probe(path, 0.9)


def test_remote_source_is_fetched_into_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4")
    result, rows = bring(workspace, [f"file://{tmp_path}/v.mp4", f"file://{tmp_path}/gone.mp4"])
    assert (result.counts.kept, result.counts.quarantined) == (1, 1)
    kept = next(row for row in rows if row["status"] == Status.KEPT)
    assert workspace.local(kept["path"]).read_bytes() == (tmp_path / "v.mp4").read_bytes()


def test_link_with_a_password_leaves_no_trace_of_it(workspace: Workspace, tmp_path: Path) -> None:
    with serve(Web(write_video(tmp_path / "v.mp4").read_bytes(), password="Basic bWU6aHVudGVyMg==")) as web:
        wrong, right = web.url(user="me:hunter1@"), web.url(user="me:hunter2@")
        result, rows = bring(workspace, [wrong])
        assert (result.counts.quarantined, rows[0]["reason"]) == (
            1,
            f"{web.url()}: cannot be fetched (HTTP 401, access is denied); "
            "renew the link or the credentials and ingest again",
        )
        # The same batch again, with other credentials: what was refused is tried once more.
        result, rows = bring(workspace, [right])
    assert (result.counts.kept, rows[0]["url"]) == (1, web.url())
    holders = {
        path.name for path in workspace.local_root.rglob("*") if path.is_file() and b"hunter" in path.read_bytes()
    }
    assert holders == {".access.json"}


def test_link_that_wants_a_password_is_tried_again_with_one(workspace: Workspace, tmp_path: Path) -> None:
    with serve(Web(write_video(tmp_path / "v.mp4").read_bytes(), password="Basic bWU6aHVudGVyMg==")) as web:
        assert bring(workspace, [web.url()])[0].counts.quarantined == 1
        assert not bring(workspace, [web.url()])[0].recomputed
        assert bring(workspace, [web.url(user="me:hunter2@")])[0].counts.kept == 1


def test_bad_download_is_named_by_its_url_and_not_kept(workspace: Workspace) -> None:
    with serve(Web(b"<html>Please log in</html>")) as web:
        _, rows = bring(workspace, [web.url()])
    assert str(rows[0]["reason"]).startswith(f"{web.url()}: is not a video")
    assert workspace.children("videos/files") == []


def test_limits_are_settings_of_the_stage(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("videos: {fetch: {max_bytes: 5, attempts: 1}}")
    config = Params(tmp_path / "params.yaml").section("videos", VideosConfig)
    assert config.fetch == FetchLimits(max_bytes=5, attempts=1)
    (tmp_path / "params.yaml").write_text("videos: {fetch: {attempts: 0}}")
    with pytest.raises(UsageError, match="every limit must be more than nothing"):
        Params(tmp_path / "params.yaml").section("videos", VideosConfig)


def bring(workspace: Workspace, arguments: Sequence[str]) -> tuple[Result, list[dict[str, object]]]:
    batch = write_batch(workspace, list_sources(arguments, None, None))
    result = run_stage(STAGE, workspace, VideosConfig(), Engine(1), batch, quiet=True)
    return result, manifests.read(workspace, f"videos/{batch}").rows(status=None)

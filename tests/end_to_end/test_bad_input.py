"""Whatever is wrong gives one clear line that names it and the remedy; good files beside it still go through."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from toy_shards import write_toy_shards

from pipelines import manifest as manifests
from pipelines.workspace import Workspace

Command = Callable[..., "object"]


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with nobody in it: a slow pan over a smooth gradient."""
    path = tmp_path_factory.mktemp("videos") / "landscape.mp4"
    y, x = np.mgrid[0:120, 0:400]
    panorama = np.stack([x / 2, y + x / 8, 255 - y], -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height = 160, 120
        for step in range(24):
            frame = np.ascontiguousarray(panorama[:, 4 * step : 4 * step + 160])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, landscape: Path) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("these are not the frames\n" * 50)
    content = landscape.read_bytes()
    (folder / "truncated.mp4").write_bytes(content[: len(content) // 2])
    (folder / "bell\nin name.mp4").write_bytes(b"\x07")
    return folder


def test_bad_files_are_named_and_good_ones_go_through(
    command: Command, bad: Path, landscape: Path, tmp_path: Path
) -> None:
    done = command("ingest", bad, landscape, tmp_path / "gone.mp4", "--batch", "mixed", workspace=tmp_path / "w")
    assert done.code == 1
    assert "Traceback" not in done.everything
    for name, what in {
        "empty.mp4": "is empty; copy or download it again",
        "text.mp4": "is not a video or is cut off; copy or download it again",
        "truncated.mp4": "is not a video or is cut off; copy or download it again",
        "gone.mp4": "no such file; correct the path and ingest again",
        "bell\\nin name.mp4": "is not a video or is cut off",
    }.items():
        assert [line for line in done.complaints if f"{name}: {what}" in line], (name, done.complaints)
    kept = manifests.read(Workspace(str(tmp_path / "w")), "videos/mixed").rows()
    assert [row["url"] for row in kept] == [str(landscape)]


def test_video_without_people(command: Command, landscape: Path, tmp_path: Path) -> None:
    assert command("ingest", landscape, workspace=tmp_path / "w").code == 0
    done = command("curate", workspace=tmp_path / "w")
    assert done.code == 1
    assert done.complaints == [
        f"unimotion: {landscape}: no person was found in it; remove it, or use a video that shows one person larger"
    ]


def test_nothing_ingested(command: Command, tmp_path: Path) -> None:
    done = command("curate", workspace=tmp_path / "w")
    assert (done.code, done.complaints) == (
        1,
        [f"unimotion: workspace {tmp_path}/w: has no videos yet; run `unimotion ingest PATH...` first"],
    )


def test_unwritable_workspace(command: Command, landscape: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command("ingest", landscape, workspace=tmp_path / "file" / "w")
    assert done.code == 2
    assert len(done.complaints) == 1
    assert "cannot be written to (Not a directory); choose another --workspace" in done.complaints[0]


@pytest.mark.parametrize("arguments", [("ingest", "landscape"), ("train",)])
def test_read_only_workspace(
    command: Command, landscape: Path, mounted: Callable[[str], Path], arguments: tuple[str, ...]
) -> None:
    given = [landscape if argument == "landscape" else argument for argument in arguments]
    done = command(*given, workspace=mounted("ro,size=1m"))
    assert done.code == 2
    assert len(done.complaints) == 1
    assert "cannot be written to (Read-only file system); choose another --workspace" in done.complaints[0]


def test_full_disk(command: Command, landscape: Path, mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=64k")
    source = folder / "w"
    filler = 64 * 1024 - 24 * 1024
    (folder / "filler").write_bytes(os.urandom(filler))
    done = command("ingest", f"file://{landscape}", workspace=source)
    assert done.code == 1, done.everything
    assert len(done.complaints) == 1
    assert "the disk is full; free some space and run the same command again" in done.complaints[0]
    assert "Traceback" not in done.everything
    # With room again, the same command goes through.
    (folder / "filler").unlink()
    again = command("ingest", f"file://{landscape}", workspace=source)
    assert again.code == 0, again.everything


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("stage", "nonsense"), "nonsense: is not a stage; choose among sources, videos"),
        (("stage", "split", "--batch", "x"), "stage split has no batches"),
        (("ingest", "/", "--batch", "a/b"), "--batch a/b: use letters"),
        (("ingest", "s3://bucket/folder"), "s3://bucket/folder: reading s3:// needs the package s3fs; pip install"),
        (("ingest", "--layout", "kinetics"), "--layout kinetics: is not known; choose among humanvid"),
    ],
)
def test_wrong_use(command: Command, tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    if arguments[1] == "/":
        (tmp_path / "v.mp4").touch()
        arguments = (arguments[0], str(tmp_path / "v.mp4"), *arguments[2:])
    if arguments[1] == "--layout":
        arguments = (*arguments, str(tmp_path))
    done = command(*arguments, workspace=tmp_path / "w")
    assert done.code == 2
    assert len(done.complaints) == 1
    assert what in done.complaints[0]


def test_training_that_cannot_begin(command: Command, tmp_path: Path) -> None:
    """What is wrong with it is known before Ray or MLflow start."""
    write_toy_shards(Workspace(str(tmp_path / "w")))
    for settings, code, sentence in (
        (
            "preset: tiny, workers: 3",
            2,
            "train: batch 4 of phase perception cannot be shared by 3 workers; choose numbers",
        ),
        ("preset: tiny, start: gone", 1, "train: start gone: has no readable model.safetensors (No such file"),
    ):
        params = tmp_path / "params.yaml"
        params.write_text(f"train: {{{settings}}}")
        done = command("train", "--params", params, workspace=tmp_path / "w")
        assert (done.code, len(done.complaints)) == (code, 1), done.everything
        assert sentence in done.complaints[0]
        assert "Traceback" not in done.everything
    assert not (tmp_path / "w" / "mlflow").exists()

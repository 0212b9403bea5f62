"""Background pictures: found, bounded, split by a hash; bad ones are named in one sentence."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.errors import DataError, UsageError
from pipelines.manifest import Status
from pipelines.synthesis.scenes.pictures import (
    Pictures,
    contents,
    empty_stretches,
    gather,
    listed,
    read_picture,
    split_of,
)
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace


def save(path: Path, seed: int = 0, size: tuple[int, int] = (60, 80)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8))
    return path


def test_paths_folders_and_globs_are_listed_once(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a" / "one.png"), save(tmp_path / "a" / "b" / "two.jpg", 1)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    said: list[str] = []
    found = listed([str(tmp_path / "a"), str(first), str(tmp_path / "**" / "*.jpg")], said.append)
    assert found == sorted([first, second])
    assert [sentence.partition(";")[0] for sentence in said] == [f"{tmp_path / 'a'}: skipped 1 .txt"]
    before = contents([str(tmp_path / "a")])
    save(first, 5)
    assert contents([str(tmp_path / "a")]) != before
    for nothing in ("*.gif", "missing.png"):
        with pytest.raises(UsageError, match="finds no picture") as error:
            listed([str(tmp_path / nothing)])
        assert nothing in str(error.value)


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG that claims a size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def test_bad_pictures_are_refused_by_name(tmp_path: Path) -> None:
    torn = save(tmp_path / "torn.jpg")
    torn.write_bytes(torn.read_bytes()[:300])
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    huge, thin = bomb(tmp_path / "huge.png", 60_000, 60_000), save(tmp_path / "thin.png", size=(4, 200))
    for path in (torn, text, huge, thin, tmp_path / "gone.jpg"):
        with pytest.raises(DataError) as error:
            read_picture(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_bad_picture_costs_only_itself(tmp_path: Path, workspace: Workspace) -> None:
    for seed in range(3):
        save(tmp_path / "mine" / f"{seed}.png", seed, (900, 1400))
    (tmp_path / "mine" / "bad.png").write_text("bad")
    kept, lost = gather(workspace, "pairs/backgrounds", [str(tmp_path / "mine")], [], 0)
    assert len(kept) == 3
    (row,) = lost
    assert row["status"] == Status.QUARANTINED
    assert "bad.png" in row["reason"]
    for row in kept:
        picture = read_picture(workspace.local(row["path"]))
        assert max(picture.shape) <= 640
        assert row["split"] == split_of(row["id"])
    assert gather(workspace, "pairs/backgrounds", [str(tmp_path / "mine")], [], 0)[0] == kept


def test_frames_without_people_come_from_the_corpus(tmp_path: Path, workspace: Workspace) -> None:
    frames = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(20)]
    path = tmp_path / "v.mp4"
    path.write_bytes(encode_mp4(frames, 5.0))
    video = {"id": "v", "url": str(path), "path": None, "width": 64, "height": 48}

    def row(name: str, reason: str | None, start: float, end: float) -> dict[str, object]:
        status = Status.REJECTED if reason else Status.KEPT
        span = {"video_id": "v", "start_s": start, "end_s": end}
        return {"id": name, "status": status, "reason": reason, **span}

    rows = [row("t", None, 0, 2), row("e", "no_person", 2.0, 4.0), row("s", "too_short: 0.1 s", 0, 2)]
    rows.append(row("b", "no_person", 0.0, 0.3))
    stretches = empty_stretches([video], rows)
    assert [stretch["id"] for _, stretch in stretches] == ["e"]
    kept, lost = gather(workspace, "backgrounds", [], stretches, 8)
    assert not lost
    assert len(kept) == 2
    assert {row["split"] for row in kept} == {split_of("v")}
    levels = sorted(float(read_picture(workspace.local(row["path"])).mean()) for row in kept)
    assert levels[0] > 95  # none from the first two seconds, where somebody is
    path.write_bytes(b"gone")
    assert "v.mp4" in gather(workspace, "other", [], stretches, 8)[1][0]["reason"]


def test_pictures_are_drawn_within_their_split_and_share() -> None:
    pictures = Pictures(by_split={"train": {"a": "a", "b": "b"}, "test": {"c": "c"}})
    rng = np.random.default_rng(0)
    drawn = [pictures.draw(rng, "train", 0.5) for _ in range(300)]
    assert set(drawn) == {"a", "b", ""}
    assert 0.4 < np.mean([bool(name) for name in drawn]) < 0.6
    assert {pictures.draw(rng, "test", 1.0) for _ in range(20)} == {"c"}
    assert {pictures.draw(rng, "validation", 1.0) for _ in range(20)} == {""}


def test_most_pictures_are_for_training_and_none_is_left_out() -> None:
    splits = [split_of(str(number)) for number in range(1000)]
    assert 600 < splits.count("train") < 800
    assert splits.count("validation") > 60
    assert splits.count("test") > 140

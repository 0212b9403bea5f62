"""What is read is what a player shows, in whatever container: the right frames, at their times, in their shape."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.curation.decode import Frame, PyAvDecoder, pictures, pictures_at
from pipelines.curation.ingest import probe
from pipelines.errors import DataError
from tests.hostile import Film, encode, film, films

_FRAME_S = 1 / 24
_TURNED = [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000]


def whole(path: Path) -> list[tuple[float, Frame]]:
    """(time, frame) by one decode from the start."""
    return list(PyAvDecoder().frames(path))


def check(made: Film, every: int) -> None:
    """One decode tells what was filmed; every n-th frame alone is the same one; the manifest says no more and no less.

    H.264 in MPEG-PS, which has too few times for that, is refused.
    """
    name = made.path.name
    if name.endswith(".mpg") and "libx264" in name:
        with pytest.raises(DataError, match="has frames without time stamps"):
            probe(made.path, 0.9)
        return
    about = probe(made.path, 0.9)
    shown = whole(made.path)
    assert [made.number(frame) for _, frame in shown] == list(range(made.first, made.first + len(made.times))), name
    times = np.array([time for time, _ in shown])
    assert np.abs(times - made.times).max() < _FRAME_S / 2, name
    assert abs(about["frames"] - len(made.times)) <= 1, name
    assert about["duration"] == pytest.approx(made.times[-1] + _FRAME_S, abs=3 * _FRAME_S), name
    assert (about["width"], about["height"]) == made.size == shown[0][1].shape[1::-1], name
    for time, frame in shown[::every]:
        (alone,) = pictures_at(made.path, [time])
        assert (alone.rgb() == frame).all(), f"{name} at {time}"


def test_a_sample_of_containers_is_read_right(tmp_path: Path) -> None:
    for made in films(tmp_path, 36, seed=1, frames=60):
        check(made, every=17)


@pytest.mark.slow
def test_every_container_is_read_right(tmp_path: Path) -> None:
    for made in films(tmp_path, 432, seed=2):
        check(made, every=5)
        made.path.unlink()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("v.ts", "libx264"),
        ("v.m2ts", "libx265"),
        ("v.mpg", "mpeg1video"),
        ("v.avi", "libx264"),
        ("v.avi", "mpeg4"),
        ("v.flv", "libx264"),
        ("v.mp4", "libx265"),
    ],
)
def test_every_frame_is_found_after_a_seek(tmp_path: Path, name: str, codec: str) -> None:
    check(film(tmp_path / name, codec), every=1)


def test_fragments_and_a_cover_before_the_video(tmp_path: Path) -> None:
    check(film(tmp_path / "parts.mp4", "libx264", 12, {"parts"}), every=3)
    check(film(tmp_path / "cover.mp4", "libx264", 48, {"cover"}), every=20)
    with av.open(str(tmp_path / "cover.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["mjpeg", "h264"]


@pytest.mark.parametrize("kind", ["mkv", "flv", "webm"])
def test_sound_that_is_longer_is_no_promise_of_pictures(tmp_path: Path, kind: str) -> None:
    codec = "libvpx-vp9" if kind == "webm" else "libx264"
    made = film(tmp_path / f"whole.{kind}", codec, 12, {"sound"}, frames=48)
    check(made, every=10)
    content = made.path.read_bytes()
    cut = made.path.with_name(f"cut.{kind}")
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is truncated"):
        probe(cut, 0.9)


def test_frames_that_were_dropped_while_filming_are_not_missing(tmp_path: Path) -> None:
    made = film(tmp_path / "v.avi", "mjpeg", 12, {"vary"}, frames=60)
    check(made, every=7)
    content = made.path.read_bytes()
    made.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is truncated"):
        probe(made.path, 0.9)


def test_an_edit_list_is_kept_to(tmp_path: Path) -> None:
    made = film(tmp_path / "edited.mov", "libx264", 48, {"edit"})
    assert probe(made.path, 0.9)["frames"] == 90
    check(made, every=7)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_pixels_are_made_square(tmp_path: Path, codec: str) -> None:
    """PAL: 720 x 576 for 4:3; a disc as people see it is round."""
    path = tmp_path / "pal.mkv"
    disc = np.zeros((576, 720, 3), np.uint8)
    cv2.ellipse(disc, (360, 288), (187, 200), 0, 0, 360, (255, 255, 255), -1)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(disc)))
        container.mux(stream.encode(None))
    about = probe(path, 0.9)
    assert (about["width"], about["height"]) == (768, 576)
    white = whole(path)[0][1][..., 0] > 128
    assert white.shape == (576, 768)
    assert abs(np.ptp(np.flatnonzero(white.any(0))) - np.ptp(np.flatnonzero(white.any(1)))) <= 3


def with_matrix(path: Path, matrix: list[int]) -> Path:
    """Write a display matrix into the header of an MP4 file (ISO 14496-12, tkhd)."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "shown"),
    [
        (1, 0, 0, 1, lambda coded: coded),
        (-1, 0, 0, 1, lambda coded: coded[:, ::-1]),
        (1, 0, 0, -1, lambda coded: coded[::-1]),
        (-1, 0, 0, -1, lambda coded: coded[::-1, ::-1]),
        (0, 1, -1, 0, lambda coded: coded.transpose(1, 0, 2)[:, ::-1]),
        (0, -1, 1, 0, lambda coded: coded.transpose(1, 0, 2)[::-1]),
        (0, 1, 1, 0, lambda coded: coded.transpose(1, 0, 2)),
        (0, -1, -1, 0, lambda coded: coded.transpose(1, 0, 2)[::-1, ::-1]),
    ],
)
def test_turned_and_mirrored(
    tmp_path: Path, a: int, b: int, c: int, d: int, shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    """A point (x, y) of the coded picture is shown at (a x + c y, b x + d y)."""
    coded = whole(encode(tmp_path / "v.mp4"))[3][1]
    one = 0x10000
    path = with_matrix(tmp_path / "v.mp4", [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000])
    assert (whole(path)[3][1] == shown(coded)).all()


def test_a_picture_that_is_shown_aslant_is_refused(tmp_path: Path) -> None:
    path = with_matrix(encode(tmp_path / "v.mp4"), [56756, 32768, 0, -32768, 56756, 0, 0, 0, 0x40000000])
    with pytest.raises(DataError, match=r"v\.mp4: is shown turned by -?\d+ degrees; convert it"):
        probe(path, 0.9)


def joined(path: Path, *parts: Film) -> Path:
    path.write_bytes(b"".join(part.path.read_bytes() for part in parts))
    return path


def test_recordings_that_were_joined_are_refused_by_name(tmp_path: Path) -> None:
    short, long = film(tmp_path / "short.ts", "libx264", frames=48), film(tmp_path / "long.ts", "libx264")
    path = joined(tmp_path / "joined.ts", short, long)
    with pytest.raises(DataError, match=r"joined\.ts: its clock jumps from 1\.\d\d to -?0\.\d\d s"):
        probe(path, 0.9)
    with pytest.raises(DataError, match="its clock jumps"):
        whole(path)
    late = film(tmp_path / "late.ts", "libx264", 12, {"late"})
    with pytest.raises(DataError, match=r"set\.ts: its clock jumps from 1\.\d\d to 12\.\d\d s"):
        probe(joined(tmp_path / "set.ts", short, late), 0.9)
    probe(joined(tmp_path / "paused.ts", long, late), 0.9)  # seven seconds are a pause


@pytest.mark.parametrize("kind", ["flv", "avi"])
def test_a_recording_that_no_player_comes_to_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    one = film(tmp_path / f"one.{kind}", "libx264", frames=48)
    probe(one.path, 0.9)
    with pytest.raises(DataError, match=r"joined\.\w+: another recording follows the first; cut it there"):
        probe(joined(tmp_path / f"joined.{kind}", one, one), 0.9)


def changing(path: Path, *kinds: dict[str, Any]) -> Path:
    """12 frames of each kind (see `encode`), one after the other, in a transport stream."""
    for number, kind in enumerate(kinds):
        part = path.with_name(f"part{number}.ts")
        encode(part, **kind, times=lambda index, after=24 + 12 * number: index + after)
    path.write_bytes(b"".join(path.with_name(f"part{number}.ts").read_bytes() for number in range(len(kinds))))
    return path


def check_alone(path: Path, frames: list[tuple[float, Frame]]) -> None:
    """Each of all frames is the same one where it is asked for alone."""
    for time, frame in frames:
        (alone,) = pictures_at(path, [time])
        assert (alone.rgb() == frame).all(), time


def test_another_resolution_fills_the_same_screen(tmp_path: Path) -> None:
    path = changing(tmp_path / "v.ts", {"size": (96, 64)}, {"size": (48, 32)}, {"size": (96, 64)})
    frames = whole(path)
    assert len(frames) == 36 == probe(path, 0.9)["frames"]
    assert {frame.shape for _, frame in frames} == {(64, 96, 3)}
    for (_, frame), (_, small) in zip(frames[12:24], whole(tmp_path / "part1.ts"), strict=True):
        larger = cv2.resize(small, (96, 64), interpolation=cv2.INTER_LINEAR)
        assert np.abs(frame.astype(float) - larger).mean() < 4
    check_alone(path, frames)


def test_another_pixel_format_is_read(tmp_path: Path) -> None:
    kinds = [{"pixels": "yuv420p"}, {"pixels": "yuv444p"}, {"pixels": "yuv420p10le"}]
    path = changing(tmp_path / "v.ts", *kinds)
    frames = whole(path)
    assert len(frames) == 36
    for number in range(3):
        same = np.stack([frame for _, frame in frames[12 * number :][:12]]).astype(float)
        assert np.abs(same - np.stack([frame for _, frame in frames[:12]])).mean() < 3
    check_alone(path, frames)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_a_recording_may_begin_between_key_frames(tmp_path: Path, codec: str) -> None:
    content = film(tmp_path / "whole.ts", codec, 48).path.read_bytes()
    path = tmp_path / "v.ts"
    path.write_bytes(content[len(content) // 3 // 188 * 188 :])
    frames = whole(path)
    about = probe(path, 0.9)
    assert len(frames) == about["frames"] == 72
    assert about["duration"] == pytest.approx(3, abs=_FRAME_S)
    assert frames[0][0] == 0
    check_alone(path, frames[::5])


def test_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    path = changing(tmp_path / "v.ts", {"size": (96, 64)}, {"size": (64, 96)})
    with pytest.raises(DataError, match=r"its picture changes its shape at 1\.00 s \(96 x 64 pixels at first, then 64"):
        list(pictures(path))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tiff", "a.avif", "photo.mp4"])
def test_a_photo_is_no_video(tmp_path: Path, name: str) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    photo.save(tmp_path / name, format="JPEG" if name == "photo.mp4" else None)
    with pytest.raises(DataError, match=rf"{name}: is a photo; only videos can be ingested"):
        probe(tmp_path / name, 0.9)


def test_pictures_that_move_are_a_video(tmp_path: Path) -> None:
    photos = [Image.fromarray(np.full((48, 64, 3), 20 * index, np.uint8)) for index in range(10)]
    photos[0].save(tmp_path / "a.gif", save_all=True, append_images=photos[1:], duration=40)
    assert probe(tmp_path / "a.gif", 0.9)["frames"] == 10 == len(whole(tmp_path / "a.gif"))

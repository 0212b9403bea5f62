"""Photos come out as a viewer shows them, or are refused in one sentence."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import DataError
from pipelines.photo import is_photo, read_photo

RAMP = np.linspace(0, 65_535, 32 * 32).reshape(32, 32)
RED = (200, 10, 10)


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm"])
def test_grey_of_16_bits_keeps_its_shades(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".pgm"):
        path.write_bytes(b"P5 32 32 65535\n" + RAMP.astype(">u2").tobytes())
    else:
        Image.fromarray(RAMP.astype(np.uint16)).save(path)
    found = read_photo(path)
    assert found.shape == (32, 32, 3)
    assert np.abs(found - RAMP[..., None] / 257).max() <= 1


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_without_a_known_white_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray((RAMP * 10).astype(kind)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match=r"deep\.tif: is not a readable image \(its pixels are not .*; use PNG or JPEG"):
        read_photo(tmp_path / "deep.tif")


def noise_behind_red() -> np.ndarray:
    """Red in the middle; transparent around it, where an editor left noise."""
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[8:24, 8:24] = (*RED, 255)
    return pixels


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "RGB"])
def test_nothing_shines_through_from_under_transparency(tmp_path: Path, mode: str) -> None:
    pixels, path = noise_behind_red(), tmp_path / "cut.png"
    if mode == "P":
        indices = np.where(pixels[..., 3] > 0, 1, 0).astype(np.uint8)
        image = Image.fromarray(indices, "P")
        image.putpalette([0, 255, 0, *RED])
        image.save(path, transparency=0)
    elif mode == "RGB":
        pixels[pixels[..., 3] == 0] = (0, 255, 0, 0)
        Image.fromarray(pixels[..., :3]).save(path, transparency=(0, 255, 0))
    else:
        Image.fromarray(pixels).convert(mode).save(path)
    found = read_photo(path)
    assert (found[0] == 255).all()
    assert np.allclose(found[16, 16], RED if mode != "LA" else found[16, 16, 0], atol=1)
    assert found[16, 16, 1] < 100


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (0, 0, 0, 128)).save(tmp_path / "half.png")
    assert np.abs(read_photo(tmp_path / "half.png").astype(int) - 127).max() <= 1


def ink_profile(cyan: tuple[int, int, int]) -> bytes:
    """The smallest profile of four inks: paper is white, cyan has this colour (Lab), and with black nothing is seen."""
    white, black = (255, 128, 128), (0, 128, 128)
    corners = b"".join(bytes(black if corner & 1 else cyan if corner & 8 else white) for corner in range(16))
    straight = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65_536 * (number % 4 == 0)) for number in range(9))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + straight * 4 + corners + straight * 3
    table += bytes(-len(table) % 4)
    light = struct.pack(">3i", 63_190, 65_536, 54_061)
    paper = b"XYZ " + bytes(4) + light
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(paper), b"A2B0", 156 + len(paper), len(table))
    content = tags + paper + table
    kinds = (0x02400000, b"prtr", b"CMYK", b"Lab ", b"", b"acsp")
    header = struct.pack(">I4sI4s4s4s12s4s", 128 + len(content), b"", *kinds)
    return header + bytes(68 - len(header)) + light + bytes(48) + content


def test_inks_have_the_colours_of_their_profile(tmp_path: Path) -> None:
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(tmp_path / "plain.jpg", quality=100)
    assert np.allclose(read_photo(tmp_path / "plain.jpg")[0, 0], (0, 255, 255), atol=3)
    profile = ink_profile((128, 128, 128))  # L 50: a middle grey
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(tmp_path / "ink.jpg", quality=100, icc_profile=profile)
    assert np.allclose(read_photo(tmp_path / "ink.jpg")[0, 0], 119, atol=3)
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(tmp_path / "bad.jpg", quality=100, icc_profile=profile[:150])
    assert np.allclose(read_photo(tmp_path / "bad.jpg")[0, 0], (0, 255, 255), atol=3)


def empty_png(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises so many pixels; there are none."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(
    ("side", "what"), [(16_000, "more than 100 million pixels"), (11_000, "11000 x 11000 pixels"), (1_000, "readable")]
)
def test_a_photo_that_is_too_large_is_one_sentence(tmp_path: Path, side: int, what: str) -> None:
    path = empty_png(tmp_path / "large.png", side, side)
    assert is_photo(path)
    with pytest.raises(DataError, match=rf"^{path}: .*{what}"):
        read_photo(path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff"])
def test_what_is_no_image_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    assert not is_photo(path)
    with pytest.raises(DataError, match=r"bad\.png: is not a readable image"):
        read_photo(path)

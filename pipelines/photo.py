"""Photos as a viewer sees them, whatever a file stores: depth, palette, transparency, inks, orientation."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError, one_line

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST = 100_000_000  # pixels; more is a decompression bomb
_DEEPEST = 65_535  # of 16 bits; what is deeper has no known white


def is_photo(path: Path) -> bool:
    """Whether a file is a single image, be it one that is too large to be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) == 1
    except Image.DecompressionBombError:
        return True
    except Exception:  # each format fails in its own way
        return False


def read_photo(path: Path) -> NDArray[np.uint8]:
    """RGB (H, W, 3), see `rgb_of`. Raises: DataError where it is no image, or one that is too large."""
    from PIL import Image

    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the path")
    try:
        with Image.open(path) as image:
            if image.width * image.height > _LARGEST:
                raise DataError(f"{path}: has {image.width} x {image.height} pixels; scale it down first")
            return rgb_of(image)
    except (DataError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: has more than {_LARGEST // 10**6} million pixels; scale it down first") from error
    except Exception as error:  # each format fails in its own way
        raise DataError(f"{path}: is not a readable image ({one_line(str(error))}); use PNG or JPEG") from error


def rgb_of(image: "Image") -> NDArray[np.uint8]:
    """RGB (H, W, 3): upright by EXIF; of 16 bits the upper ones; inks by their profile, where there is one;
    transparency over white.

    Raises: ValueError where white has no known value: numbers of more than 16 bits, or fractions.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F" or upright.mode.startswith("I"):
        return _grey_of(np.asarray(upright))
    if upright.mode == "CMYK":
        return np.array(_without_inks(upright))
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        return np.array(Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB"))
    return np.array(upright.convert("RGB"))


def _grey_of(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """values: (H, W) of 16 bits."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > _DEEPEST:
        raise ValueError("its pixels are not whole numbers of 8 or 16 bits")
    grey = np.round(values.astype(np.float32) / (_DEEPEST / 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _without_inks(image: "Image") -> "Image":
    from PIL import ImageCms

    if profile := image.info.get("icc_profile"):
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            screen = ImageCms.profileToProfile(image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if screen is not None:
                return screen
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one of something else than inks: as if there were none
    return image.convert("RGB")

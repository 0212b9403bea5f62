"""How places in the photo (`View.source`) are stored: in 16 bits from one side beyond the picture to the other.

Whole numbers k mean k / 21845 - 1, from -1 to 2 in shares of the photo's sides; what is farther off is put there. In a
row each tells how much it is more than the one before it (modulo 2^16), as small numbers that repeat pack well.
"""

import numpy as np
from numpy.typing import NDArray

_LOW, _HIGH = -1.0, 2.0
_STEPS = 21845  # per side of the photo


def pack(places: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Places (..., H, H, 2), x and y, as whole numbers (2, ..., H, H)."""
    numbers = np.rint((np.clip(places, _LOW, _HIGH) - _LOW) * _STEPS).astype(np.uint16)
    return np.asarray(np.diff(np.moveaxis(numbers, -1, 0), axis=-1, prepend=np.uint16(0)), np.uint16)


def unpack(packed: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Whole numbers (2, ..., H, H) as places (..., H, H, 2)."""
    numbers = np.cumsum(packed, axis=-1, dtype=np.uint16)
    return np.moveaxis(numbers, 0, -1).astype(np.float32) / np.float32(_STEPS) + np.float32(_LOW)

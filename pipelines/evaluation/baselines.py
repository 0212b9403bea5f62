"""What any model must beat."""

import numpy as np
from numpy.typing import NDArray


def copy_reference(reference: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """The reference image (H, W, 3), unmoved, for every frame: (frames, H, W, 3)."""
    return np.broadcast_to(reference, (frames, *reference.shape))

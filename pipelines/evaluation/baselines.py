"""What stands beside a model's figures: what any model must beat, and what nobody can."""

import numpy as np
from numpy.typing import NDArray

COPY, TRUTH = "copy-reference", "truth"


def copy_reference(reference: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """The reference image (H, W, 3), unmoved, for every frame: (frames, H, W, 3)."""
    return np.broadcast_to(reference, (frames, *reference.shape))


def baselines(reference: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The reference, unmoved, and the truth (T, H, W, 3) itself, which tells where the judges end."""
    return {COPY: copy_reference(reference, len(truth)), TRUTH: truth}

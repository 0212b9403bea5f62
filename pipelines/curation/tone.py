"""Pictures that were graded for displays of high dynamic range (PQ, HLG), as other displays show them.

Light is found by BT.2100 for a display of 1000 cd/m2. What is as bright as paper at most (203 cd/m2, BT.2408) keeps its
place on a display of 100 cd/m2 (BT.1886), nearly; what is brighter is pressed together between there and white.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_PQ, _HLG = 16, 18  # FFmpeg's numbers of the transfer functions (ITU-T H.273)
HDR = frozenset({_PQ, _HLG})
_PAPER, _PEAK = 203.0, 1000.0  # cd/m2
_LINEAR = 0.6  # of paper; what is brighter is pressed together
_GAMMA = 2.4
_STEPS = 4095
# Linear light of BT.2020 in primaries of BT.709 (BT.2087).
_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]], np.float32)


def tone_mapped(picture: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """RGB (H, W, 3) in BT.709 of one in BT.2020, 16 bits, with one of the `HDR` transfers."""
    import cv2

    light = np.take(_light(transfer), picture)
    if transfer == _HLG:  # the system gamma of the display: 1.2 on what the camera saw
        light *= np.maximum(cv2.transform(light, _LUMINANCE), 1e-6)[..., None] ** np.float32(0.2)
        light *= np.float32(_PEAK / _PAPER)
    light = cv2.transform(light, _TO_709)
    np.maximum(light, 0, out=light)
    brightest = light.max(-1, keepdims=True)
    light *= _pressed(brightest) / np.maximum(brightest, 1e-6)
    shown: NDArray[np.uint8] = np.take(_signal(), np.minimum(light * _STEPS + 0.5, _STEPS).astype(np.uint16))
    return shown


def _pressed(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light in units of paper, to 1 at the peak; smooth at `_LINEAR`, below which it stays (a Möbius curve)."""
    peak = _PEAK / _PAPER
    above = np.maximum(light - _LINEAR, 0)
    bend = 1 / (1 - _LINEAR) - 1 / (peak - _LINEAR)
    pressed: NDArray[np.float32] = np.minimum(light, _LINEAR) + above / (1 + bend * above)
    return pressed


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """For each of 65536 signals, white at 255 * 256: PQ: light in units of paper; HLG: what the camera saw, to 1."""
    signal = np.minimum(np.arange(65536) / (255 * 256), 1)
    if transfer == _PQ:
        root = signal ** (1 / 78.84375)
        light = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return (np.minimum(light, _PEAK) / _PAPER).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@cache
def _signal() -> NDArray[np.uint8]:
    return np.round(255 * (np.arange(_STEPS + 1) / _STEPS) ** (1 / _GAMMA)).astype(np.uint8)

"""Facial actions from the 25 points of a face: the ones whose effect on the body model's own points explains best what
is seen. Where the eyes look is not among them, for no point is on an iris."""

import functools

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.synthesis.scenes.scene import Floats

# What 25 points can tell apart; others stay 0.
FITTED = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "mouthFunnel", "browInnerUp", "browDownLeft",
    "browDownRight", "browOuterUpLeft", "browOuterUpRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft",
    "eyeWideRight", "mouthLeft", "mouthRight",
)  # fmt: skip
_RIGID = [kp.FACE.index(name) for name in ("left_eye_outer", "left_eye_inner", "right_eye_outer", "right_eye_inner",
                                           "nose_bridge", "nose_tip")]  # fmt: skip
_NECK = ("root", "spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "neck02", "neck03", "head")
_RIDGE = 0.06
_STEPS = 80


@functools.cache
def _model() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The face at rest (25, 3) and how each fitted action moves it (A, 25, 3), metres."""
    from pipelines.synthesis.body.model import AnnyBody, Pose

    body, count = AnnyBody(), len(FITTED) + 1
    actions = {name: np.eye(count, dtype=np.float32)[row + 1] for row, name in enumerate(FITTED)}
    points = body.pose({"age": 2 / 3}, Pose({}, np.zeros((count, 3), np.float32), actions)).points[:, kp.FACE_SLICE]
    rest = points[0].astype(np.float64)
    return rest, points[1:] - rest


def fit_face(
    seen: NDArray[np.float32], confidence: NDArray[np.float32], rotations: NDArray[np.float32], bones: tuple[str, ...]
) -> dict[str, Floats]:
    """Actions (T,) in [0, 1]. seen (T, 88, 2): heights of the frame, x right, z up; confidence (T, 88); rotations
    (T, B, 3, 3) of `bones`, from the fit of the body. Frames without a face are at rest.
    """
    rest, moves = _model()
    head = np.eye(3)
    for bone in _NECK:
        head = head @ rotations[:, bones.index(bone)].astype(np.float64)
    look = head[:, [0, 2]]  # (T, 2, 3): onto the picture
    known = (confidence[:, kp.FACE_SLICE] > 0).all(1)
    found = np.zeros((len(seen), len(FITTED)))
    if known.any():
        points = seen[known][:, kp.FACE_SLICE].astype(np.float64)
        flat = np.einsum("tij,pj->tpi", look[known], rest)
        spin = _similarity(flat[:, _RIGID], points[:, _RIGID])
        off = (points - points[:, _RIGID].mean(1, keepdims=True)) @ np.linalg.inv(spin) - (
            flat - flat[:, _RIGID].mean(1, keepdims=True)
        )
        # A person's own face differs from the mean one: what most frames share is theirs.
        off = off - np.median(off, axis=0) if known.sum() > 10 else off
        basis = np.einsum("tij,apj->tapi", look[known], moves)
        basis = basis - basis[:, :, _RIGID].mean(2, keepdims=True)
        found[known] = _bounded(basis.reshape(*basis.shape[:2], -1), off.reshape(len(off), -1))
    return {name: found[:, row].astype(np.float32) for row, name in enumerate(FITTED)}


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns with scale (T, 2, 2) that take rows of centred points (T, N, 2) to others, by least squares."""
    a, b = source - source.mean(1, keepdims=True), target - target.mean(1, keepdims=True)
    along, across = (a * b).sum((1, 2)), (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1)
    size = np.maximum((a**2).sum((1, 2)), 1e-9)
    turns = np.stack([np.stack([along, across], 1), np.stack([-across, along], 1)], 1)
    return np.asarray(turns / size[:, None, None])


def _bounded(basis: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (T, A) in [0, 1] with weights @ basis nearest to wanted (T, N), by projected gradients with ridge."""
    unit = np.sqrt((basis**2).sum(2).mean())
    basis, wanted = basis / unit, wanted / unit
    normal = basis @ np.swapaxes(basis, 1, 2) + _RIDGE * np.eye(basis.shape[1])
    right = np.einsum("tan,tn->ta", basis, wanted)
    step = 1 / np.linalg.eigvalsh(normal)[:, -1:]
    weights: NDArray[np.float64] = np.zeros_like(right)
    for _ in range(_STEPS):
        weights = np.clip(weights - step * (np.einsum("tab,tb->ta", normal, weights) - right), 0, 1)
    return weights

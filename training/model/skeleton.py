"""The baseline: the driver's 2D skeleton, drawn where it is, as pose-driven methods are told of the motion.

After Animate Anyone (arXiv 2311.17117), MagicPose (2311.12052) and Champ (2403.14781): an OpenPose figure of the
driver's own proportions goes through convolutions to the generator; nothing places it on the reference person.
"""

import math

import torch
from torch import Tensor, nn

from pipelines.keypoints import (
    BODY_BONES,
    COUNT,
    FACE_SLICE,
    HAND_BONES,
    LEFT_HAND_SLICE,
    PARTS,
    RIGHT_HAND_SLICE,
)
from training.config import ModelConfig
from training.inputs import Driver
from training.model.encoders import MotionTokens, Residual, strided
from training.model.motion import Guidance
from training.model.retarget import Seen

_BODY_WIDTH, _FINE_WIDTH = 1 / 48, 1 / 120  # of strokes, in shares of the frame; but never below a pixel
_BLOCKS = 3  # for each of D's layers: the whole is then about as large as encoders and D together


def _strokes() -> list[tuple[int, int, int, float]]:
    """(map, point, point, width) of every stroke: a map per bone of the body and per finger, one for the face's points.

    Other methods tell limbs apart by colours; maps of their own cannot hide each other.
    """
    fingers = 5
    strokes = [(number, a, b, _BODY_WIDTH) for number, (a, b) in enumerate(BODY_BONES)]
    for side, where in enumerate((LEFT_HAND_SLICE, RIGHT_HAND_SLICE)):
        first = len(BODY_BONES) + side * fingers
        strokes += [
            (first + number * fingers // len(HAND_BONES), where.start + a, where.start + b, _FINE_WIDTH)
            for number, (a, b) in enumerate(HAND_BONES)
        ]
    face = len(BODY_BONES) + 2 * fingers
    return strokes + [(face, point, point, _FINE_WIDTH) for point in range(FACE_SLICE.start, FACE_SLICE.stop)]


_STROKES = _strokes()
MAPS = 1 + max(stroke[0] for stroke in _STROKES)


@torch.no_grad()
def draw_skeleton(keypoints: Tensor, size: int) -> Tensor:
    """Keypoints (N, 88, 3) in the frame -> maps (N, 31, size, size) in [0, 1].

    A stroke is as bright as its less certain end; its edge is one pixel soft, so that places finer than a pixel show.
    """
    steps = torch.arange(size, device=keypoints.device) + 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    maps = keypoints.new_zeros(len(keypoints), MAPS, size, size)
    for number, a, b, width in _STROKES:
        start, end = keypoints[:, a, :, None, None], keypoints[:, b, :, None, None]
        from_x, from_y = x - start[:, 0] * size, y - start[:, 1] * size
        along_x, along_y = (end[:, 0] - start[:, 0]) * size, (end[:, 1] - start[:, 1]) * size
        length = (along_x.square() + along_y.square()).clamp(min=1e-6)
        share = ((from_x * along_x + from_y * along_y) / length).clamp(0, 1)
        distance = ((from_x - share * along_x).square() + (from_y - share * along_y).square()).sqrt()
        ink = (max(1.0, width * size) / 2 + 0.5 - distance).clamp(0, 1) * torch.minimum(start[:, 2], end[:, 2])
        maps[:, number] = torch.maximum(maps[:, number], ink)
    return maps


class SkeletonMotion(nn.Module):
    """See `Motion`. The tokens are the parts' keypoints as they are; z_f is a learned constant; points are where the
    driver has them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, levels = config.retarget_width, int(math.log2(config.codec_factor))
        layers = strided(MAPS, [max(8, width >> level) for level in reversed(range(levels))])
        layers += [Residual(width) for _ in range(_BLOCKS * config.retarget_layers)]
        self.layers = nn.Sequential(*layers, nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, config.guidance, 1))
        self.face = nn.Parameter(torch.randn(config.face_token) * 0.02)

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        return MotionTokens(*(driver.keypoints[:, :, where].flatten(2) for where in PARTS.values())), None

    def read(self, tokens: MotionTokens) -> Tensor | None:  # noqa: ARG002
        return None

    def see(self, reference: Tensor, points: Tensor) -> Seen:
        return Seen(reference, points)

    def place(self, seen: Seen, tokens: MotionTokens) -> Tensor | None:  # noqa: ARG002
        return None

    def moved(self, driver: Tensor, place: Tensor, photo: Tensor) -> Tensor | None:  # noqa: ARG002
        return None

    def guide(self, seen: Seen, places: Tensor | None, tokens: MotionTokens) -> Guidance:  # noqa: ARG002
        batch = tokens.body.shape[:2]
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        keypoints = torch.cat(parts, -1).unflatten(-1, (COUNT, 3))
        motion = self.layers(draw_skeleton(keypoints.flatten(0, 1), self.config.sketch)).unflatten(0, batch)
        shown = keypoints[..., 2:].clamp(0.01, 0.99).logit()
        return Guidance(motion, self.face.expand(*batch, -1), None, torch.cat([keypoints[..., :2], shown], -1))

"""What stands between a driving video and the generator: the seam that the model and its baseline share."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from training.config import ModelConfig
from training.inputs import Driver
from training.model.encoders import MotionEncoder, MotionTokens
from training.model.refine import Displacement
from training.model.retarget import RetargetDecoder, Seen


@dataclass(frozen=True)
class Guidance:
    """What the tokens mean for one person.

    motion: (B, T, C_g, h, w) on the latent grid. face: z_f (B, T, d_f). features (B, T, d, g, g) and points
    (B, T, 88, 2) in [0, 1]: of D, None without D. offsets: from a frame's places to those of the reference image
    (B, T, 2, M, M), None without the copy gate.
    """

    motion: Tensor
    face: Tensor
    features: Tensor | None
    points: Tensor | None
    offsets: Tensor | None


class Motion(Protocol):
    """`guide` sees nothing of the driver but the tokens that `look` made of it."""

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        """driver: float crops with axes (B, T, ...). The tokens, and for their loss alone the heatmaps (B, T, 21, M, M)
        of the body's points in its crop, where there are any."""

    def read(self, tokens: MotionTokens) -> Tensor | None:
        """The driver's points as each token tells them, see `PointHead`; None without D."""

    def see(self, reference: Tensor) -> Seen | None:
        """What it makes of the reference (B, 3, H, W) in [-1, 1] alone; None without D."""

    def guide(self, reference: Tensor, seen: Seen | None, tokens: MotionTokens) -> Guidance:
        """reference, seen: see `see`."""


class RetargetedMotion(nn.Module):
    """Four learned tokens per frame, which D places on the body of the person in the reference image."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config)
        self.retarget = RetargetDecoder(config)
        self.displacement = Displacement(config) if config.refine else None

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        tokens, heatmaps = self.encoder(driver)
        return tokens, heatmaps

    def read(self, tokens: MotionTokens) -> Tensor | None:
        points: Tensor = self.retarget.points(tokens)
        return points

    def see(self, reference: Tensor) -> Seen | None:
        return self.retarget.see(self.encoder.eyes(reference))

    def guide(self, reference: Tensor, seen: Seen | None, tokens: MotionTokens) -> Guidance:  # noqa: ARG002
        placed = self.retarget(seen, tokens)
        offsets = self.displacement(placed.features) if self.displacement else None
        return Guidance(placed.guidance, tokens.face, placed.features, placed.points, offsets)

"""What stands between a driving video and the generator: the seam that the model and its baseline share."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from training.config import ModelConfig
from training.inputs import Driver
from training.model.encoders import MotionEncoder, MotionTokens
from training.model.refine import Displacement
from training.model.retarget import RetargetDecoder


@dataclass(frozen=True)
class Guidance:
    """What the tokens mean for one person.

    motion: (B, T, C_g, h, w) on the latent grid. face: z_f (B, T, d_f). features: of D (B, T, d, g, g), None without D.
    offsets: from a frame's places to those of the reference image (B, T, 2, M, M), None without the copy gate.
    """

    motion: Tensor
    face: Tensor
    features: Tensor | None
    offsets: Tensor | None


class Motion(Protocol):
    """`guide` sees nothing of the driver but the tokens that `look` made of it."""

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        """driver: float crops with axes (B, T, ...). The tokens, and for their loss alone the heatmaps (B, T, 21, M, M)
        of the body's points in its crop, where there are any."""

    def see(self, reference: Tensor) -> Tensor | None:
        """What it makes of the reference (B, 3, H, W) in [-1, 1] alone: (B, d, g, g), None without D."""

    def guide(self, reference: Tensor, seen: Tensor | None, tokens: MotionTokens) -> Guidance:
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

    def see(self, reference: Tensor) -> Tensor | None:
        seen: Tensor = self.encoder.eyes(reference)
        return seen

    def guide(self, reference: Tensor, seen: Tensor | None, tokens: MotionTokens) -> Guidance:  # noqa: ARG002
        guidance, features = self.retarget(seen, tokens)
        offsets = self.displacement(features) if self.displacement else None
        return Guidance(guidance, tokens.face, features, offsets)

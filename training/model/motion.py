"""What stands between a driving video and the generator: the seam that the model and its baseline share."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from training.config import ModelConfig
from training.inputs import Driver
from training.model.encoders import MotionEncoder, MotionTokens
from training.model.refine import MovedReference
from training.model.retarget import Places, RetargetDecoder, Seen


@dataclass(frozen=True)
class Guidance:
    """What the tokens mean for one person.

    motion: (B, T, C_g, h, w) on the latent grid. face: z_f (B, T, d_f). features (B, T, d, g, g) and points
    (B, T, 88, 2) in [0, 1]: of D, None without D. moved (B, T, 3, S, S): the reference image as D moves it, None
    without the copy gate.
    """

    motion: Tensor
    face: Tensor
    features: Tensor | None
    points: Tensor | None
    moved: Tensor | None


class Motion(Protocol):
    """`guide` sees nothing of the driver but the tokens that `look` made of it."""

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        """driver: float crops with axes (B, T, ...). The tokens, and for their loss alone the heatmaps (B, T, 21, M, M)
        of the body's points in its crop, where there are any."""

    def see(self, reference: Tensor) -> Seen | None:
        """What it makes of the reference (B, 3, H, W) in [-1, 1] alone; None without D."""

    def place(self, seen: Seen | None, tokens: MotionTokens) -> Places | None:
        """Where the driver's points are, and where they come to lie; None without D."""

    def guide(self, reference: Tensor, seen: Seen | None, places: Places | None, tokens: MotionTokens) -> Guidance:
        """reference, seen: see `see`. places: see `place`."""


class RetargetedMotion(nn.Module):
    """Four learned tokens per frame, which D places on the body of the person in the reference image."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config)
        self.retarget = RetargetDecoder(config)
        self.moved = MovedReference(config) if config.refine else None

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        tokens, heatmaps = self.encoder(driver)
        return tokens, heatmaps

    def see(self, reference: Tensor) -> Seen | None:
        return self.retarget.see(self.encoder.eyes(reference))

    def place(self, seen: Seen | None, tokens: MotionTokens) -> Places | None:
        return self.retarget.place(seen, tokens) if seen else None

    def guide(self, reference: Tensor, seen: Seen | None, places: Places | None, tokens: MotionTokens) -> Guidance:
        placed = self.retarget(seen, places, tokens)
        moved = self.moved(placed.features, reference) if self.moved else None
        return Guidance(placed.guidance, tokens.face, placed.features, placed.points, moved)

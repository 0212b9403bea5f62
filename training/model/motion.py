"""What stands between a driving video and the generator: the seam that the model and its baseline share."""

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig
from training.inputs import Driver
from training.model.encoders import MotionEncoder, MotionTokens
from training.model.retarget import RetargetDecoder, Seen


@dataclass(frozen=True)
class Guidance:
    """What the tokens mean for one person.

    motion: (B, T, C_g, h, w) on the latent grid. face: z_f (B, T, d_f). features (B, T, d, g, g): of D, None without D.
    points (B, T, 88, 3): where the person's points come to lie, in [0, 1] of the picture, and how likely each is seen,
    as a logit.
    """

    motion: Tensor
    face: Tensor
    features: Tensor | None
    points: Tensor


class Motion(Protocol):
    """`guide` sees nothing of the driver but the tokens that `look` made of it."""

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        """driver: float crops with axes (B, T, ...). The tokens, and for their loss alone the heatmaps (B, T, 21, M, M)
        of the body's points in its crop, where there are any."""

    def read(self, tokens: MotionTokens) -> Tensor | None:
        """The driver's points (B, T, 88, 3) as each token tells them, see `PointHead`; None without D."""

    def see(self, reference: Tensor, points: Tensor) -> Seen:
        """What it makes of the reference (B, 3, H, W) in [-1, 1] and the person's points in it (B, 88, 3) alone."""

    def place(self, seen: Seen, tokens: MotionTokens) -> Tensor | None:
        """Where the driver's points come to lie (B, T, 88, 2), see `RetargetDecoder.place`; None without D."""

    def moved(self, driver: Tensor, place: Tensor, photo: Tensor) -> Tensor | None:
        """Where points come to lie, see `RetargetDecoder.moved`; None without D."""

    def guide(self, seen: Seen, places: Tensor | None, tokens: MotionTokens) -> Guidance:
        """seen: see `see`. places: see `place`."""


class RetargetedMotion(nn.Module):
    """Four learned tokens per frame, which D places on the body of the person in the reference image."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.sight = config.sight
        self.encoder = MotionEncoder(config)
        self.retarget = RetargetDecoder(config)

    def look(self, driver: Driver) -> tuple[MotionTokens, Tensor | None]:
        tokens, heatmaps = self.encoder(driver)
        return tokens, heatmaps

    def read(self, tokens: MotionTokens) -> Tensor | None:
        told: Tensor = self.retarget.points(tokens)
        return told

    def see(self, reference: Tensor, points: Tensor) -> Seen:
        return Seen(self.encoder.eyes(F.interpolate(reference, size=(self.sight, self.sight), mode="area")), points)

    def place(self, seen: Seen, tokens: MotionTokens) -> Tensor | None:
        placed: Tensor = self.retarget.place(seen, tokens)
        return placed

    def moved(self, driver: Tensor, place: Tensor, photo: Tensor) -> Tensor | None:
        return self.retarget.moved(driver, place, photo)

    def guide(self, seen: Seen, places: Tensor | None, tokens: MotionTokens) -> Guidance:
        placed = self.retarget(seen, places, tokens)
        return Guidance(placed.guidance, tokens.face, placed.features, placed.points)

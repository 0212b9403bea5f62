"""E, E_h and E_f: from a driving frame's crops to its four motion tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipelines.keypoints import BODY_SLICE
from training.config import ModelConfig
from training.inputs import Driver
from training.model.points import centre, mass

_BODY_POINTS = BODY_SLICE.stop - BODY_SLICE.start
# Numbers at the beginning of tokens that say something by themselves: z_b's place and the body's points behind it, and
# the boxes of hands and face.
PLACE, BODY_PLACES, BOX = 2, 2 * _BODY_POINTS, 3
_SURE = 0.5  # confidence from which on a landmark is all that counts


@dataclass(frozen=True)
class MotionTokens:
    """All that is known of the driving video: four tokens per frame, each (B, T, width).

    The skeleton baseline puts the keypoints of each part in its token's place.
    """

    body: Tensor
    left_hand: Tensor
    right_hand: Tensor
    face: Tensor

    def at(self, frames: Tensor) -> "MotionTokens":
        """The tokens of the frames with these indices, which may repeat."""
        return MotionTokens(*(getattr(self, field.name)[:, frames] for field in fields(self)))


class Residual(nn.Module):
    """Two convolutions beside the identity: (N, width, H, W) -> the same shape; width is a multiple of 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def strided(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    """Layers that halve the picture once per width: (N, channels, H, W) -> (N, last width, H / 2^n, W / 2^n)."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), Residual(width)]
        channels = width
    return layers


class CropEncoder(nn.Module):
    """Strided convolutions down to a 4 x 4 grid, then one linear map: where things are must survive.

    (N, 3, size, size) in [-1, 1] -> (N, token).
    """

    def __init__(self, size: int, width: int, token: int) -> None:
        super().__init__()
        widths = [width * min(2**level, 6) for level in range(int(math.log2(size // 4)))]
        channels = widths[-1]
        self.trunk = nn.Sequential(*strided(3, widths), nn.GroupNorm(8, channels), nn.SiLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(channels * 16, 2 * token), nn.SiLU(), nn.Linear(2 * token, token))

    def forward(self, crops: Tensor) -> Tensor:
        token: Tensor = self.head(self.trunk(crops))
        return token


class Eyes(nn.Sequential):
    """Where a person's limbs are: (N, 3, H, W) in [-1, 1] -> (N, d, H / patch, W / patch).

    E looks at driving crops through them, and D at the reference image: to find people in either is one skill, and
    what the one learns from its labels serves the other.
    """

    def __init__(self, config: ModelConfig) -> None:
        width = config.retarget_width
        narrow = [max(8, width >> level) for level in range(int(math.log2(config.patch)), 1, -1)]
        super().__init__(*strided(3, [*narrow, width]))


class BodyEncoder(nn.Module):
    """E behind its eyes: the person's crop and place -> z_b, and heatmaps of the 21 body points, whose expected places
    it is made of, among other things.

    (N, d, g, g), see `Eyes`, g = S / patch, (N, 2) and (N, 21, 3) -> (N, token) and logits (N, 21, 2 g, 2 g). A pose is
    a set of places (spatial softmax; Finn et al., 2016, arXiv 1509.06113). The token begins with the person's place and
    these places, x and y in [-1, 1] of the crop: what a perceptron made of them was further off (decision 22). Where
    the landmarks are sure they take the maps' place: a network that was trained on millions of real people puts them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        count, token, seen = _BODY_POINTS, config.body_token, config.retarget_width
        levels = int(math.log2(config.body_size // config.patch // 4))
        widths = [6 * config.encoder_width] * levels
        last = widths[-1] if widths else seen
        self.maps = nn.Sequential(nn.GroupNorm(8, seen), nn.SiLU(), nn.Conv2d(seen, 4 * count, 1), nn.PixelShuffle(2))
        self.coarse = nn.Sequential(*strided(seen, widths), nn.GroupNorm(8, last), nn.SiLU(), nn.Flatten())
        free = token - PLACE - BODY_PLACES
        self.head = nn.Sequential(nn.Linear(last * 16 + 3 * count, 2 * free), nn.SiLU(), nn.Linear(2 * free, free))

    def forward(self, seen: Tensor, place: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.maps(seen)
        shares = mass(logits)
        sure = (landmarks[..., 2:] / _SURE).clamp(max=1)
        points = torch.lerp(centre(shares) * 2 - 1, landmarks[..., :2], sure)
        pose = self.head(torch.cat([self.coarse(seen), points.flatten(1), shares.amax((-1, -2))], -1))
        return torch.cat([place, points.flatten(1), pose], -1), logits


class HandEncoder(CropEncoder):
    """E_h: either hand's crop (the right one mirrored) and its box -> z_lh or z_rh, which begins with the box; a
    learned null token for a hidden hand."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.part_size, config.encoder_width, config.hand_token - BOX)
        self.null = nn.Parameter(torch.randn(config.hand_token) * 0.02)

    def tokens(self, crops: Tensor, boxes: Tensor, visible: Tensor) -> Tensor:
        """crops: (N, 3, P, P). boxes: (N, 3), see `Driver.hand_box`. visible: (N,) bool."""
        return torch.where(visible[:, None], torch.cat([boxes, self(crops)], -1), self.null)


class FaceEncoder(CropEncoder):
    """E_f: the face's crop and its box -> z_f, which begins with the box; a learned null token for a hidden face."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.part_size, config.encoder_width, config.face_token - BOX)
        self.null = nn.Parameter(torch.randn(config.face_token) * 0.02)

    def tokens(self, crops: Tensor, boxes: Tensor, visible: Tensor) -> Tensor:
        """crops: (N, 3, P, P). boxes: (N, 3), see `Driver.face_box`. visible: (N,) bool."""
        return torch.where(visible[:, None], torch.cat([boxes, self(crops)], -1), self.null)


class NoHands(nn.Module):
    """In E_h's place where hands are left out: the null token for every hand."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.null = nn.Parameter(torch.randn(config.hand_token) * 0.02)

    def tokens(self, crops: Tensor, boxes: Tensor, visible: Tensor) -> Tensor:  # noqa: ARG002
        return self.null.expand(len(visible), -1)


class MotionEncoder(nn.Module):
    """The three encoders together."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.eyes = Eyes(config)
        self.body = BodyEncoder(config)
        self.hand: HandEncoder | NoHands = HandEncoder(config) if config.hands else NoHands(config)
        self.face = FaceEncoder(config)

    def forward(self, driver: Driver) -> tuple[MotionTokens, Tensor]:
        """driver: float crops with axes (B, T, ...). Returns the tokens, and E's heatmaps (B, T, 21, M, M)."""
        batch = driver.face_visible.shape
        body, heatmaps = (
            found.unflatten(0, batch)
            for found in self.body(
                self.eyes(driver.body.flatten(0, 1)), driver.place.flatten(0, 1), driver.landmarks.flatten(0, 1)
            )
        )
        hands = self.hand.tokens(
            driver.hands.flatten(0, 2), driver.hand_box.flatten(0, 2), driver.hand_visible.flatten()
        ).unflatten(0, (*batch, 2))
        face = self.face.tokens(
            driver.face.flatten(0, 1), driver.face_box.flatten(0, 1), driver.face_visible.flatten()
        ).unflatten(0, batch)
        return MotionTokens(body, hands[:, :, 0], hands[:, :, 1], face), heatmaps

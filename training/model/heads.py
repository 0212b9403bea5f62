"""D_h, D_n and the point head: what makes the tokens fine-grained, semantically aligned and depth-aware."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.keypoints import BODY_SLICE, COUNT, FACE_SLICE, LEFT_HAND_SLICE
from training.config import ModelConfig
from training.model.encoders import BODY_PLACES, PLACE, MotionTokens
from training.model.points import bumps

_ROI = 4


class HeatmapHead(nn.Module):
    """Features (B, T, d, g, g) -> heatmap logits (B, T, 88, M, M), M = heatmap_size."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        ratio = config.heatmap_size * config.patch // config.size
        self.layers = nn.Sequential(nn.Conv2d(config.retarget_width, COUNT * ratio * ratio, 1), nn.PixelShuffle(ratio))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return logits


class PlacedHeatmapHead(nn.Module):
    """D_h: D's features and points (B, T, 88, 2) in [0, 1] -> heatmap logits (B, T, 88, M, M) on the target frame.

    The maps begin as bumps at the points, and features say what is to change.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.change = HeatmapHead(config)
        self.trust = nn.Parameter(torch.zeros(COUNT, 1, 1))

    def forward(self, features: Tensor, points: Tensor) -> Tensor:
        change: Tensor = self.change(features)
        return change + self.trust.exp() * bumps(points, change.shape[-1])


class HandNormalHead(nn.Module):
    """D_n: D's features in a hand's box and the hand's token -> the hand's normals in camera space.

    features (B, T, d, g, g), tokens (B, T, 2, d_h), boxes (B, T, 2, 4) in frame shares -> unit vectors (B, T, 2, 3, N,
    N), N = normal_size. The right hand is mirrored, as its token is.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.size = config.normal_size
        self.token = nn.Linear(config.hand_token, 64 * _ROI * _ROI)
        self.local = nn.Conv2d(config.retarget_width, 64, 1)
        self.layers = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.SiLU(),
            nn.Upsample(size=self.size, mode="bilinear"),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 3, 3, padding=1),
        )

    def forward(self, features: Tensor, tokens: Tensor, boxes: Tensor) -> Tensor:
        batch = tokens.shape[:3]
        steps = (torch.arange(_ROI, device=boxes.device) + 0.5) / _ROI
        low, side = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
        x = (low[..., :1] + side[..., :1] * steps) * 2 - 1
        y = (low[..., 1:] + side[..., 1:] * steps) * 2 - 1
        # Row vectors of the mirrored hand run from right to left.
        x = torch.stack([x[:, :, 0], x[:, :, 1].flip(-1)], 2)
        grid = torch.stack(torch.broadcast_tensors(x[..., None, :], y[..., :, None]), -1).flatten(0, 2)
        per_hand = features[:, :, None].expand(-1, -1, 2, -1, -1, -1).flatten(0, 2)
        local = F.grid_sample(self.local(per_hand), grid, align_corners=False)
        token = self.token(tokens.flatten(0, 2)).unflatten(1, (64, _ROI, _ROI))
        normals: Tensor = F.normalize(self.layers(local + token), dim=1).unflatten(0, batch)
        return normals


class PointHead(nn.Module):
    """Each token alone -> its own part's points in the driving crop: (B, T, 88, 3), x and y in [-1, 1], the right hand
    mirrored, and the logit of being seen. Where the body's points are its token says as it is: what a perceptron made
    of those numbers was further off (42 instead of 0 thousandths of half the box, from exact landmarks).

    It warms the encoders up (a decoder alone starts with uninformative tokens) and gives z_f supervision of its own.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.body = _perceptron(config.body_token, BODY_SLICE.stop)
        self.hand = _perceptron(config.hand_token, 3 * (LEFT_HAND_SLICE.stop - LEFT_HAND_SLICE.start))
        self.face = _perceptron(config.face_token, 3 * (FACE_SLICE.stop - FACE_SLICE.start))

    def forward(self, tokens: MotionTokens) -> Tensor:
        told = tokens.body[..., PLACE : PLACE + BODY_PLACES].unflatten(-1, (-1, 2))
        body = torch.cat([told, self.body(tokens.body)[..., None]], -1)
        fine = (self.hand(tokens.left_hand), self.hand(tokens.right_hand), self.face(tokens.face))
        return torch.cat([body, torch.cat(fine, -1).unflatten(-1, (COUNT - BODY_SLICE.stop, 3))], -2)


class Heads(nn.Module):
    """Those that teach the tokens and D, and have no part in generating."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heatmaps = PlacedHeatmapHead(config)
        self.normals = HandNormalHead(config)


def _perceptron(token: int, numbers: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(token, 2 * token), nn.SiLU(), nn.Linear(2 * token, numbers))
